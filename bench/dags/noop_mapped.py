"""Fifty mapped tasks that cost what a chunk's task costs before its first document."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG

from reindex.chunks import SliceChunk, descriptor_of
from reindex.operators.chunk import ReindexChunkOperator

TASKS = 50


class NoopChunkOperator(ReindexChunkOperator):
    """Imports what a chunk imports, and reindexes nothing."""

    def execute(self, context: Any) -> dict[str, object]:
        import reindex.hooks.discovery
        import reindex.hooks.source

        return {"hooks": [reindex.hooks.discovery.__name__, reindex.hooks.source.__name__]}


with DAG(dag_id="noop_mapped", schedule=None) as dag:
    NoopChunkOperator.partial(task_id="noop").expand(
        chunk=[descriptor_of(SliceChunk(index, "all", index, 1)) for index in range(TASKS)]
    )
