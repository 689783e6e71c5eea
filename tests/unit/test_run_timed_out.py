"""The one ending that the report task does not see: `dagrun_timeout`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from reindex.conf import JobReference
from reindex.hooks.jobs import JobReport, JobsHook
from reindex.run_timed_out import ATTEMPTS, report_time_out


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[JobReference, str]]:
    said: list[tuple[JobReference, str]] = []

    def fail(self: JobsHook, job: JobReference, message: str, *, attempts: int) -> JobReport:
        assert attempts == ATTEMPTS
        said.append((job, message))
        return JobReport("queued")

    monkeypatch.setattr(JobsHook, "fail", fail)
    return said


def context(conf: dict[str, object] | None, reason: str | None = "timed_out") -> dict[str, Any]:
    return {"reason": reason, "dag_run": SimpleNamespace(conf=conf, run_id="manual__1")}


def test_the_job_of_a_run_that_timed_out_is_told(told: list[tuple[JobReference, str]]) -> None:
    report_time_out(context({"jobId": "job-1", "workerId": "worker-1"}))
    assert [job for job, _ in told] == [JobReference("job-1", "worker-1")]
    assert "manual__1 took longer" in told[0][1]
    assert '{"redrive": "manual__1"}' in told[0][1]


@pytest.mark.parametrize("conf", [None, {}, {"docType": "all"}])
def test_a_run_without_a_job_has_nobody_to_tell(
    told: list[tuple[JobReference, str]], conf: dict[str, object] | None
) -> None:
    report_time_out(context(conf))
    assert told == []


class Registered:
    """A task instance whose run registered a job of its own."""

    def xcom_pull(self, **asked: Any) -> Any:
        assert asked == {"task_ids": "plan", "key": "job", "map_indexes": -1}
        return {"jobId": "job-night", "workerId": "worker-2"}


def test_the_job_that_the_night_registered_is_told(told: list[tuple[JobReference, str]]) -> None:
    report_time_out({**context({}), "ti": Registered()})
    assert [job for job, _ in told] == [JobReference("job-night", "worker-2")]


def test_the_job_of_the_conf_comes_first(told: list[tuple[JobReference, str]]) -> None:
    report_time_out({**context({"jobId": "job-1"}), "ti": Registered()})
    assert [job for job, _ in told] == [JobReference("job-1")]


@pytest.mark.parametrize("reason", ["task_failure", None, ""])
def test_every_other_failure_was_reported_by_the_report_task(
    told: list[tuple[JobReference, str]], reason: str | None
) -> None:
    report_time_out(context({"jobId": "job-1"}, reason))
    assert told == []
