"""The one SQLite file that holds the index and the jobs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    doc_type TEXT NOT NULL,
    doc_id TEXT NOT NULL,
    payload TEXT NOT NULL,
    words TEXT NOT NULL,
    title_words TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (doc_type, doc_id)
);
CREATE TABLE IF NOT EXISTS jobs (
    job_id TEXT PRIMARY KEY,
    type TEXT NOT NULL,
    payload TEXT NOT NULL,
    priority INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    status TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    next_run_at INTEGER,
    worker_id TEXT,
    lease_expires_at INTEGER,
    last_error TEXT,
    result TEXT,
    created_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS jobs_by_type_and_status ON jobs (type, status);
"""


def open_database(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode to the file, which is made when it is not there.

    Write-ahead logging lets other processes read while the service writes. Commits are not synced
    to the disk: they survive the death of the process, and a power cut is not what this is for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    connection.executescript(SCHEMA)
    return connection


@contextmanager
def write_transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """What is written inside appears as a whole at the end, or not at all after an exception."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
