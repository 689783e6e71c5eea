"""
A Mongo of any size that holds nothing: ``python -m bench.generated_mongo --port 27100``.

It speaks as much of MongoDB's wire protocol as the source hook and a plain cursor ask for, and
answers finds by ``_id`` from a formula: ids count up without a gap, documents repeat a few hundred
of the sandbox's. Batches are BSON that is put together from pieces and kept, so that a read is
measured by what the reader does. It ends by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import socket
import socketserver
import struct
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import bson
from bson import ObjectId

from bench import REPOSITORY, RUN_DIRECTORY
from sandbox import seed_documents
from sandbox.processes import ManagedProcess, free_port, wait_until
from sandbox.seed import SEED

START_SECONDS, LIFE_SECONDS = 20.0, 900.0
OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
HEAD = struct.Struct("<iiii")
TEMPLATES = 500
BATCHES_KEPT = 512
# Where the client names no size: a mongod's first one, and about as much as its 16 MB hold.
FIRST_BATCH, NEXT_BATCH = 101, 10_000
HELLO = {
    "ismaster": True,
    "helloOk": True,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "maxBsonObjectSize": 16 * 2**20,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "ok": 1.0,
}


class Collection(NamedTuple):
    """``lowest`` is the id of document 0 as a number; ``refers`` a field that holds a user's id."""

    lowest: int
    make: Any
    refers: str | None = None


def _lowest(kind: int) -> int:
    return int.from_bytes(bytes([0x65, kind, *[0] * 10]), "big")


COLLECTIONS: Mapping[str, Collection] = {
    "creatorprofiles": Collection(_lowest(1), seed_documents.creator, "userId"),
    "projects": Collection(_lowest(2), seed_documents.project, "ownerId"),
    "users": Collection(_lowest(3), seed_documents.user),
}
USERS = COLLECTIONS["users"]


@dataclass(frozen=True)
class Template:
    """A document's BSON around its own id and that of the user it refers to."""

    head: bytes
    middle: bytes = b""
    tail: bytes = b""


@dataclass
class Cursor:
    """What is still to be sent: the documents ``at`` … ``end - 1``."""

    namespace: str
    fields: tuple[str, ...]
    at: int
    end: int


def id_at(collection: Collection, number: int) -> bytes:
    """The id of the document of that number."""
    return (collection.lowest + number).to_bytes(12, "big")


def numbers_within(name: str, bounds: Mapping[str, ObjectId], count: int) -> tuple[int, int]:
    """The numbers of the documents within ``$gte``, ``$gt``, ``$lt`` and ``$lte``, half open."""
    first, end = 0, count
    for operator, bound in bounds.items():
        number = int.from_bytes(bound.binary, "big") - COLLECTIONS[name].lowest
        if operator in ("$gte", "$gt"):
            first = max(first, number + (operator == "$gt"))
        else:
            end = min(end, number + (operator == "$lte"))
    return first, max(first, end)


@lru_cache
def templates(name: str, fields: tuple[str, ...]) -> list[Template]:
    """The documents that repeat, of each only these fields; all of them when none is named."""
    return [_template(name, number, fields) for number in range(TEMPLATES)]


def _template(name: str, number: int, fields: tuple[str, ...]) -> Template:
    collection = COLLECTIONS[name]
    own, user = ObjectId(b"own id here "), ObjectId(b"a user's id ")
    document = {
        "_id": own,
        **{k: v for k, v in collection.make(SEED, number).items() if k != "_id"},
    }
    if collection.refers:
        document[collection.refers] = user
    encoded = bson.encode({k: v for k, v in document.items() if not fields or k in fields})
    head, rest = encoded.split(own.binary)
    middle, _, tail = rest.partition(user.binary)
    return Template(head, middle, tail)


@lru_cache(BATCHES_KEPT)
def batch(name: str, fields: tuple[str, ...], first: int, end: int) -> bytes:
    """The documents ``first`` … ``end - 1`` as a BSON array."""
    return _array(document(name, fields, number) for number in range(first, end))


