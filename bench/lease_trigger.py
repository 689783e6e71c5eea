"""A deferrable lease, only to be measured: `bench.job_wait`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from reindex.leased_jobs import leased_jobs, sort_out
from reindex.operators.lease import LeaseJobsOperator

POLL_SECONDS = 5.0


class LeaseTrigger(BaseTrigger):
    """Asks for jobs every ``poll_seconds``; fires with those that it leased."""

    def __init__(self, jobs_conn_id: str, poll_seconds: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.jobs_conn_id = jobs_conn_id
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            "bench.lease_trigger.LeaseTrigger",
            {"jobs_conn_id": self.jobs_conn_id, "poll_seconds": self.poll_seconds},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        from reindex.hooks.jobs import JobsHook

        hook = JobsHook(self.jobs_conn_id)
        while True:
            if jobs := await asyncio.to_thread(hook.lease, 10):
                yield TriggerEvent([job.to_json() for job in jobs])  # type: ignore[no-untyped-call]
                return
            await asyncio.sleep(self.poll_seconds)


class DeferredLeaseOperator(LeaseJobsOperator):
    """Waits in the triggerer; then the same as the operator that polls, without its checks."""

    def execute(self, context: Any) -> list[dict[str, object]]:
        trigger = LeaseTrigger(self.jobs_conn_id, POLL_SECONDS)
        self.defer(trigger=trigger, method_name="leased")

    def leased(self, context: Any, event: list[Mapping[str, Any]]) -> list[dict[str, object]]:
        from reindex.hooks.jobs import JobsHook

        jobs, _ = leased_jobs(event)
        started = sort_out(jobs, JobsHook(self.jobs_conn_id).worker_id()).start
        return [{"trigger_run_id": each.job.run_id, "conf": dict(each.conf)} for each in started]
