"""A Mongo document becomes a valid request or a named rejection, whatever it holds."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from bson import (
    Binary,
    Code,
    DatetimeMS,
    DBRef,
    Decimal128,
    Int64,
    MaxKey,
    MinKey,
    ObjectId,
    Regex,
    Timestamp,
)
from hypothesis import given
from hypothesis import strategies as st

from reindex.doc_types import CREATOR, DOC_TYPES, PROJECT, DocType
from reindex.payloads import IndexRequest, Rejection, index_request
from tests.unit.builders import body_of, hex_id, rejection_of, request_of
from tests.unit.strategies import SECRET, SECRET_NUMBER, documents, users

ISO_MILLISECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SPRING, SUMMER = datetime(2026, 3, 1), datetime(2026, 7, 1, 8, 30, 0, 123_999)
CREATED_IN_2027 = ObjectId(
    f"{int(datetime(2027, 1, 15, 8, tzinfo=timezone.utc).timestamp()):08x}{7:016x}"
)
doc_types = pytest.mark.parametrize("doc_type", [CREATOR, PROJECT], ids=["creator", "project"])


def headline(value: object) -> Any:
    """What a value of the document becomes in the payload."""
    return body_of(CREATOR, {"headline": value})["payload"]["headline"]


@doc_types
def test_a_request_is_the_contracts_body(doc_type: DocType) -> None:
    request = request_of(doc_type, {"updatedAt": SUMMER})
    body = json.loads(request.body)
    assert list(body) == ["docType", "docId", "payload", "updatedAt"]
    assert (body["docType"], body["docId"]) == (doc_type.name, hex_id(1))
    assert (request.doc_type, request.doc_id) == (doc_type.name, hex_id(1))
    assert body["updatedAt"] == "2026-07-01T08:30:00.123Z"
    assert request.updated_at == SUMMER


def test_a_body_is_compact_utf_8() -> None:
    body = request_of(CREATOR, {"headline": "名前 🎧"}).body
    assert '"headline":"名前 🎧","categories":null'.encode() in body


@doc_types
@pytest.mark.parametrize(
    ("own", "persons", "newest"),
    [
        (SUMMER, SPRING, "2026-07-01T08:30:00.123Z"),
        (SPRING, SUMMER, "2026-07-01T08:30:00.123Z"),
        (SPRING, None, "2026-03-01T00:00:00.000Z"),
        (None, datetime(2028, 1, 1), "2028-01-01T00:00:00.000Z"),
        # The ObjectId's time, 2027-01-15, is later than both, but the document has its own.
        (SPRING, SPRING, "2026-03-01T00:00:00.000Z"),
        (None, SPRING, "2027-01-15T08:00:00.000Z"),
        (None, None, "2027-01-15T08:00:00.000Z"),
    ],
)
def test_updated_at_is_the_newest_of_document_and_person(
    doc_type: DocType, own: datetime | None, persons: datetime | None, newest: str
) -> None:
    joined = {doc_type.joins[0].name: {"preferredName": "Ama", "updatedAt": persons}}
    fields = {"_id": CREATED_IN_2027, "updatedAt": own}
    assert body_of(doc_type, fields, **joined)["updatedAt"] == newest


def test_a_missing_updated_at_is_the_same_on_every_run() -> None:
    requests = {request_of(CREATOR, {"_id": ObjectId("5f" * 12)}).body for _ in range(3)}
    assert len(requests) == 1
    assert b'"updatedAt":"2020-09-14T' in requests.pop()


def test_a_time_with_a_zone_is_sent_in_utc() -> None:
    plus_five = timezone(timedelta(hours=5, minutes=30))
    fields = {"updatedAt": datetime(2026, 7, 1, 5, 30, tzinfo=plus_five), "headline": SPRING}
    body = body_of(CREATOR, fields)
    assert body["updatedAt"] == "2026-07-01T00:00:00.000Z"
    assert body["payload"]["headline"] == "2026-03-01T00:00:00.000Z"


def test_a_sum_beyond_64_bits_is_sent_as_it_is() -> None:
    body = body_of(PROJECT, {"roles": [{"slots": 2**63 - 1}] * 3})
    assert body["payload"]["roleCounts"]["totalSlots"] == 3 * (2**63 - 1)


@pytest.mark.parametrize("time", [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)])
def test_the_ends_of_time_are_written_in_full(time: datetime) -> None:
    assert ISO_MILLISECONDS.fullmatch(body_of(CREATOR, {"updatedAt": time})["updatedAt"])


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (None, None),
        (True, True),
        (0, 0),
        (2**63 - 1, 2**63 - 1),
        (Int64(5), 5),
        (2.5, 2.5),
        (Decimal128("2.5"), 2.5),
        ("名前", "名前"),
        ("", ""),
        (ObjectId("5f" * 12), "5f" * 12),
        (SPRING, "2026-03-01T00:00:00.000Z"),
        ([1, ["a", None]], [1, ["a", None]]),
        ({"a": {"b": [Int64(1)]}}, {"a": {"b": [1]}}),
        (Code("x = 1"), "x = 1"),
        ([SPRING], ["2026-03-01T00:00:00.000Z"]),
        ({"since": SPRING}, {"since": "2026-03-01T00:00:00.000Z"}),
        ([Code("x = 1")], ["x = 1"]),
        ([1.5, None], [1.5, None]),
    ],
)
def test_what_json_has_a_word_for_is_translated(value: object, sent: object) -> None:
    translated = headline(value)
    assert translated == sent
    assert type(translated) is type(sent)


@pytest.mark.parametrize(
    "value",
    [
        Binary(b"s3cr3t", 5),
        b"s3cr3t",
        Regex("s3cr3t"),
        Timestamp(918273645, 1),
        MinKey(),
        MaxKey(),
        DBRef("users", "s3cr3t"),
        DatetimeMS(2**60),
        math.nan,
        math.inf,
        -math.inf,
        Decimal128("NaN"),
        Decimal128("sNaN"),
        Decimal128("-Infinity"),
        Decimal128("1E+6144"),
    ],
    ids=repr,
)
@pytest.mark.parametrize(
    ("wrapped", "path"),
    [
        (lambda value: value, "payload.headline"),
        (lambda value: ["ok", value], "payload.headline[1]"),
        (lambda value: {"deep": value}, "payload.headline.deep"),
        (lambda value: {"deep": [value]}, "payload.headline.deep[0]"),
    ],
)
def test_what_json_has_no_word_for_is_rejected_by_path_and_type(
    value: object, wrapped: Any, path: str
) -> None:
    rejected = rejection_of(CREATOR, {"headline": wrapped(value)})
    # A Decimal128 is read as a float before it is found to be none that JSON can write.
    kind = "float" if isinstance(value, Decimal128) else type(value).__name__
    assert rejected.message.startswith(f"{path} is a {kind}, expected ")
    assert (rejected.doc_type, rejected.doc_id) == ("creator", hex_id(1))
    assert "s3cr3t" not in rejected.message


@pytest.mark.parametrize(
    "value", ["2026-03-01", 1772323200, DatetimeMS(2**60), Timestamp(1, 1), []]
)
def test_an_updated_at_that_is_no_date_is_rejected(value: object) -> None:
    kind = type(value).__name__
    message = f"updatedAt is a {kind}, expected a date"
    assert rejection_of(CREATOR, {"updatedAt": value}).message == message
    joined = {"user": {"updatedAt": value}}
    assert rejection_of(CREATOR, {}, **joined).message == f"user.{message}"


@pytest.mark.parametrize(
    ("doc_id", "kind"), [(42, "int"), ("not hex", "str"), (hex_id(1).upper()[:-1] + "A", "str")]
)
def test_an_id_that_is_no_object_id_is_rejected(doc_id: object, kind: str) -> None:
    rejected = rejection_of(CREATOR, {"_id": doc_id})
    assert rejected == Rejection("creator", str(doc_id), f"_id is a {kind}, expected an ObjectId")


def test_an_id_of_any_length_is_cut() -> None:
    assert rejection_of(CREATOR, {"_id": "x" * 500}).doc_id == "x" * 80


@pytest.mark.parametrize("text", ["\ud800", "ok \udfff"])
@pytest.mark.parametrize("wrapped", [str, lambda text: [text], lambda text: {text: 1}])
def test_text_that_is_no_unicode_is_rejected_and_not_quoted(text: str, wrapped: Any) -> None:
    rejected = rejection_of(CREATOR, {"headline": wrapped(text)})
    assert rejected.message == "the document cannot be written as JSON (UnicodeEncodeError)"


def test_a_document_nested_too_deep_is_rejected() -> None:
    nested: object = "s3cr3t"
    for _ in range(20_000):
        nested = [nested]
    message = rejection_of(CREATOR, {"headline": nested}).message
    assert message == "the document cannot be written as JSON (RecursionError)"


def test_a_skill_that_is_javascript_is_rejected() -> None:
    fields = {"roles": [{"requiredSkills": [Code("s3cr3t")]}]}
    assert "skills" in rejection_of(PROJECT, fields).message.lower()


def test_an_updated_at_before_the_year_1_in_utc_is_rejected() -> None:
    before = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    assert "updatedAt" in rejection_of(CREATOR, {"updatedAt": before}).message


def test_a_nested_time_before_the_year_1_in_utc_is_rejected() -> None:
    before = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    assert rejection_of(CREATOR, {"headline": before}).message == (
        "payload.headline is a datetime, expected a date within the years 1 to 9999 in UTC"
    )


def test_an_int_that_python_does_not_print_is_rejected() -> None:
    rejection_of(CREATOR, {"headline": 10**5_000})


def test_a_rejection_is_short_whatever_the_keys() -> None:
    assert len(rejection_of(CREATOR, {"rating": {"k" * 100_000: math.nan}}).message) < 300


@doc_types
def test_no_secret_of_a_user_is_ever_sent(doc_type: DocType) -> None:
    secrets = dict.fromkeys(("email", "hashedPassword", "twoFA", "pushTokens"), "s3cr3t")
    person = {"fullName": "Ama", "updatedAt": SPRING, **secrets}
    request = request_of(doc_type, secrets, **{doc_type.joins[0].name: person})
    assert b"Ama" in request.body
    assert b"s3cr3t" not in request.body


@given(
    doc_type=st.sampled_from(list(DOC_TYPES.values())), document=documents, user=st.none() | users
)
def test_any_document_becomes_a_valid_request_or_a_rejection_that_quotes_nothing(
    doc_type: DocType, document: Mapping[str, object], user: Mapping[str, object] | None
) -> None:
    joined = {} if user is None else {doc_type.joins[0].name: user}
    made = index_request(doc_type, document, joined)
    assert made.doc_type == doc_type.name
    if isinstance(made, IndexRequest):
        body = json.loads(made.body, parse_constant=pytest.fail)
        assert list(body) == ["docType", "docId", "payload", "updatedAt"]
        assert re.fullmatch(r"[0-9a-f]{24}", body["docId"])
        assert body["docId"] == made.doc_id == str(document["_id"])
        assert set(body["payload"]) == set(doc_type.payload({}, {}))
        assert ISO_MILLISECONDS.fullmatch(body["updatedAt"])
    else:
        assert made.message
        assert SECRET not in made.message
        assert str(SECRET_NUMBER) not in made.message
        assert made.doc_id == str(document["_id"])[:80]