def document(name: str, fields: tuple[str, ...], number: int) -> bytes:
    """The BSON of one document."""
    template = templates(name, fields)[number % TEMPLATES]
    own = id_at(COLLECTIONS[name], number)
    if not template.tail:
        return template.head + own + template.middle
    user = id_at(USERS, number // seed_documents.PROJECTS_PER_OWNER)
    return template.head + own + template.middle + user + template.tail


def _array(documents: Iterator[bytes]) -> bytes:
    elements = b"".join(
        b"\x03%d\0%b" % (place, each) for place, each in zip(itertools.count(), documents)
    )
    return struct.pack("<i", len(elements) + 5) + elements + b"\0"


class Server(socketserver.ThreadingTCPServer):
    """A thread a connection. ``counts`` says how many documents each collection has."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, counts: Mapping[str, int]) -> None:
        super().__init__(("127.0.0.1", port), Connection)
        self.counts = counts
        self.cursors: dict[int, Cursor] = {}
        self.cursor_ids = itertools.count(1)


class Connection(socketserver.StreamRequestHandler):
    """One client; a request is answered before the next one is read."""

    server: Server
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            while len(head := self.rfile.read(HEAD.size)) == HEAD.size:
                size, request_id, _, kind = HEAD.unpack(head)
                body = self.rfile.read(size - HEAD.size)
                if kind == OP_QUERY:  # the first hello of a client that does not know us yet
                    preamble, answer = struct.pack("<iqii", 8, 0, 0, 1), bson.encode(HELLO)
                    self._send(request_id, OP_REPLY, preamble + answer)
                else:
                    command = bson.decode(_first_section(body))
                    self._send(request_id, OP_MSG, b"\0\0\0\0\0" + self._answer(command))

    def _send(self, request_id: int, kind: int, body: bytes) -> None:
        head = HEAD.pack(HEAD.size + len(body), 0, request_id, kind)
        self.request.sendall(head + body)

    def _answer(self, command: dict[str, Any]) -> bytes:
        name = next(iter(command))
        if name == "find":
            return self._found(command)
        if name == "getMore":
            return self._next_batch(
                command["getMore"], "nextBatch", command.get("batchSize", NEXT_BATCH)
            )
        if name == "killCursors":
            for cursor_id in command["cursors"]:
                self.server.cursors.pop(cursor_id, None)
        return bson.encode(HELLO)  # also to ping and endSessions: its "ok" is what they look for

    def _found(self, command: dict[str, Any]) -> bytes:
        name = command["find"]
        wanted = command.get("filter", {}).get("_id", {})
        fields = tuple(sorted(command.get("projection") or ()))
        namespace = f"{command['$db']}.{name}"
        if "$in" in wanted:
            lowest = COLLECTIONS[name].lowest
            numbers = (int.from_bytes(each.binary, "big") - lowest for each in wanted["$in"])
            held = (n for n in numbers if 0 <= n < self.server.counts[name])
            found = _array(document(name, fields, number) for number in held)
            return _cursor_answer("firstBatch", found, 0, namespace)
        first, end = numbers_within(name, wanted, self.server.counts[name])
        size = command.get("batchSize", FIRST_BATCH)
        if limit := abs(command.get("limit", 0)):
            end, size = min(end, first + limit), limit
        cursor_id = next(self.server.cursor_ids)
        self.server.cursors[cursor_id] = Cursor(namespace, fields, first, end)
        return self._next_batch(cursor_id, "firstBatch", size)

    def _next_batch(self, cursor_id: int, key: str, size: int) -> bytes:
        cursor = self.server.cursors[cursor_id]
        end = min(cursor.end, cursor.at + size)
        name = cursor.namespace.split(".", 1)[1]
        found = batch(name, cursor.fields, cursor.at, end)
        cursor.at = end
        if end == cursor.end:
            del self.server.cursors[cursor_id]
            cursor_id = 0
        return _cursor_answer(key, found, cursor_id, cursor.namespace)


def _first_section(body: bytes) -> bytes:
    # Flags, the section's kind, then the command; the clients here send no other section.
    return body[5 : 5 + struct.unpack_from("<i", body, 5)[0]]


def _cursor_answer(key: str, array: bytes, cursor_id: int, namespace: str) -> bytes:
    """``{cursor: {<key>: [...], id, ns}, ok: 1}``, around an array that is BSON already."""
    rest = bson.encode({"id": bson.Int64(cursor_id), "ns": namespace})[4:]
    batch_field = b"\x04" + key.encode() + b"\0" + array
    cursor = struct.pack("<i", 4 + len(batch_field) + len(rest)) + batch_field + rest
    ok = bson.encode({"ok": 1.0})[4:]
    field = b"\x03cursor\0" + cursor
    return struct.pack("<i", 4 + len(field) + len(ok)) + field + ok


@contextmanager
def generated_mongo(*, projects: int, creators: int = 0) -> Iterator[str]:
    """The URI of such a Mongo in a process of its own."""
    port = free_port()
    module = "bench.generated_mongo"
    counts = ["--projects", str(projects), "--creators", str(creators)]
    process = ManagedProcess(
        f"generated-mongo-{port}",
        [sys.executable, "-m", module, "--port", str(port), *counts],
        RUN_DIRECTORY,
        working_directory=REPOSITORY,
    )
    with process:
        wait_until(lambda: _answers(port), START_SECONDS, "the generated Mongo", process=process)
        yield f"mongodb://127.0.0.1:{port}/"
    process.log_file.unlink(missing_ok=True)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until its time is over or it is interrupted."""
    parser = argparse.ArgumentParser(prog="python -m bench.generated_mongo", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--projects", type=int, default=1_000_000)
    parser.add_argument("--creators", type=int, default=0)
    parser.add_argument("--life", type=float, default=LIFE_SECONDS, help="seconds until it ends")
    options = parser.parse_args(arguments)
    documents = {"projects": options.projects, "creatorprofiles": options.creators}
    counts = {**documents, "users": sum(documents.values())}
    with Server(options.port, counts) as server, contextlib.suppress(KeyboardInterrupt):
        end = threading.Timer(options.life, server.shutdown)
        end.daemon = True
        end.start()
        server.serve_forever()


if __name__ == "__main__":
    main()
