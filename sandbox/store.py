"""The search index: what was indexed, the ``updatedAt`` rule, and reading it back for tests."""

from __future__ import annotations

import json
import sqlite3
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.database import open_database, write_transaction
from sandbox.timestamps import format_iso

Payload = dict[str, Any]

# What a search may show of each type: the index holds hidden projects too, so that it can learn
# that one was hidden.
VISIBLE: Mapping[str, str] = {
    "creator": "1",
    "project": "json_extract(payload, '$.visibility') = 'public'"
    " AND json_extract(payload, '$.status') IS NOT 'draft'",
}


@dataclass(frozen=True)
class IndexedDocument:
    """What the index holds of one document; ``updatedAt`` is ISO 8601 with milliseconds and a Z."""

    payload: Payload
    updatedAt: str  # noqa: N815


class IndexStore:
    """The documents of the index, in a SQLite file that other processes may read meanwhile."""

    def __init__(self, path: Path) -> None:
        self._connection = open_database(path)

    def __enter__(self) -> IndexStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def index(self, doc_type: str, doc_id: str, payload: Payload, updated_at: int) -> bool:
        """Merges the payload over what is held; False, and no write, unless it is newer.

        ``updated_at`` is milliseconds since the epoch. A field of ``payload`` replaces the held
        field as a whole. The document is committed, and seen by every reader, on return.
        """
        with write_transaction(self._connection):
            held = self._connection.execute(
                "SELECT payload, updated_at FROM documents WHERE doc_type = ? AND doc_id = ?",
                (doc_type, doc_id),
            ).fetchone()
            if held is not None and updated_at <= held["updated_at"]:
                return False
            merged = payload if held is None else {**json.loads(held["payload"]), **payload}
            self._connection.execute(
                "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?, ?)",
                (
                    doc_type,
                    doc_id,
                    json.dumps(merged),
                    searchable_text(merged),
                    searchable_text(merged.get("title")),
                    updated_at,
                ),
            )
        return True

    def documents(self, doc_type: str) -> dict[str, IndexedDocument]:
        """Every document of a type, by docId."""
        rows = self._connection.execute(
            "SELECT doc_id, payload, updated_at FROM documents WHERE doc_type = ? ORDER BY doc_id",
            (doc_type,),
        )
        return {
            row["doc_id"]: IndexedDocument(
                json.loads(row["payload"]), format_iso(row["updated_at"])
            )
            for row in rows
        }

    def count(self, doc_type: str) -> int:
        """How many documents of a type are held."""
        row = self._connection.execute(
            "SELECT count(*) FROM documents WHERE doc_type = ?", (doc_type,)
        ).fetchone()
        return int(row[0])

    def clear(self) -> None:
        """Forgets every document."""
        self._connection.execute("DELETE FROM documents")

    def search(
        self, doc_type: str, query: str, *, limit: int = 20, offset: int = 0
    ) -> tuple[int, list[Payload]]:
        """How many visible documents match, and one page of them, best first.

        Every word of the query must begin a word of the document. A match in the title counts
        most, then the newest document. Shape of each: the payload with ``docId`` and ``updatedAt``.
        """
        words = [f" {word}" for word in searchable_text(query).split()]
        match = " AND ".join(["doc_type = ?", VISIBLE[doc_type], *["instr(words, ?)"] * len(words)])
        in_title = " AND ".join(["1", *["instr(title_words, ?)"] * len(words)])
        total = self._connection.execute(
            f"SELECT count(*) FROM documents WHERE {match}", (doc_type, *words)
        ).fetchone()[0]
        rows = self._connection.execute(
            f"SELECT * FROM documents WHERE {match}"
            f" ORDER BY ({in_title}) DESC, updated_at DESC, doc_id LIMIT ? OFFSET ?",
            (doc_type, *words, *words, limit, offset),
        )
        return total, [_found(row) for row in rows]


def searchable_text(value: object) -> str:
    """The words of every text in a JSON value: compatibility forms and letter case folded.

    Each word has a space before it, so that the beginning of a word can be looked for.
    """
    if isinstance(value, str):
        folded = unicodedata.normalize("NFKC", value).casefold()
        # A lone surrogate is valid in JSON and cannot be stored as text.
        words = folded.encode("utf-8", "replace").decode("utf-8").split()
        return "".join(f" {word}" for word in words)
    if isinstance(value, Mapping):
        return "".join(map(searchable_text, value.values()))
    return "".join(map(searchable_text, value)) if isinstance(value, list) else ""


def _found(row: sqlite3.Row) -> Payload:
    return {
        **json.loads(row["payload"]),
        "docId": row["doc_id"],
        "updatedAt": format_iso(row["updated_at"]),
    }
