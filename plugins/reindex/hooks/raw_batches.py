"""Raw batches of BSON, as a cursor brings them: one of their documents may be broken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bson
from bson import CodecOptions
from bson.codec_options import DatetimeConversion
from bson.errors import BSONError

from reindex.pages import Found, Unreadable

# A date beyond the year 9999 becomes a DatetimeMS, which the payload names and rejects.
OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
LENIENT = OPTIONS.with_options(unicode_decode_error_handler="replace")


def decoded(batch: bytes) -> list[Found]:
    """
    The documents of a raw batch.

    One document with broken text would make the cursor's own decoder refuse the whole batch:
    then each is decoded by itself, and the broken ones are named.
    """
    try:
        return list(bson.decode_all(batch, OPTIONS))
    except BSONError:
        return [_decoded_alone(raw) for raw in _split(batch)]


def _split(batch: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(batch):
        size = int.from_bytes(batch[at : at + 4], "little")
        yield batch[at : at + size]
        at += size


def _decoded_alone(raw: bytes) -> Found:
    try:
        return bson.decode(raw, OPTIONS)
    except BSONError as error:
        doc_id = bson.decode(raw, LENIENT)["_id"]
        return Unreadable(doc_id, f"its BSON cannot be decoded ({type(error).__name__})")
