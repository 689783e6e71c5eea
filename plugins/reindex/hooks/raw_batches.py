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

_OBJECT_ID, _TEXT = 0x07, 0x02  # BSON's element types


def decoded(batch: bytes) -> list[Found]:
    """
    The documents of a raw batch.

    One broken document would make the cursor's own decoder refuse the whole batch: then each is
    decoded by itself, and the broken ones are named.

    :raises BSONError: for a broken one whose ``_id`` cannot be read either
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
        return Unreadable(_id_alone(raw), f"its BSON cannot be decoded ({type(error).__name__})")


def _id_alone(raw: bytes) -> object:
    """The ``_id`` of a broken document: Mongo stores it first, and what follows does not matter."""
    kind, name, value = raw[4], raw[5:9], raw[9:]
    sizes = {_OBJECT_ID: 12, _TEXT: 4 + int.from_bytes(value[:4], "little")}
    if name != b"_id\0" or kind not in sizes:
        return bson.decode(raw, LENIENT)["_id"]
    element = raw[4 : 9 + sizes[kind]]
    size = (4 + len(element) + 1).to_bytes(4, "little")
    return bson.decode(size + element + b"\0", LENIENT)["_id"]
