"""A run of many chunks of which none posts anything: a real plan, a real report."""

from __future__ import annotations

import json
import time
from typing import Any

from airflow.sdk import DAG

from reindex.answers import Reason
from reindex.chunks import chunk_from
from reindex.ledger import ChunkLedger, Counts, Failure
from reindex.operators.chunk import ReindexChunkOperator
from reindex.operators.plan import PlanReindexOperator
from reindex.operators.report import ReportReindexOperator
from reindex.operators.run_context import CHUNK_TASK, PLAN_TASK, REPORT_TASK, pulled_chunks

# Every tenth chunk has failures, about as many as one may have that is not stopped for them.
FAILING_EACH, FAILURES = 10, 20


class CountedChunkOperator(ReindexChunkOperator):
    """Leaves the ledger of a chunk that is done, and what the plan's list cost to pull again."""

    def execute(self, context: Any) -> dict[str, object]:
        started = time.perf_counter()
        pulled = pulled_chunks(context["ti"], context["run_id"])
        seconds = time.perf_counter() - started
        pull = {"pullBytes": len(json.dumps(pulled)), "pullSeconds": seconds}
        return {**_ledger(self.chunk).to_json(), **pull}


def _ledger(descriptor: Any) -> ChunkLedger:
    chunk = chunk_from(descriptor)
    failed = FAILURES if chunk.index % FAILING_EACH == 0 else 0
    known = {"expected": chunk.expected, "fetched": chunk.expected}
    counts = Counts(**known, indexed=chunk.expected - failed, failed=failed)
    failures = tuple(_failure(chunk.docType, number) for number in range(failed))
    now = time.time()
    return ChunkLedger(
        chunk.index,
        {chunk.docType: counts},
        failures=failures,
        requests=chunk.expected,
        complete=True,
        started=now - 10,
        ended=now,
    )


def _failure(doc_type: str, number: int) -> Failure:
    said = "validation_error: payload.title: must be a text of at most 200 characters"
    return Failure(doc_type, f"{number:024x}", Reason.VALIDATION.value, 422, 1, said)


with DAG(dag_id="many_chunks", schedule=None) as dag:
    plan = PlanReindexOperator(task_id=PLAN_TASK)
    chunks = CountedChunkOperator.partial(
        task_id=CHUNK_TASK, map_index_template="{{ task.label }}"
    ).expand(chunk=plan.output)
    report = ReportReindexOperator(task_id=REPORT_TASK)
    chunks >> report.as_teardown(on_failure_fail_dagrun=True)
