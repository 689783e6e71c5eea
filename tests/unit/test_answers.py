"""The Discovery API's answers as the contract lists them, and whatever else may come."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reindex.answers import (
    IGNORED,
    INDEXED,
    MOST_MESSAGE,
    Accepted,
    Answer,
    Reason,
    Refused,
    answer_of,
    retry_after_seconds,
)
from tests.unit.builders import NOON
from tests.unit.strategies import json_values, texts

JSON = {"Content-Type": "application/json; charset=utf-8"}
HTML = {"Content-Type": "text/html; charset=utf-8"}
HTML_BODY = b"<!DOCTYPE html>\n<pre>Cannot POST /search/index-update</pre>"


def refused(status: int, headers: dict[str, str], body: bytes) -> Refused:
    answer = answer_of(status, headers, body)
    assert isinstance(answer, Refused)
    return answer


def error_body(code: str, **more: object) -> bytes:
    return json.dumps({"error": {"code": code, "message": "free text", **more}}).encode()


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (
            {"docId": "5f" * 12, "status": "indexed", "updatedAt": "2026-05-01T12:00:00.000Z"},
            INDEXED,
        ),
        ({"status": "ignored", "message": "the index holds a newer one"}, IGNORED),
    ],
)
def test_a_200_says_indexed_or_ignored(body: dict[str, str], answer: Answer) -> None:
    assert answer_of(200, JSON, json.dumps(body).encode()) == answer
    assert Accepted(True) == INDEXED != IGNORED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"indexed"',
        b'{"status": "queued"}',
        b"{}",
        b"\xff\xfe",
        HTML_BODY,
    ],
)
def test_a_200_that_says_neither_is_a_fault_of_the_server(body: bytes) -> None:
    answer = refused(200, JSON, body)
    assert (answer.reason, answer.status) == (Reason.SERVER, 200)
    assert answer.message == "200 that says neither indexed nor ignored"


@pytest.mark.parametrize(
    ("status", "reason", "transient"),
    [
        (400, Reason.VALIDATION, False),
        (401, Reason.AUTH, False),
        (403, Reason.SERVER, True),
        (404, Reason.SERVER, True),
        (405, Reason.SERVER, True),
        (408, Reason.TIMEOUT, True),
        (413, Reason.VALIDATION, False),
        (422, Reason.VALIDATION, False),
        (429, Reason.RATE_LIMITED, True),
        (499, Reason.SERVER, True),
        (500, Reason.SERVER, True),
        (502, Reason.SERVER, True),
        (503, Reason.SERVER, True),
        (504, Reason.SERVER, True),
        (302, Reason.SERVER, True),
        (204, Reason.SERVER, True),
    ],
)
def test_a_status_decides_the_reason_and_whether_to_try_again(
    status: int, reason: Reason, transient: bool
) -> None:
    answer = refused(status, JSON, b"")
    assert (answer.reason, answer.status, answer.reason.transient) == (reason, status, transient)
    assert answer.message == f"HTTP {status}"


@pytest.mark.parametrize(
    ("reason", "transient"),
    [(Reason.CONNECTION, True), (Reason.TIMEOUT, True), (Reason.UNREADABLE, False)],
)
def test_what_never_got_an_answer_is_tried_again(reason: Reason, transient: bool) -> None:
    assert reason.transient is transient


@pytest.mark.parametrize("status", [400, 413])
def test_the_platforms_html_errors_are_classified_by_kind_not_quoted(status: int) -> None:
    answer = refused(status, HTML, HTML_BODY)
    assert answer == Refused(Reason.VALIDATION, f"HTTP {status} (text/html)", status)


def test_a_200_in_html_is_named_as_such() -> None:
    assert refused(200, HTML, HTML_BODY).message.endswith("nor ignored (text/html)")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "no_token"),
        (401, "invalid_token"),
        (403, "permission_denied"),
        (500, "internal_error"),
    ],
)
def test_an_errors_code_is_the_message_and_its_free_text_is_left_out(
    status: int, code: str
) -> None:
    assert refused(status, JSON, error_body(code)).message == code


def test_a_422_names_fields_and_reasons_and_never_the_values() -> None:
    details = [
        {"field": "docId", "reason": "must be 24 hex", "value": "s3cr3t-1"},
        {"field": "updatedAt", "reason": "not ISO 8601", "value": {"deep": "s3cr3t-2"}},
    ]
    answer = refused(422, JSON, error_body("validation_error", details=details))
    assert answer == Refused(
        Reason.VALIDATION,
        "validation_error; docId: must be 24 hex; updatedAt: not ISO 8601",
        422,
    )


@pytest.mark.parametrize("details", [None, {}, "s3cr3t", [], ["s3cr3t"], [None], 7])
def test_details_of_another_shape_are_passed_over(details: object) -> None:
    assert refused(422, JSON, error_body("validation_error", details=details)).message == (
        "validation_error"
    )


@pytest.mark.parametrize(
    "body",
    [b'{"error": "s3cr3t"}', b'{"error": ["s3cr3t"]}', b'"s3cr3t"', b'{"message": "s3cr3t"}'],
)
def test_an_error_of_another_shape_leaves_only_the_status(body: bytes) -> None:
    assert refused(422, JSON, body).message == "HTTP 422"


def test_a_message_is_cut_to_its_limit() -> None:
    details = [{"field": f"field{n}", "reason": "wrong"} for n in range(100)]
    message = refused(422, JSON, error_body("validation_error", details=details)).message
    assert len(message) == MOST_MESSAGE
    assert message.startswith("validation_error; field0: wrong; field1: wrong")


def test_a_body_nested_too_deep_for_the_parser_is_classified() -> None:
    assert refused(500, JSON, b"[" * 200_000).reason is Reason.SERVER


@pytest.mark.parametrize("status", [429, 503, 500])
def test_retry_after_is_read_from_any_refusal(status: int) -> None:
    assert refused(status, {"Retry-After": "7"}, b"").retry_after == 7.0
    assert refused(status, {}, b"").retry_after is None


def test_retry_after_as_a_date_counts_from_now() -> None:
    then = datetime.now(timezone.utc) + timedelta(minutes=10)
    stamp = then.strftime("%a, %d %b %Y %H:%M:%S GMT")
    seconds = refused(429, {"Retry-After": stamp}, b"").retry_after
    assert seconds is not None
    assert 590 < seconds <= 600


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Fri, 01 May 2026 12:00:30 GMT", 30.0),
        ("Fri, 01 May 2026 14:00:30 +0200", 30.0),
        ("Fri, 01 May 2026 11:59:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("²", None),
        ("Fri, 99 May 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after_has_two_forms(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value, NOON) == seconds


def test_retry_after_with_an_absurd_time_zone_is_unreadable() -> None:
    value = "Mon, 01 Jan 2029 00:00:00 +99999999999999999"
    assert retry_after_seconds(value, NOON) is None


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (JSON, b'{"error": {"code": "\\ud800"}}'),
        # aiohttp decodes headers with surrogateescape: a raw 0xFF arrives as U+DCFF.
        ({"Content-Type": "text/\udcff"}, b""),
    ],
)
def test_a_message_can_be_written_as_utf_8(headers: dict[str, str], body: bytes) -> None:
    assert refused(500, headers, body).message.encode()


_bodies = st.one_of(
    st.binary(max_size=60),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries(
        {"error": st.fixed_dictionaries({}, optional={"code": json_values, "details": json_values})}
        | {"status": json_values}
    ).map(lambda value: json.dumps(value).encode()),
)
_headers = st.fixed_dictionaries(
    {},
    optional={
        "Content-Type": texts | st.sampled_from(["application/json", "text/html"]),
        "Retry-After": texts | st.integers().map(str) | st.datetimes().map(str),
    },
)


@given(status=st.integers(100, 999), headers=_headers, body=_bodies)
def test_any_answer_at_all_is_classified(status: int, headers: dict[str, str], body: bytes) -> None:
    answer = answer_of(status, headers, body)
    if isinstance(answer, Accepted):
        assert status == 200
        return
    assert answer.status == status
    assert 0 < len(answer.message) <= MOST_MESSAGE
    assert answer.reason in Reason
    assert answer.retry_after is None or answer.retry_after >= 0
