"""What operators take out of Airflow's task context."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule

from reindex.chunks import Chunk, RangeChunk, SliceChunk, chunk_from
from reindex.conf import JobReference, RunConf, job_reference, parse_conf, taking_over
from reindex.errors import InvalidConf, PermanentError, ReindexError, named
from reindex.ledger import ChunkLedger
from reindex.work import Work, to_drive_again

log = logging.getLogger(__name__)

PLAN_TASK = "plan"
CHUNK_TASK = "reindex_chunk"
REPORT_TASK = "report"

# XCom keys beside the return values.
PLAN_FACTS = "plan"
PLAN_DOC_IDS = "docIds"
PLAN_ERROR = "error"
PLAN_JOB = "job"
CHUNK_SAMPLES = "samples"
RUN_RATE = "rate"

_BEGUN = ("running", "failed", "success")

RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=PermanentError,
            action=RetryAction.FAIL,
            reason="another attempt would end the same way",
        )
    ]
)


def raw_conf(context: Mapping[str, Any]) -> dict[str, object]:
    """
    The Params' values with the run's conf over them, unknown conf keys included.

    A job's payload is whole by itself: what it leaves out, no Param's default stands in for.
    """
    conf = dict(context["dag_run"].conf or {})
    params = {key: context["params"][key] for key in context["params"]}
    if conf.get("jobId") is not None:
        params.pop("docType", None)
    return params | conf


def run_conf(context: Mapping[str, Any]) -> RunConf:
    """The run's conf, checked; a redrive's with what its plan took over from the earlier run."""
    conf = parse_conf(raw_conf(context))
    if conf.redrive is None:
        return conf
    facts = context["ti"].xcom_pull(task_ids=PLAN_TASK, key=PLAN_FACTS, map_indexes=-1) or {}
    return taking_over(conf, facts.get("handedOn", {}))


def job_of_run(conf: Mapping[str, object], ti: Any) -> JobReference | None:
    """
    The job that hears of a run's end: the conf's, or the one that its plan registered.

    :param ti: ``None`` where there is none to ask for the plan's XCom
    :raises InvalidConf: for a ``jobId`` or ``workerId`` that cannot stand in a URL or a header
    """
    job = job_reference(conf)
    if job is not None or ti is None:
        return job
    registered = ti.xcom_pull(task_ids=PLAN_TASK, key=PLAN_JOB, map_indexes=-1)
    return job_reference(registered) if registered else None


@contextmanager
def errors_logged() -> Iterator[None]:
    """Say in one line what is wrong before Airflow prints the traceback."""
    try:
        yield
    except ReindexError as error:
        log.error("%s", named(error))
        raise


def pulled_ledgers(ti: Any, run_id: str) -> list[dict[str, Any]]:
    """The ledgers of a run's chunks, in one request, in no order that means anything."""
    pulled = ti.xcom_pull(task_ids=CHUNK_TASK, run_id=run_id)
    ledgers = pulled if isinstance(pulled, list) else [pulled]
    return [ledger for ledger in ledgers if ledger is not None]


def begun_chunks(ti: Any, run_id: str) -> int:
    """How many of a run's chunks were begun at all, whatever became of them."""
    states = ti.get_task_states(dag_id=ti.dag_id, task_ids=[CHUNK_TASK], run_ids=[run_id])
    return sum(state in _BEGUN for state in states.get(run_id, {}).values())


def pulled_chunks(ti: Any, run_id: str) -> list[dict[str, Any]] | None:
    """The descriptors that a run planned; ``None`` when its plan left none."""
    planned = ti.xcom_pull(task_ids=PLAN_TASK, run_id=run_id, map_indexes=-1)
    return None if planned is None else list(planned)


def work_of(ti: Any, run_id: str, chunk: Chunk, conf: RunConf | None) -> Work:
    """
    The work that a chunk stands for.

    :param conf: the run's own conf; for a chunk of an earlier run it is not at hand, and the ids
        come from that run's XCom
    """
    if isinstance(chunk, RangeChunk):
        return Work.of_range(chunk)
    if isinstance(chunk, SliceChunk):
        ids = conf.doc_ids if conf else ti.xcom_pull(PLAN_TASK, run_id=run_id, key=PLAN_DOC_IDS)
        return Work(chunk.docType, tuple(ids or ())[chunk.offset : chunk.offset + chunk.expected])
    facts = ti.xcom_pull(task_ids=PLAN_TASK, run_id=run_id, key=PLAN_FACTS, map_indexes=-1)
    earlier = str(facts["redrive"])
    planned = pulled_chunks(ti, earlier)
    if planned is None:
        raise InvalidConf("redrive", earlier, "the run id of a run whose XComs still exist")
    source = chunk_from(planned[chunk.source])
    left = ti.xcom_pull(task_ids=CHUNK_TASK, run_id=earlier, map_indexes=chunk.source)
    ledger = ChunkLedger.from_json(left) if left else None
    return to_drive_again(work_of(ti, earlier, source, None), ledger)
