"""
Pure: a Mongo document and the documents joined to it → an index request, or a named rejection.

BSON values that JSON has a word for are translated (ObjectId → hex, date → ISO 8601 in UTC,
Decimal128 → number); a document that holds anything else is rejected with the field's name, and
the batch goes on.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import NamedTuple

import msgspec

from reindex.doc_types import DocType, Document, Joined, Payload, UnreadableField
from reindex.errors import shown

MOST_KEY = 40
_EPOCH_DIGITS = 8  # an ObjectId's first four bytes: seconds since 1970
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
# By far the most documents are plain, and take no second look. Its own encoder is many times as
# fast, and would write a NaN, bytes or a date in its own way without a word: see _is_plain.
_FAST_JSON = msgspec.json.Encoder()
_AS_IT_IS = frozenset({str, bool, int, type(None)})
_OBJECT_ID = re.compile(r"[0-9a-f]{24}", re.ASCII)


class IndexRequest(NamedTuple):
    """
    ``body`` is the JSON of one ``POST /search/index-update``, encoded once; ``updated_at`` is UTC
    and bare, as pymongo reads dates. A named tuple is made in a fifth of a frozen dataclass's time.
    """

    doc_type: str
    doc_id: str
    updated_at: datetime
    body: bytes


@dataclass(frozen=True)
class Rejection:
    """A document that cannot be turned into a request. ``message`` names field and type only."""

    doc_type: str
    doc_id: str
    message: str


def index_request(
    doc_type: DocType, document: Document, joined: Joined
) -> IndexRequest | Rejection:
    """
    The request that brings this document's index entry up to date.

    :param document: as Mongo holds it, with ``_id``
    :param joined: the joined documents that exist, by ``Join.name``
    """
    doc_id = str(document["_id"])
    if not _OBJECT_ID.fullmatch(doc_id):
        found = type(document["_id"]).__name__
        return Rejection(doc_type.name, doc_id[:80], f"_id is a {found}, expected an ObjectId")
    try:
        updated_at = _newest(doc_id, document, joined)
        body = _encoded(doc_type, doc_id, doc_type.payload(document, joined), _iso(updated_at))
    except (ValueError, RecursionError) as error:
        # UnreadableField names field and type; the text of any other one may quote the value.
        message = (
            str(error)
            if isinstance(error, UnreadableField)
            else f"the document cannot be written as JSON ({type(error).__name__})"
        )
        return Rejection(doc_type.name, doc_id, message)
    return IndexRequest(doc_type.name, doc_id, updated_at, body)


def _encoded(doc_type: DocType, doc_id: str, payload: Payload, updated_at: str) -> bytes:
    body: dict[str, object] = {
        "docType": doc_type.name,
        "docId": doc_id,
        "payload": payload,
        "updatedAt": updated_at,
    }
    if _is_plain(payload):
        try:
            return _FAST_JSON.encode(body)
        except OverflowError:  # a sum of slots beyond 64 bits
            return _JSON.encode(body).encode()
    # Something that JSON may have no word for: translate it, or find out which field it is.
    body["payload"] = _jsonable(payload, "payload")
    return _JSON.encode(body).encode()


def _is_plain(payload: Payload) -> bool:
    """Whether it holds nothing but JSON's own types, and these in plain lists and objects."""
    for value in payload.values():
        if type(value) in _AS_IT_IS:
            continue
        inside: Collection[object] = (value,)
        if type(value) is dict:
            inside = value.values()
        elif type(value) is list:
            inside = value
        if not _AS_IT_IS.issuperset(map(type, inside)) and not all(map(_is_scalar, inside)):
            return False
    return True


def _is_scalar(value: object) -> bool:
    return type(value) in _AS_IT_IS or (type(value) is float and math.isfinite(value))


def _newest(doc_id: str, document: Document, joined: Joined) -> datetime:
    """
    The newest ``updatedAt`` of all documents that the payload is built from.

    Without that of the user, a renamed user whose profile did not change would be ignored as
    stale. The ObjectId's own time stands in where the document has none: it never changes.
    """
    newest = _updated_at(document, "")
    if newest is None:
        seconds = int(doc_id[:_EPOCH_DIGITS], 16)
        newest = datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None)
    for name, other in joined.items():
        time = _updated_at(other, f"{name}.")
        if time is not None and time > newest:
            newest = time
    return newest


def _updated_at(document: Document, path: str) -> datetime | None:
    value = document.get("updatedAt")
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise UnreadableField(f"{path}updatedAt", value, "a date")
    return value if value.tzinfo is None else _utc(value, f"{path}updatedAt")


def _utc(value: datetime, field: str) -> datetime:
    """In UTC and without saying so, as pymongo reads dates: what is bare is compared fastest."""
    if value.tzinfo is None:
        return value
    try:
        return value.astimezone(timezone.utc).replace(tzinfo=None)
    except OverflowError:
        raise UnreadableField(field, value, "a date within the years 1 to 9999 in UTC") from None


def _iso(bare_utc: datetime) -> str:
    """As JavaScript's ``toISOString`` writes it, which is what the platform compares."""
    # Mongo's dates have milliseconds; isoformat's own way to cut them takes twice as long.
    text = bare_utc.isoformat()
    return f"{text[:23]}Z" if bare_utc.microsecond else f"{text}.000Z"


def _jsonable(value: object, field: str) -> object:
    """The value as JSON has it. Paths are put together only when something is unreadable."""
    if type(value) in _AS_IT_IS:
        return value
    if isinstance(value, Mapping):
        return {key: _inside(field, key, item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_inside(field, place, item) for place, item in enumerate(value)]
    if isinstance(value, float):
        return _finite(value, field)
    if isinstance(value, datetime):
        return _iso(_utc(value, field))
    return _bson_scalar(value, field)


def _inside(field: str, step: str | int, item: object) -> object:
    if type(item) in _AS_IT_IS:
        return item
    where = f"[{step}]" if isinstance(step, int) else f".{shown(step, quote=False, most=MOST_KEY)}"
    return _jsonable(item, field + where)


def _bson_scalar(value: object, field: str) -> object:
    # By name, so that the pure core imports no bson: an ObjectId, Int64 or Decimal128.
    name = type(value).__name__
    if name == "ObjectId":
        return str(value)
    if isinstance(value, (str, int)):
        return str(value) if isinstance(value, str) else int(value)
    if name == "Decimal128":
        number = Decimal(str(value))
        return _finite(float(number), field)
    raise UnreadableField(field, value, "something that JSON can say")


def _finite(value: float, field: str) -> float:
    if not math.isfinite(value):
        raise UnreadableField(field, value, "a finite number")
    return value
