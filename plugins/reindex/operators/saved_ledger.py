"""A chunk's ledger between its attempts: what one keeps in the task state store, the next reads."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reindex.chunks import Chunk
from reindex.ledger import ChunkLedger, untouched

log = logging.getLogger(__name__)

STATE_KEY = "ledger"


def begun_ledger(saved: object, chunk: Chunk) -> ChunkLedger:
    """The ledger to go on with: what an earlier attempt of the same chunk saved, or a new one."""
    now = time.time()
    if isinstance(saved, Mapping) and saved.get("chunk") == chunk.label:
        ledger = ChunkLedger.from_json(saved)
        # The time between the attempts, hours when somebody cleared the chunk, is no work.
        worked = max(0.0, ledger.ended - ledger.started)
        return replace(ledger, started=now - worked, ended=0.0)
    return replace(untouched(chunk), started=now)


def save(store: Any, chunk: Chunk, ledger: ChunkLedger) -> None:
    """For the next attempt, and for whoever looks on. The store is Airflow's, of this task only."""
    saved = replace(ledger, ended=time.time())
    store.set(STATE_KEY, {"chunk": chunk.label, **saved.to_json()})


def forget(store: Any) -> None:
    """
    Of a chunk that is done, or that has to be read anew. Where it cannot be forgotten it fails no
    chunk that is done; the next attempt of another finds again what was wrong with it.
    """
    try:
        store.clear()
    except Exception:
        log.warning("the ledger that was saved could not be cleared", exc_info=True)


async def save_from_loop(store: Any, chunk: Chunk, ledger: ChunkLedger) -> None:
    """As :func:`save`, in a thread: inside an event loop, Airflow's own call could dead-lock."""
    await asyncio.to_thread(save, store, chunk, ledger)
