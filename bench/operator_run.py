"""The real chunk operator, executed without a scheduler around it."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import structlog

from bench.bare_loops import HEADERS
from reindex.chunks import LOWEST_ID, RangeChunk, descriptor_of
from reindex.operators.chunk import ReindexChunkOperator
from sandbox.seed import DATABASE


class Store(dict[str, Any]):
    """A task state store that forgets at the end: ``get``, ``set``, ``clear``."""

    def set(self, key: str, value: object) -> None:
        # The real one sends it to the API server as JSON.
        self[key] = json.loads(json.dumps(value))


@dataclass
class TaskInstance:
    """As much of a task instance as the operator uses."""

    dag_id: str = "bench"
    pushed: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: object) -> None:
        self.pushed[key] = value

    def get_ti_count(self, **_: object) -> int:
        return 1


@contextmanager
def connections(mongo_uri: str, base_url: str) -> Iterator[None]:
    """
    The two connections of the operator, by environment, as a deployment has them.

    :param mongo_uri: empty when the source is a tape
    """
    mongo, target = urlsplit(mongo_uri), urlsplit(base_url)
    by_environment = {
        "AIRFLOW_CONN_MARKETPLACE_MONGO": {
            "conn_type": "mongo",
            "host": mongo.hostname or "127.0.0.1",
            "port": mongo.port,
            "schema": DATABASE,
        },
        "AIRFLOW_CONN_DISCOVERY_API": {
            "conn_type": "http",
            "host": target.hostname,
            "port": target.port,
            "password": HEADERS["Authorization"].removeprefix("Bearer "),
        },
    }
    values = {name: json.dumps(each) for name, each in by_environment.items()}
    with patch.dict(os.environ, values):
        yield


def reindex_all(doc_type: str, expected: int, conf: Mapping[str, object]) -> None:
    """
    Execute the operator over a whole collection as one chunk.

    :param conf: of the run, such as ``{"maxInFlight": 16}``
    :raises RuntimeError: when not every document was indexed: then nothing was measured
    """
    chunk = descriptor_of(RangeChunk(0, doc_type, LOWEST_ID, None, expected))
    operator = ReindexChunkOperator(task_id="reindex_chunk", chunk=chunk)
    context = {
        "params": {},
        "dag_run": SimpleNamespace(conf=dict(conf)),
        "ti": TaskInstance(),
        "run_id": "bench",
        "task_state_store": Store(),
    }
    ledger = operator.execute(context)
    if ledger["counts"] != {doc_type: _all_indexed(expected)}:
        raise RuntimeError(f"not every document was indexed: {ledger['counts']}")


def quiet() -> None:
    """A line a chunk is no news here."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


def _all_indexed(count: int) -> dict[str, int]:
    return {"expected": count, "fetched": count, "indexed": count}
