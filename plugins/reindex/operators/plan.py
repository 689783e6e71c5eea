"""The plan: conf in, chunk descriptors out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from airflow.sdk import BaseOperator

from reindex import connection_ids
from reindex.answers import Reason
from reindex.chunks import RedriveChunk, chunk_from, descriptor_of, plan_ranges, plan_slices
from reindex.conf import RunConf, handed_on, refuse_future, taking_over
from reindex.doc_types import ALL, DOC_TYPES
from reindex.errors import InvalidConf, PermanentError, ReindexError, named
from reindex.garbage_collection import quiet_garbage_collector
from reindex.ledger import Failure
from reindex.links import RUN_LINKS
from reindex.operators.nightly_job import job_json, nightly_job
from reindex.operators.run_context import (
    PLAN_DOC_IDS,
    PLAN_ERROR,
    PLAN_FACTS,
    PLAN_JOB,
    PLAN_TASK,
    errors_logged,
    pulled_chunks,
    pulled_ledgers,
    raw_conf,
    run_conf,
)
from reindex.run_ledger import left_undone

# A collection with more ids of another type than ObjectId is not the platform's.
MOST_STRANGE_IDS = 1000


class PlanReindexOperator(BaseOperator):
    """
    Cuts a run into chunks.

    Returns the descriptors that ``reindex_chunk`` is mapped over; pushes beside them the facts
    that the report needs (``plan``), the conf's ids when it has any (``docIds``, for a later
    redrive), the job that it registered for a scheduled run (``job``), and, when it fails, the
    reason (``error``).

    :param jobs_conn_id: the Jobs service, where a scheduled run may be registered
    :param most_chunks: Airflow's ``core.max_map_length`` when not given
    """

    operator_extra_links = RUN_LINKS

    def __init__(
        self,
        *,
        mongo_conn_id: str = connection_ids.MONGO,
        jobs_conn_id: str = connection_ids.JOBS,
        most_chunks: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mongo_conn_id = mongo_conn_id
        self.jobs_conn_id = jobs_conn_id
        self.most_chunks = most_chunks

    def execute(self, context: Any) -> list[dict[str, object]]:
        ti = context["ti"]
        # First of all, and known at once: whatever happens to this run, its job hears of it.
        dry_run = raw_conf(context).get("dryRun") is True
        if not dry_run and (job := nightly_job(context, self.jobs_conn_id)):
            ti.xcom_push(key=PLAN_JOB, value=job_json(job))
        try:
            with errors_logged():
                conf = run_conf(context)
                refuse_future(conf, datetime.now(timezone.utc))
                chunks, facts = self._planned(ti, conf)
        except ReindexError as error:
            ti.xcom_push(key=PLAN_ERROR, value=named(error))
            raise
        if conf.doc_ids is not None:
            ti.xcom_push(key=PLAN_DOC_IDS, value=list(conf.doc_ids))
        ti.xcom_push(key=PLAN_FACTS, value=facts)
        documents = sum(int(str(chunk["expected"])) for chunk in chunks)
        how = "for a dry run, " if conf.dry_run else ""
        self.log.info("planned %s%d chunks for %d documents", how, len(chunks), documents)
        return chunks

    def _planned(self, ti: Any, conf: RunConf) -> tuple[list[dict[str, object]], dict[str, object]]:
        facts: dict[str, object] = {
            "redrive": conf.redrive, "rejected": [], "dryRun": conf.dry_run,
            "handedOn": handed_on(conf),
        }  # fmt: skip
        if conf.redrive:
            return self._planned_again(ti, conf, conf.redrive, facts), facts
        if conf.doc_ids is not None:
            ids, size = len(conf.doc_ids), conf.chunk_size
            slices = plan_slices(conf.doc_type, ids, size, self._most_chunks())
            return [descriptor_of(chunk) for chunk in slices], facts
        from reindex.hooks.source import SourceHook

        rejected: list[Failure] = []
        with SourceHook(self.mongo_conn_id) as source, quiet_garbage_collector():
            ids_by_type = [
                (name, _object_ids(name, source.ids(DOC_TYPES[name]), rejected))
                for name in conf.doc_types
            ]
            ranges, totals = plan_ranges(ids_by_type, conf.chunk_size, self._most_chunks())
        facts |= {"totals": totals, "rejected": [asdict(failure) for failure in rejected]}
        return [descriptor_of(chunk) for chunk in ranges], facts

    def _planned_again(
        self, ti: Any, conf: RunConf, run_id: str, facts: dict[str, object]
    ) -> list[dict[str, object]]:
        planned = pulled_chunks(ti, run_id)
        if planned is None:
            expected = f"the run id of an earlier run of {ti.dag_id} that got as far as its plan"
            raise InvalidConf("redrive", run_id, expected)
        pulled = ti.xcom_pull(task_ids=PLAN_TASK, run_id=run_id, key=PLAN_FACTS, map_indexes=-1)
        earlier = pulled or {}
        if earlier.get("dryRun"):
            expected = (
                "the run id of a real run: this one was a dry run, of which nothing is left to be "
                "done again (start a run with its conf, without dryRun)"
            )
            raise InvalidConf("redrive", run_id, expected)
        facts["handedOn"] = handed_on(taking_over(conf, earlier.get("handedOn", {})))
        # They can be in no chunk of this run either: it does not call itself done without them.
        facts["rejected"] = earlier.get("rejected", [])
        left = left_undone(planned, pulled_ledgers(ti, run_id))
        chunks = [
            RedriveChunk(index, chunk_from(planned[source]).docType, source, documents)
            for index, (source, documents) in enumerate(left.items())
        ]
        _refuse_part(conf.doc_type, {chunk.docType for chunk in chunks}, run_id)
        return [descriptor_of(chunk) for chunk in chunks]

    def _most_chunks(self) -> int:
        if self.most_chunks is not None:
            return self.most_chunks
        from airflow.sdk.configuration import conf  # at run time: it reads files

        return int(conf.getint("core", "max_map_length"))


def _refuse_part(doc_type: str, left: set[str], run_id: str) -> None:
    """A redrive with a type that is not that of all that is left would leave something out."""
    if doc_type != ALL and left - {doc_type}:
        expected = (
            f"the type of all that {run_id} has left to do ({', '.join(sorted(left))}): leave "
            "docType out, a redrive repeats everything that is left"
        )
        raise InvalidConf("docType", doc_type, expected)


def _object_ids(
    doc_type: str, batches: Iterator[list[object]], rejected: list[Failure]
) -> Iterator[list[object]]:
    """The ObjectIds among the ids. The others can be in no index: they are booked."""
    from bson import ObjectId

    for batch in batches:
        if set(map(type, batch)) != {ObjectId}:
            _reject(doc_type, [each for each in batch if not isinstance(each, ObjectId)], rejected)
            batch = [each for each in batch if isinstance(each, ObjectId)]
        yield batch


def _reject(doc_type: str, strange: list[object], rejected: list[Failure]) -> None:
    if len(rejected) + len(strange) > MOST_STRANGE_IDS:
        raise PermanentError(
            f"the collection of docType {doc_type} holds more than {MOST_STRANGE_IDS} "
            f"documents whose _id is no ObjectId, such as a {type(strange[-1]).__name__}: "
            "is it the platform's?"
        )
    rejected += [_strange(doc_type, doc_id) for doc_id in strange]


def _strange(doc_type: str, doc_id: object) -> Failure:
    message = f"_id is a {type(doc_id).__name__}, expected an ObjectId"
    return Failure(doc_type, str(doc_id)[:80], Reason.UNREADABLE.value, None, 0, message)
