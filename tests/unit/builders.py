"""What the unit tests share: small valid things, a fake source, a fake Discovery API, a clock."""

from __future__ import annotations

import asyncio
import json
import math
import selectors
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest.mock import patch

from bson import ObjectId

from reindex import delivery
from reindex.answers import INDEXED, Answer, Reason, Refused
from reindex.doc_types import DocType
from reindex.ledger import ChunkLedger, Counts, Failure
from reindex.pages import Found, Lookup
from reindex.payloads import IndexRequest, Rejection, index_request

T = TypeVar("T")
NOON = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)

SERVER_ERROR = Refused(Reason.SERVER, "internal_error", 500)
NO_CONNECTION = Refused(Reason.CONNECTION, "ClientConnectorError")
TIMED_OUT = Refused(Reason.TIMEOUT, "no answer in time")
BAD_TOKEN = Refused(Reason.AUTH, "invalid_token", 401)
INVALID = Refused(Reason.VALIDATION, "validation_error; title: too long", 422)


def hex_id(number: int) -> str:
    return f"{number:024x}"


def ids(count: int, start: int = 1) -> list[str]:
    return [hex_id(number) for number in range(start, start + count)]


def a_request(doc_id: str, doc_type: str = "creator") -> IndexRequest:
    body = json.dumps({"docType": doc_type, "docId": doc_id}).encode()
    return IndexRequest(doc_type, doc_id, NOON, body)


def a_failure(doc_id: str, reason: Reason = Reason.SERVER, doc_type: str = "creator") -> Failure:
    return Failure(doc_type, doc_id, reason.value, 500, 5, "internal_error")


def a_ledger(expected: int, doc_type: str = "creator", **changes: Any) -> ChunkLedger:
    return replace(ChunkLedger(0, {doc_type: Counts(expected=expected)}), **changes)


def request_of(
    doc_type: DocType, document: Mapping[str, object], **joined: Mapping[str, object]
) -> IndexRequest:
    """The request of a document that must become one."""
    made = index_request(doc_type, {"_id": ObjectId(hex_id(1)), **document}, joined)
    assert isinstance(made, IndexRequest), made
    return made


def body_of(
    doc_type: DocType, document: Mapping[str, object], **joined: Mapping[str, object]
) -> dict[str, Any]:
    """The decoded body of that request."""
    body: dict[str, Any] = json.loads(request_of(doc_type, document, **joined).body)
    return body


def rejection_of(
    doc_type: DocType, document: Mapping[str, object], **joined: Mapping[str, object]
) -> Rejection:
    """The rejection of a document that cannot become a request."""
    made = index_request(doc_type, {"_id": ObjectId(hex_id(1)), **document}, joined)
    assert isinstance(made, Rejection), made
    return made


@dataclass
class FakeSource:
    """Reads like the source; ``documents`` is docType → ids, ``asked`` what it was asked for."""

    documents: Mapping[str, Sequence[str]]
    page_size: int = 3
    users: Mapping[object, Found] = field(default_factory=dict)
    fields: Mapping[str, object] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)

    def ranges(
        self, doc_type: DocType, first: str, until: str | None, after: str | None
    ) -> Iterator[list[Found]]:
        held = [
            doc_id
            for doc_id in sorted(self.documents.get(doc_type.name, ()))
            if (doc_id >= first if after is None else doc_id > after)
            and (until is None or doc_id < until)
        ]
        for at in range(0, len(held), self.page_size):
            some = held[at : at + self.page_size]
            self.asked.append(("range", len(some)))
            yield [self._document(doc_id) for doc_id in some]

    def by_ids(self, doc_type: DocType, doc_ids: Sequence[str]) -> Lookup:
        self.asked.append(("ids", len(doc_ids)))
        held = set(self.documents.get(doc_type.name, ()))
        return {doc_id: self._document(doc_id) for doc_id in doc_ids if doc_id in held}

    def joined(self, doc_type: DocType, documents: Iterable[Found]) -> Mapping[str, Lookup]:
        self.asked.append(("joined", len(list(documents))))
        return {join.name: self.users for join in doc_type.joins}

    def _document(self, doc_id: str) -> Found:
        return {"_id": ObjectId(doc_id), "updatedAt": NOON, **self.fields}


Script = Callable[[str, int], Answer]


def always(answer: Answer) -> Script:
    return lambda _doc_id, _attempt: answer


ALL_INDEXED = always(INDEXED)


@dataclass
class FakeDiscovery:
    """
    Answers posts by a script: document id and attempt (from 1) → answer.

    Each takes ``seconds`` of the virtual clock, or what ``slow`` says of its document; ``posts``
    is when which document was posted.
    """

    clock: Clock
    script: Script = ALL_INDEXED
    seconds: float = 0.01
    slow: Mapping[str, float] = field(default_factory=dict)
    posts: list[tuple[float, str]] = field(default_factory=list)
    attempts: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    most_in_flight: int = 0

    async def post(self, body: bytes) -> Answer:
        doc_id = json.loads(body)["docId"]
        self.posts.append((self.clock.now, doc_id))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            self.attempts[doc_id] += 1
            attempt = self.attempts[doc_id]
            await asyncio.sleep(self.slow.get(doc_id, self.seconds))
            return self.script(doc_id, attempt)
        finally:
            self.in_flight -= 1


class Clock:
    """A time that jumps to the next thing to do, so that minutes of waiting take no time."""

    MOST_SECONDS = 3_600.0

    def __init__(self) -> None:
        self.now = 1_000.0
        self.latest = self.now + self.MOST_SECONDS

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run with this clock as the event loop's and the delivery's."""
        loop = _JumpingLoop(self)
        try:
            with patch.object(delivery, "time", SimpleNamespace(monotonic=loop.time)):
                return loop.run_until_complete(coroutine)
        finally:
            self.latest = math.inf
            for task in asyncio.all_tasks(loop):
                task.cancel()
                loop.run_until_complete(asyncio.wait([task]))
            loop.close()


class _JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: Clock) -> None:
        super().__init__(_JumpingSelector(clock))
        self._clock = clock

    def time(self) -> float:
        return self._clock.now


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nothing is left that could ever happen"
        self._clock.now += max(0.0, timeout)
        assert self._clock.now <= self._clock.latest, (
            f"still waiting after {Clock.MOST_SECONDS:.0f} s"
        )
        return super().select(0)
