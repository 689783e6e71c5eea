"""The source: documents and ids out of MongoDB, through an Airflow ``mongo`` Connection."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from airflow.exceptions import AirflowConfigException  # the provider's; the SDK's is another
from airflow.providers.mongo.hooks.mongo import MongoHook
from airflow.sdk.exceptions import AirflowNotFoundException
from bson import ObjectId
from pymongo.collection import Collection
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    CursorNotFound,
    InvalidName,
    PyMongoError,
)

from reindex import connection_ids
from reindex.doc_types import DocType, Join
from reindex.errors import InvalidConnection, SourceUnavailable
from reindex.hooks.lost_reads import (
    MOST_REOPENS,
    again_when_lost,
    lost_repeatedly,
    most_reopens,
    wait_before,
)
from reindex.hooks.mongo_connection import check_connection, errors_named
from reindex.hooks.raw_batches import LENIENT, OPTIONS, decoded
from reindex.pages import Found, Lookup, Unreadable

log = logging.getLogger(__name__)
# At DEBUG, pymongo writes the documents of every answer into its log of commands.
logging.getLogger("pymongo.command").setLevel(logging.INFO)

PAGE_SIZE = 500

_ONLY_IDS = ["_id"]
_T = TypeVar("_T")


class SourceHook(MongoHook):
    """
    Reads documents by id and by range of ids.

    Close it, or use it as a context manager. Errors are :class:`SourceUnavailable` and
    :class:`InvalidConnection`; both name the connection and the host.

    :param mongo_conn_id: a connection of type ``mongo`` whose schema is the database
    """

    def __init__(self, mongo_conn_id: str = connection_ids.MONGO) -> None:
        try:
            super().__init__(mongo_conn_id=mongo_conn_id)
        except AirflowNotFoundException:
            raise InvalidConnection(
                f"connection {mongo_conn_id!r} is not defined: add it with type mongo, or set "
                f"AIRFLOW_CONN_{mongo_conn_id.upper()}"
            ) from None
        except AirflowConfigException as error:
            raise InvalidConnection(f"connection {mongo_conn_id!r}: {error}") from None
        check_connection(mongo_conn_id, self.connection)
        # A server that is not there is named in ten seconds, and one that hangs in two minutes.
        self.extras.setdefault("serverSelectionTimeoutMS", 10_000)
        self.extras.setdefault("socketTimeoutMS", 60_000)
        # What is lost is read again here: pymongo would double each wait.
        self.extras.setdefault("retryReads", False)

    def ids(self, doc_type: DocType) -> Iterator[list[object]]:
        """Every ``_id``, ascending, in batches: a covered scan of the ``_id`` index."""
        for batch in self._scan(doc_type.collection, {}, _ONLY_IDS, page_size=10_000):
            # None of them is an Unreadable.
            yield [found["_id"] for found in batch]  # type: ignore[index]

    def ranges(
        self, doc_type: DocType, first: str, until: str | None, after: str | None
    ) -> Iterator[list[Found]]:
        """
        The documents with ``first <= _id < until``, or behind ``after``, in pages by ``_id``.

        A cursor that is lost, or that ends before the range does, is opened again behind the
        last id.
        """
        bounds = _bounds(first, until, after)
        fields = ["_id", "updatedAt", *doc_type.fields]
        return self._scan(doc_type.collection, {"_id": bounds}, fields, page_size=PAGE_SIZE)

    def count(self, doc_type: DocType, first: str, until: str | None, last: str | None) -> int:
        """
        How many documents ``first <= _id < until`` holds now, up to ``last`` if given.

        Counted by a covered scan of the ``_id`` index that survives lost cursors, as the plan's.
        """
        bounds = _bounds(first, until, None)
        if last is not None:
            bounds["$lte"] = ObjectId(last)
        batches = self._scan(doc_type.collection, {"_id": bounds}, _ONLY_IDS, page_size=10_000)
        return sum(len(batch) for batch in batches)

    def by_ids(self, doc_type: DocType, doc_ids: Sequence[str]) -> Lookup:
        """Those of the ids that the collection holds, by id in lower-case hexadecimal."""
        fields = ["_id", "updatedAt", *doc_type.fields]
        held = self._in(doc_type.collection, [ObjectId(each) for each in doc_ids], fields)
        return {str(_id_of(found)): found for found in held}

    def joined(self, doc_type: DocType, documents: Iterable[Found]) -> dict[str, Lookup]:
        """The documents that these refer to, by ``Join.name``, then by id: a query a join."""
        documents = list(documents)
        return {join.name: self._join(join, documents) for join in doc_type.joins}

    def _join(self, join: Join, documents: Iterable[Found]) -> Lookup:
        wanted = {
            found[join.local_field]
            for found in documents
            if not isinstance(found, Unreadable)
            and isinstance(found.get(join.local_field), (ObjectId, str))
        }
        if not wanted:
            return {}
        held = self._in(join.collection, list(wanted), ["_id", "updatedAt", *join.fields])
        return {_id_of(found): found for found in held}

    def _in(self, collection: str, ids: Sequence[object], fields: Sequence[str]) -> list[Found]:
        """
        Those of the ids that the collection holds.

        A cursor that ends early says nothing of it. What did not come is asked for again, until
        an answer brings none of it: only then is it absent.
        """
        held = self._some_in(collection, ids, fields)
        absent = set(ids).difference(map(_id_of, held))
        while absent:
            more = self._some_in(collection, list(absent), fields)
            came = absent.intersection(map(_id_of, more))
            if not came:
                break
            log.warning("a read by ids on %s was cut short, the rest is read again", collection)
            held += more
            absent -= came
        return held

    def _some_in(
        self, collection: str, ids: Sequence[object], fields: Sequence[str]
    ) -> list[Found]:
        def read() -> list[Found]:
            # In one batch: by itself, the first ends after 101 documents.
            batches: Iterable[Any] = self._collection(collection).find_raw_batches(
                {"_id": {"$in": list(ids)}}, list(fields), batch_size=len(ids) + 1
            )
            return [found for batch in batches for found in decoded(batch)]

        try:
            return self._named(lambda: again_when_lost(read))
        except (AutoReconnect, CursorNotFound) as error:
            raise self._lost(collection, error) from error

    def _scan(
        self,
        collection: str,
        query: dict[str, dict[str, object]],
        fields: Sequence[str],
        page_size: int,
    ) -> Iterator[list[Found]]:
        bounds = dict(query.get("_id", {}))
        idle_reopens = 0
        while True:
            progressed = False
            lost: PyMongoError | None = None
            try:
                for page in self._pages(collection, bounds, fields, page_size):
                    bounds.pop("$gte", None)
                    bounds["$gt"] = _id_of(page[-1])
                    progressed = True
                    yield page
                if not self._holds_more(collection, bounds):
                    return
                log.warning("cursor on %s ended before its range did, opened again", collection)
            except (AutoReconnect, CursorNotFound) as error:
                log.warning(
                    "cursor on %s was lost (%s), opened again", collection, type(error).__name__
                )
                lost = error
            idle_reopens = 0 if progressed else idle_reopens + 1
            if lost is not None and idle_reopens > most_reopens(lost):
                raise self._lost(collection, lost) from lost
            if idle_reopens > MOST_REOPENS:
                raise SourceUnavailable(
                    f"{self._where}: reading {collection} brings no more documents, though it "
                    f"holds some behind {bounds.get('$gt')}"
                )
            if lost is not None:
                wait_before(idle_reopens + 1)

    def _pages(
        self, collection: str, bounds: dict[str, object], fields: Sequence[str], page_size: int
    ) -> Iterator[list[Found]]:
        query = {"_id": dict(bounds)} if bounds else {}
        if fields == _ONLY_IDS:
            yield from self._id_pages(collection, query, page_size)
            return

        def opened() -> Any:
            return self._collection(collection).find_raw_batches(
                query, list(fields), sort=[("_id", 1)], batch_size=page_size
            )

        with self._named(opened) as cursor:
            while (batch := self._named(lambda: next(cursor, None))) is not None:
                page = self._named(partial(decoded, batch))
                for at in range(0, len(page), page_size):
                    yield page[at : at + page_size]

    def _id_pages(
        self, collection: str, query: Mapping[str, object], page_size: int
    ) -> Iterator[list[Found]]:
        """
        Pymongo's plain cursor reads bare ids in half the time of its raw batches.

        Those are for broken documents; an id with broken text is no ObjectId, however it reads.
        """
        ids = self._collection(collection).with_options(codec_options=LENIENT)

        def opened() -> Any:
            return ids.find(query, _ONLY_IDS, sort=[("_id", 1)], batch_size=page_size)

        with self._named(opened) as cursor:
            while page := self._named(lambda: list(islice(cursor, page_size))):
                yield page

    def _holds_more(self, collection: str, bounds: dict[str, object]) -> bool:
        """One look behind the last id proves that the range is done."""
        if "$gt" not in bounds:
            return False  # not one document came: the first look was this look
        return (
            self._named(lambda: self._collection(collection).find_one({"_id": bounds}, ["_id"]))
            is not None
        )

    def _collection(self, name: str) -> Collection[dict[str, Any]]:
        try:
            # Builds the client, the first time.
            collection: Collection[dict[str, Any]] = self.get_collection(name)
        except (ConfigurationError, InvalidName, ValueError, TypeError, OSError) as error:
            # Pymongo's texts name the option, and no value that could be a secret.
            raise InvalidConnection(f"{self._where} cannot be used as it is: {error}") from None
        return collection.with_options(codec_options=OPTIONS)

    def _lost(self, collection: str, error: PyMongoError) -> SourceUnavailable:
        return lost_repeatedly(self._where, collection, error, self.extras["socketTimeoutMS"])

    @property
    def _where(self) -> str:
        port = f":{self.connection.port}" if self.connection.port else ""
        return f"Mongo at {self.connection.host}{port} (connection {self.mongo_conn_id!r})"

    def _named(self, call: Callable[[], _T]) -> _T:
        """Run a Mongo call; its errors get the connection's name and host."""
        with errors_named(self._where):
            return call()


def _bounds(first: str, until: str | None, after: str | None) -> dict[str, object]:
    bounds: dict[str, object] = (
        {"$gte": ObjectId(first)} if after is None else {"$gt": ObjectId(after)}
    )
    if until is not None:
        bounds["$lt"] = ObjectId(until)
    return bounds


def _id_of(found: Found) -> object:
    return found.doc_id if isinstance(found, Unreadable) else found["_id"]
