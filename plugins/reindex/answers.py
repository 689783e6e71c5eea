"""
Pure: what an answer of the Discovery API means. Source: the platform's contract, "Discovery
indexing API". Bodies are looked at, never kept: a 422's details name fields and reasons, and only
these go on; the ``value`` beside them is document content.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from enum import Enum

from reindex.errors import writable

MOST_MESSAGE = 200


class Reason(str, Enum):
    """Why a document was not indexed."""

    VALIDATION = "validation"
    AUTH = "auth"
    RATE_LIMITED = "rate_limited"
    SERVER = "server"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    UNREADABLE = "unreadable"

    @property
    def transient(self) -> bool:
        """Another try may end differently."""
        return self in _TRANSIENT


_TRANSIENT = {Reason.RATE_LIMITED, Reason.SERVER, Reason.TIMEOUT, Reason.CONNECTION}


@dataclass(frozen=True)
class Accepted:
    """The API took the document: ``indexed`` it, or ``ignored`` it because it was current."""

    indexed: bool


@dataclass(frozen=True)
class Refused:
    """The API, or the way to it, did not take the document. ``retry_after`` is in seconds."""

    reason: Reason
    message: str
    status: int | None = None
    retry_after: float | None = None


Answer = Accepted | Refused

# The contract's "can never be accepted as sent": malformed, over 100 kB, breaking a rule.
_OF_THE_DOCUMENT = {400, 413, 422}
_NO_ADMISSION = ("no_token", "invalid_token", "permission_denied")

INDEXED = Accepted(indexed=True)
IGNORED = Accepted(indexed=False)


def answer_of(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """
    Classify one answer; never raises, whatever came back.

    :param headers: case-insensitive, as HTTP clients give them
    """
    content = _json(body)
    if status == 200:
        said = content.get("status") if isinstance(content, dict) else None
        if said == "indexed":
            return INDEXED
        if said == "ignored":
            return IGNORED
        return Refused(
            Reason.SERVER, f"200 that says neither indexed nor ignored{_kind(headers)}", 200
        )
    return Refused(
        _reason(status, content),
        _message(content, headers) or f"HTTP {status}{_kind(headers)}",
        status,
        retry_after_seconds(headers.get("Retry-After"), datetime.now(timezone.utc)),
    )


def wrong_address(status: int) -> str:
    """What to look at when what answered so may not be the service at all; else nothing."""
    if 300 <= status < 400:
        return (
            ": it redirects, is the connection's host the service's own address, https:// or not?"
        )
    if status in (404, 405) or status < 300:
        return ": is the connection's host the service's address?"
    return ""


def retry_after_seconds(value: str | None, now: datetime) -> float | None:
    """``Retry-After`` in seconds, from either of its forms; ``None`` when absent or unreadable."""
    if value is None:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None


def _reason(status: int, content: object) -> Reason:
    if status == 401 or (status == 403 and (_error(content) or {}).get("code") in _NO_ADMISSION):
        return Reason.AUTH
    if status == 429:
        return Reason.RATE_LIMITED
    if status == 408:
        return Reason.TIMEOUT
    # A 404, or the 403 of a gateway in between, says nothing of the document: the next one may be
    # answered by the API itself.
    return Reason.VALIDATION if status in _OF_THE_DOCUMENT else Reason.SERVER


def _error(content: object) -> Mapping[str, object] | None:
    """The API's own error object; ``None`` where something else answered."""
    error = content.get("error") if isinstance(content, Mapping) else None
    return error if isinstance(error, Mapping) else None


def _json(body: bytes) -> object:
    try:
        return json.loads(body.decode())
    except (ValueError, RecursionError):
        return None


def _message(content: object, headers: Mapping[str, str]) -> str | None:
    """The error's code and the fields it names. Its free text may quote the document: left out."""
    error = _error(content)
    if error is None:
        return None
    parts = [str(error.get("code", "error"))]
    details = error.get("details")
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, Mapping):
            parts.append(f"{detail.get('field')}: {detail.get('reason')}")
    return writable("; ".join(parts))[:MOST_MESSAGE]


def _kind(headers: Mapping[str, str]) -> str:
    """A hint when the answer is not JSON: a proxy's page, or the platform's own HTML errors."""
    kind = headers.get("Content-Type", "").partition(";")[0].strip()[:60]
    return "" if kind in ("", "application/json") else f" ({writable(kind)})"
