"""Python's garbage collector, while a task works through many documents."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_garbage_collector() -> Iterator[None]:
    """
    Leave Airflow's objects, near 200,000 of them, out of every full collection.

    They are there before and after; in a process of its own, as Celery's and Kubernetes' tasks
    are, going through them again and again takes longer than reading. The local executor's are
    forked from a frozen process: there it is the larger thresholds that save something.
    """
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
