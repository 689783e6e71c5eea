"""
The source without a Mongo behind it: answers that were recorded, given again in the same order.

The embedded Mongo needs more of the machine for a document than everything else that is measured
here. With its answers at hand the operator still decodes the BSON, joins and builds every payload;
only the wait for the wire, and the Mongo process beside it, are gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from bench.operator_run import connections, reindex_all
from bench.source_data import DOC_TYPE
from bench.target import running_target
from reindex.hooks.source import SourceHook


@dataclass
class Tape:
    """What the collections answered, in the order asked; once ``recorded`` they answer from it."""

    answers: list[Any] = field(default_factory=list)
    recorded: bool = False


class _AtHand:
    """A cursor over raw batches, or over ids, that are at hand."""

    def __init__(self, answers: list[Any]) -> None:
        self._left = iter(answers)

    def __iter__(self) -> Iterator[Any]:
        return self._left

    def __next__(self) -> Any:
        return next(self._left)

    def __enter__(self) -> _AtHand:
        return self

    def __exit__(self, *_: object) -> None: ...


class _Recording:
    """As much of a pymongo collection as the source hook uses; what it answers goes on tape."""

    def __init__(self, collection: Any, answers: list[Any]) -> None:
        self._collection, self._answers = collection, answers

    def with_options(self, **options: Any) -> _Recording:
        return _Recording(self._collection.with_options(**options), self._answers)

    def find_raw_batches(self, *arguments: Any, **options: Any) -> _AtHand:
        return self._read(self._collection.find_raw_batches(*arguments, **options))

    def find(self, *arguments: Any, **options: Any) -> _AtHand:
        return self._read(self._collection.find(*arguments, **options))

    def _read(self, cursor: Any) -> _AtHand:
        with cursor:
            self._answers.append(list(cursor))
        return _AtHand(self._answers[-1])

    def find_one(self, *arguments: Any) -> Any:
        self._answers.append(self._collection.find_one(*arguments))
        return self._answers[-1]


class _Replay:
    """The same from the tape, whatever is asked: a chunk asks the same each time."""

    def __init__(self, answers: Iterator[Any]) -> None:
        self._answers = answers

    def with_options(self, **_: Any) -> _Replay:
        return self

    def find_raw_batches(self, *_: Any, **__: Any) -> _AtHand:
        return _AtHand(next(self._answers))

    def find(self, *_: Any, **__: Any) -> _AtHand:
        return _AtHand(next(self._answers))

    def find_one(self, *_: Any) -> Any:
        return next(self._answers)


@contextmanager
def source_on_tape(tape: Tape) -> Iterator[None]:
    """One chunk's reads go onto this tape, or, when it is recorded, come from its beginning."""
    real = SourceHook.get_collection
    replay = _Replay(iter(tape.answers)) if tape.recorded else None

    def get_collection(hook: SourceHook, *arguments: Any, **options: Any) -> Any:
        return replay or _Recording(real(hook, *arguments, **options), tape.answers)

    with patch.object(SourceHook, "get_collection", get_collection):
        yield
    tape.recorded = True


def recorded(mongo_uri: str, documents: int) -> Tape:
    """What the Mongo answers when the whole collection is reindexed."""
    tape = Tape()
    with running_target() as target, connections(mongo_uri, target), source_on_tape(tape):
        reindex_all(DOC_TYPE, documents, {})
    return tape
