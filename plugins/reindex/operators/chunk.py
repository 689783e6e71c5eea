"""The reindex handler: one chunk, from Mongo to the Discovery API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from reindex import connection_ids
from reindex.answers import Accepted
from reindex.chunks import Chunk, chunk_from
from reindex.conf import RunConf
from reindex.delivery import PostPolicy
from reindex.dry_run import DryRun
from reindex.errors import ChunkKilled, ChunkTimedOut, LedgerImbalance, named
from reindex.folding import Result, WouldSend
from reindex.garbage_collection import quiet_garbage_collector
from reindex.indexer import Indexer
from reindex.ledger import ChunkLedger, Failure
from reindex.links import RUN_LINKS
from reindex.metrics import ChunkMeter
from reindex.operators.run_context import CHUNK_SAMPLES, errors_logged, run_conf, work_of
from reindex.operators.saved_ledger import (
    STATE_KEY,
    begun_ledger,
    forget,
    save,
    save_from_loop,
)
from reindex.pages import Item, Page
from reindex.proof import proven
from reindex.read_ahead import read_ahead
from reindex.reading import pages_of
from reindex.verdict import tolerated_failures
from reindex.work import Work

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

    from reindex.hooks.discovery import DiscoveryHook
    from reindex.hooks.endpoint import Endpoint

# A handful of failures never ends a chunk early, however small the chunk is.
FEWEST_FAILURES = 20
# Each is named in the XCom and kept in memory, in about 350 bytes.
MOST_FAILURES = 10_000
# What an attempt whose time is up has left to keep its ledger: a share of its execution_timeout.
CLOSING_SHARE, MOST_CLOSING_SECONDS = 0.05, 5.0


class ReindexChunkOperator(BaseOperator):
    """
    Fetches a chunk's documents, posts each to the Discovery API, counts every outcome.
    A dry run does all of that but post, and pushes a sample of the payloads (``samples``).

    Returns the chunk's ledger; pushes it also when it ends with an error, so that nothing of what
    it did is lost. An attempt goes on where the one before it died.

    :param chunk: a descriptor of :class:`PlanReindexOperator`
    :param mongo_conn_id: the source, a connection of type ``mongo``
    :param discovery_conn_id: the Discovery service, a connection of type ``http``
    """

    template_fields = ("chunk",)
    operator_extra_links = RUN_LINKS

    def __init__(
        self,
        *,
        chunk: Mapping[str, object],
        mongo_conn_id: str = connection_ids.MONGO,
        discovery_conn_id: str = connection_ids.DISCOVERY,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.chunk = chunk
        self.mongo_conn_id = mongo_conn_id
        self.discovery_conn_id = discovery_conn_id
        self._worker: Indexer | DryRun | None = None
        self._killed: ChunkKilled | None = None

    @property
    def label(self) -> str:
        """What this instance holds; the DAG's ``map_index_template`` shows it."""
        return chunk_from(self.chunk).label

    def execute(self, context: Any) -> dict[str, object]:
        self._began = time.monotonic()
        with errors_logged():
            conf = run_conf(context)
            chunk = chunk_from(self.chunk)
            work = work_of(context["ti"], context["run_id"], chunk, conf)
            return self._indexed(context, conf, chunk, work)

    def _indexed(self, context: Any, conf: RunConf, chunk: Chunk, work: Work) -> dict[str, object]:
        # Not at the top: whoever parses the DAG file imports this module.
        from reindex.hooks.source import SourceHook

        store = context["task_state_store"]
        # A dry run starts over: it is quick, and an attempt's samples go with its XComs.
        begun = begun_ledger(None if conf.dry_run else store.get(STATE_KEY), chunk)
        failed_before = work.failed_before.union(failure.docId for failure in begun.failures)
        post = partial(self._post, failed_before=failed_before)
        work_off = self._dry_run if conf.dry_run else post
        with ExitStack() as opened:
            try:
                mongo = opened.enter_context(SourceHook(self.mongo_conn_id))
                pages = pages_of(mongo, work, begun, conf.updated_since)
                with quiet_garbage_collector():
                    done = work_off(context, conf, chunk, begun, pages)
                ledger = proven(mongo, work, done)
            except BaseException as error:
                # Before the source is closed: where it hangs, that takes longer than Airflow waits
                # between SIGTERM and SIGKILL.
                kept = self._worker.ledger if self._worker else begun
                self._keep(context, chunk, kept, error)
                raise
        forget(store)
        ledger = replace(ledger, complete=True, ended=time.time())
        self._log_summary(chunk, ledger)
        return ledger.to_json()

    def on_kill(self) -> None:
        """Let go of what is in flight and keep the ledger, instead of dying in mid-air."""
        self._killed = ChunkKilled("Airflow asked this task to end")
        if self._worker is not None:
            self._worker.stop(self._killed)

    def get_openlineage_facets_on_start(self) -> OperatorLineage[Any, Any]:
        """Called by the OpenLineage provider, where there is one: at the start and at the end."""
        from reindex.lineage import lineage_of

        counts = self._worker.ledger.counts if self._worker else {}
        doc_type = chunk_from(self.chunk).docType
        return lineage_of(doc_type, self.mongo_conn_id, self.discovery_conn_id, counts)

    def _post(
        self,
        context: Any,
        conf: RunConf,
        chunk: Chunk,
        begun: ChunkLedger,
        pages: Iterator[Page],
        *,
        failed_before: frozenset[str],
    ) -> ChunkLedger:
        from reindex.hooks.discovery import DiscoveryHook

        discovery = DiscoveryHook(self.discovery_conn_id)
        endpoint = discovery.endpoint()
        self._worker = indexer = Indexer(
            policy=self._policy(context, conf, chunk, endpoint),
            ledger=begun,
            checkpoint=partial(save_from_loop, context["task_state_store"], chunk),
            on_result=self._on_result(conf),
            failed_before=failed_before,
        )
        if self._killed is not None:  # before there was anybody to tell
            raise self._killed
        asyncio.run(self._post_in_time(_post_all(discovery, endpoint, indexer, pages), indexer))
        return indexer.ledger

    async def _post_in_time(self, posting: Awaitable[None], indexer: Indexer) -> None:
        """
        Airflow's own alarm raises wherever it lands: in a callback of the event loop, asyncio logs
        that and goes on, without any time-out from then on. So the loop ends itself just before.
        """
        if self.execution_timeout is not None:
            seconds = self.execution_timeout.total_seconds()
            closing = min(MOST_CLOSING_SECONDS, CLOSING_SHARE * seconds)
            left = self._began + seconds - closing - time.monotonic()
            why = f"its execution_timeout of {self.execution_timeout} is over; the next attempt"
            error = ChunkTimedOut(f"{why} goes on from here")
            asyncio.get_running_loop().call_later(left, indexer.stop, error)
        await posting

    def _dry_run(
        self, context: Any, conf: RunConf, chunk: Chunk, begun: ChunkLedger, pages: Iterator[Page]
    ) -> ChunkLedger:
        self._worker = dry_run = DryRun(
            ledger=begun,
            most_refused=_most_refused(conf, chunk),
            checkpoint=partial(save, context["task_state_store"], chunk),
            on_result=self._on_result(conf),
        )
        if self._killed is not None:
            raise self._killed
        ledger = dry_run.run(pages)
        context["ti"].xcom_push(key=CHUNK_SAMPLES, value=dry_run.samples)
        return ledger

    def _policy(self, context: Any, conf: RunConf, chunk: Chunk, endpoint: Endpoint) -> PostPolicy:
        rate = conf.requests_per_second
        if rate is not None:
            rate /= self._chunks_at_once(context)
        return PostPolicy(
            where=f"Discovery API at {endpoint.where}",
            max_in_flight=conf.max_in_flight,
            requests_per_second=rate,
            most_failures=_most_failures(conf, chunk),
            most_refused=_most_refused(conf, chunk),
        )

    def _chunks_at_once(self, context: Any) -> int:
        """So many chunks of this run may post at the same time: they share the run's rate."""
        ti = context["ti"]
        planned: int = ti.get_ti_count(
            dag_id=ti.dag_id, task_ids=[self.task_id], run_ids=[context["run_id"]]
        )
        return max(1, min(planned, self.max_active_tis_per_dagrun or planned))

    def _on_result(self, conf: RunConf) -> Any:
        log_all = conf.log_every_document or conf.doc_ids is not None

        def on_result(item: Item, result: Result) -> None:
            if isinstance(result, Failure):
                self.log.warning(
                    "%s %s not indexed: %s (%s), HTTP status %s, %d attempts",
                    item.doc_type, item.doc_id, result.reason, result.message,
                    result.status, result.attempts,
                )  # fmt: skip
            elif isinstance(result, (Accepted, WouldSend)):
                if log_all:
                    said = _said(result)
                    self.log.info("indexDocument %s %s: %s", item.doc_type, item.doc_id, said)
            elif log_all:
                self.log.info(
                    "%s %s: %s", item.doc_type, item.doc_id, type(result).__name__.lower()
                )

        return on_result

    def _keep(self, context: Any, chunk: Chunk, ledger: ChunkLedger, error: BaseException) -> None:
        """What was done stays known: for the next attempt, and for the report if there is none."""
        if isinstance(error, LedgerImbalance):
            # No document of it is known to be done: another attempt, or a redrive, reads it all.
            forget(context["task_state_store"])
            new = begun_ledger(None, chunk)
            ledger = replace(new, started=ledger.started, requests=ledger.requests)
        else:
            try:
                save(context["task_state_store"], chunk, ledger)
            except Exception:
                # The report still gets it, and Airflow the error that ended the chunk.
                self.log.warning("the ledger could not be saved", exc_info=True)
        why = named(error)[:500]
        left = replace(ledger, complete=False, ended=time.time(), error=why)
        context["ti"].xcom_push(key="return_value", value=left.to_json())
        self._log_summary(chunk, left)

    def _log_summary(self, chunk: Chunk, ledger: ChunkLedger) -> None:
        total = ledger.total
        sent = f"indexed {total.indexed}, ignored {total.ignored}"
        if isinstance(self._worker, DryRun):
            sent = f"dry run, would index {total.wouldSend}"
        self.log.info(
            "chunk %d, %s: %s, unchanged %d, missing %d, failed %d, "
            "not reached %d; %d requests, %.1f s of work",
            chunk.index, chunk.label, sent, total.unchanged, total.missing, total.failed,
            total.not_reached, ledger.requests, ledger.ended - ledger.started,
        )  # fmt: skip


def _said(result: Accepted | WouldSend) -> str:
    if isinstance(result, WouldSend):
        return "would index"
    return "indexed" if result.indexed else "ignored"


def _most_failures(conf: RunConf, chunk: Chunk) -> int:
    tolerated = tolerated_failures(chunk.expected, conf.failure_tolerance)
    return min(MOST_FAILURES, max(FEWEST_FAILURES, tolerated))


def _most_refused(conf: RunConf, chunk: Chunk) -> int:
    return max(_most_failures(conf, chunk), min(MOST_FAILURES, chunk.expected // 2))


async def _post_all(
    discovery: DiscoveryHook, endpoint: Endpoint, indexer: Indexer, pages: Iterator[Page]
) -> None:
    meter = ChunkMeter(indexer)
    async with discovery.session(endpoint) as session, meter.speaking():
        await indexer.run(read_ahead(pages), meter.timed(session.post))
