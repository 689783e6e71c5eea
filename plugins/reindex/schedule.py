"""When the night begins, and whether it is due: the same for the deadline and the job worker."""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import CronTriggerTimetable

# Airflow's words for a schedule that is no cron expression.
_NO_CRON = ("@once", "@continuous")


def nightly_schedule(schedule: str | None) -> CronTriggerTimetable | str | None:
    """
    The DAG's schedule, with the hour of the night as its run's logical date.

    A bare expression would be read so only while `[scheduler] create_cron_data_intervals` is off.
    With it on, a night has the logical date of the night before: the deadline would come a day
    early, and a night would be due all day.
    """
    if schedule is None or schedule in _NO_CRON:
        return schedule
    return CronTriggerTimetable(schedule, timezone="UTC")


def is_due(next_run: datetime | None, now: datetime) -> bool:
    """
    Whether the scheduled run should be there by now.

    :param next_run: the logical date of the scheduled run that Airflow creates next
    """
    return next_run is not None and next_run <= now
