"""A Mongo to read from: the one that is given, a mongod, or the embedded wire server."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pymongo import MongoClient
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from sandbox.processes import ManagedProcess, free_port, wait_until
from sandbox.seed import DATABASE

URI_VARIABLE = "REINDEX_MONGO_URI"
# Where generated data go on somebody's Mongo: not where the platform has its own.
EXTERNAL_DATABASE = "reindex_sandbox"
START_SECONDS = 60.0
ANSWER_SECONDS = 10.0

Kind = Literal["external", "mongod", "nx-27017"]


class MongoAddressError(ValueError):
    """What ``REINDEX_MONGO_URI`` holds cannot be used."""


@dataclass
class Mongo:
    """``database`` holds the data. ``process`` is None for the external one, which is not ours."""

    uri: str = field(repr=False)  # an external one may carry a password
    kind: Kind
    process: ManagedProcess | None = field(default=None, repr=False)
    database: str = DATABASE

    def start(self) -> None:
        """Starts it, on the same port and with the same data as before; returns when it answers.

        RuntimeError for an external Mongo, as for ``stop``.
        """
        process = self._own()
        # The embedded server takes any living process of that number for itself and does not start.
        _pid_file(process.run_directory).unlink(missing_ok=True)
        process.start()
        wait_until(self._answers, START_SECONDS, f"{self.kind} at {self.uri}", process=process)

    def stop(self) -> None:
        """Stops it, as a fault would; whoever is connected loses the connection."""
        self._own().stop()

    def _own(self) -> ManagedProcess:
        if self.process is None:
            raise RuntimeError(f"the Mongo of {URI_VARIABLE} is not the sandbox's to stop or start")
        return self.process

    def _answers(self) -> bool:
        client: MongoClient[dict[str, Any]] = MongoClient(self.uri, serverSelectionTimeoutMS=300)
        with client:
            try:
                client.admin.command("ping")
            except PyMongoError:
                return False
        return True


@contextmanager
def given_or_running_mongo(data_dir: Path) -> Iterator[Mongo]:
    """The one of ``REINDEX_MONGO_URI``, neither started nor stopped, or else one of our own."""
    if uri := os.environ.get(URI_VARIABLE):
        yield external_mongo(uri)
        return
    with running_mongo(data_dir) as mongo:
        yield mongo


def external_mongo(uri: str) -> Mongo:
    """
    The Mongo of that address, once it answers; data go into the database that the address names.

    :raises MongoAddressError: it is none, or more than a connection of Airflow's has fields for
    :raises NotReadyError: nobody answers there, or not with that login
    """
    if uri.startswith("mongodb+srv://"):
        raise _refused("mongodb+srv:// is not supported, name one of its hosts")
    try:
        parsed = parse_uri(uri)
    except (PyMongoError, ValueError):
        # Without what pymongo says: that may quote a part of the password.
        raise _refused("it is no such address") from None
    if len(parsed["nodelist"]) != 1:
        raise _refused(f"it names {len(parsed['nodelist'])} hosts, expected one")
    mongo = Mongo(uri, "external", database=parsed["database"] or EXTERNAL_DATABASE)
    host, port = parsed["nodelist"][0]
    wait_until(mongo._answers, ANSWER_SECONDS, f"the Mongo of {URI_VARIABLE} at {host}:{port}")
    return mongo


def _refused(why: str) -> MongoAddressError:
    form = "mongodb://[user:password@]host[:port][/database][?options]"
    return MongoAddressError(f"{URI_VARIABLE} must be {form}: {why}")


@contextmanager
def running_mongo(data_dir: Path, *, port: int | None = None) -> Iterator[Mongo]:
    """A Mongo on the loopback with its data in ``data_dir``, stopped at the end.

    It is ``mongod`` when that is on the PATH, else ``nx-27017``. ``port`` defaults to a free one.
    """
    mongo = _local_mongo(data_dir, port or free_port())
    try:
        mongo.start()
        yield mongo
    finally:
        mongo.stop()


def _local_mongo(data_dir: Path, port: int) -> Mongo:
    mongod = shutil.which("mongod")
    kind: Kind = "mongod" if mongod else "nx-27017"
    data = data_dir / f"{kind}-data"
    data.mkdir(parents=True, exist_ok=True)
    command = _mongod(mongod, data, port) if mongod else _embedded(data_dir, data, port)
    process = ManagedProcess("mongo", command, data_dir)
    return Mongo(f"mongodb://127.0.0.1:{port}/", kind, process)


def _mongod(executable: str, data: Path, port: int) -> list[str]:
    return [executable, "--dbpath", str(data), "--port", str(port), "--bind_ip", "127.0.0.1"]


def _embedded(data_dir: Path, data: Path, port: int) -> list[str]:
    # Without names of its own it would write to fixed files in /tmp, shared with every other.
    return [
        *(str(Path(sys.executable).parent / "nx-27017"), "--host", "127.0.0.1", "-p", str(port)),
        *("--data-dir", str(data), "--log-file", str(data_dir / "nx-27017.log")),
        *("--pid-file", str(_pid_file(data_dir))),
    ]


def _pid_file(data_dir: Path) -> Path:
    return data_dir / "nx-27017.pid"
