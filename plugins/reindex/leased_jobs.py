"""
Pure: what becomes of leased jobs. Each one starts a run, is refused, or needs nothing.

A lease lasts five minutes and cannot be renewed, so a job whose run takes longer comes back with a
higher attempt. The run ids tell: `job__<jobId>__<attempt>`, one for each attempt there may be.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from reindex.conf import JobReference, job_reference, parse_conf
from reindex.errors import InvalidConf, shown
from reindex.job_types import REINDEX_BATCH, check_payload

MOST_LEASED = 10
LEASE_SECONDS = 300.0
# What lies between a lease and its job's report: more than this share of the lease is not planned.
USED_SHARE = 2 / 3
# A chunk should hold ten seconds of work (design); a run's three tasks take five to come and go.
CHUNK_SECONDS = 10.0
RUN_SECONDS = 5.0


@dataclass(frozen=True)
class LeasedJob:
    """A job as ``GET /jobs/lease`` hands it out; ``attempt`` counts leases and failures, from 1."""

    job_id: str
    attempt: int
    payload: object

    @property
    def run_id(self) -> str:
        return _run_id(self.job_id, self.attempt)

    @property
    def run_ids(self) -> list[str]:
        """The ids that a run of this job can have: of this attempt and of those before it."""
        return [_run_id(self.job_id, attempt) for attempt in range(self.attempt, 0, -1)]

    def to_json(self) -> dict[str, object]:
        """As the Jobs service spells it."""
        return {"jobId": self.job_id, "attempt": self.attempt, "payload": self.payload}


@dataclass(frozen=True)
class Start:
    """A job that gets a run of its own; ``conf`` is its payload and who answers for it."""

    job: LeasedJob
    conf: Mapping[str, object]


@dataclass(frozen=True)
class Refusal:
    """A job that no run could work off; ``reason`` is what the Jobs service is told."""

    job: JobReference
    reason: str


@dataclass(frozen=True)
class SortedOut:
    """
    ``running`` came back because their lease ran out while their run waits or runs: it will report
    them. ``over`` were reported between their lease's end and now.
    """

    start: tuple[Start, ...] = ()
    refused: tuple[Refusal, ...] = ()
    running: tuple[LeasedJob, ...] = ()
    over: tuple[LeasedJob, ...] = ()


def leased_jobs(entries: object) -> tuple[tuple[LeasedJob, ...], tuple[str, ...]]:
    """
    The jobs of a lease's answer, each attempt once, and what is wrong with the entries that are
    none: a job without a usable id cannot even be reported.
    """
    if not isinstance(entries, list):
        return (), (f"jobs: {shown(entries)} is not a list",)
    jobs: dict[str, LeasedJob] = {}
    strange = []
    for place, entry in enumerate(entries):
        try:
            job = _leased_job(entry)
        except InvalidConf as error:
            strange.append(f"jobs[{place}]: {error}")
        else:
            jobs.setdefault(job.run_id, job)
    return tuple(jobs.values()), tuple(strange)


def sort_out(
    jobs: Iterable[LeasedJob],
    worker_id: str,
    *,
    running: Collection[str] = (),
    over: Collection[str] = (),
) -> SortedOut:
    """
    What becomes of each job, in the order that they were leased.

    :param running: job ids of which a run waits or runs
    :param over: job ids that the service does not hold as leased any more
    """
    start, refused, again, ended = [], [], [], []
    for job in jobs:
        if job.job_id in running:
            again.append(job)
        elif job.job_id in over:
            ended.append(job)
        else:
            try:
                start.append(Start(job, conf_of(job, worker_id)))
            except InvalidConf as error:
                reference = JobReference(job.job_id, worker_id)
                refused.append(Refusal(reference, f"payload refused: {error}"))
    return SortedOut(tuple(start), tuple(refused), tuple(again), tuple(ended))


def conf_of(job: LeasedJob, worker_id: str) -> dict[str, object]:
    """
    The conf of the job's run: the payload as it is, the job, and the worker that holds its lease.

    :raises InvalidConf: names the field of the payload that breaks its rule
    """
    check_payload(REINDEX_BATCH, job.payload)
    assert isinstance(job.payload, Mapping)
    # A null is a key that was left out; as a conf it would replace a Param's default.
    conf = {str(key): value for key, value in job.payload.items() if value is not None}
    conf |= {"jobId": job.job_id, "workerId": worker_id}
    parse_conf(conf)
    return conf


def lease_limit(active_runs: int, open_chunks: int) -> int:
    """
    How many jobs may be leased, 0 to 10, so that all of them are worked off within their lease.

    What waits is worked off first, one run at a time: a job that was leased too early would run out
    of its lease while it waits. It waits as well in the Jobs service, where any worker can take it.

    :param active_runs: runs of `reindex_batch` that wait or run
    :param open_chunks: chunks of these that are not done; a run without a plan counts as one
    """
    left = LEASE_SECONDS * USED_SHARE - active_runs * RUN_SECONDS - open_chunks * CHUNK_SECONDS
    return max(0, min(MOST_LEASED, int(left / (RUN_SECONDS + CHUNK_SECONDS))))


def failure_of_run(run_id: str, said: str) -> str:
    """What a job is told of a run that failed; :func:`run_that_failed` reads it."""
    return f"run {run_id}: {said}"


def run_that_failed(held: Mapping[str, object]) -> str | None:
    """
    The run that reported the failure that a job bears.

    :param held: the job, as the Jobs service holds it
    """
    error = held.get("lastError")
    message = str(error.get("message", "")) if isinstance(error, Mapping) else ""
    named = re.match(r"run (\S+): ", message)
    return named[1] if named else None


def batches(run_ids: list[str], most: int = 100) -> Iterator[list[str]]:
    """Run ids in such numbers that they fit into the query of one request."""
    return (run_ids[place : place + most] for place in range(0, len(run_ids), most))


def _leased_job(entry: object) -> LeasedJob:
    if not isinstance(entry, Mapping):
        raise InvalidConf("job", entry, "an object")
    reference = job_reference({"jobId": entry.get("jobId")})
    attempt = entry.get("attempt")
    if reference is None:
        raise InvalidConf("jobId", None, "given")
    if isinstance(attempt, bool) or not isinstance(attempt, int) or attempt < 1:
        raise InvalidConf("attempt", attempt, "a whole number from 1")
    return LeasedJob(reference.job_id, attempt, entry.get("payload"))


def _run_id(job_id: str, attempt: int) -> str:
    return f"job__{job_id}__{attempt}"
