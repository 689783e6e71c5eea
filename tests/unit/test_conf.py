"""A run's conf: any of it parses, or is refused with the name of the field."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reindex.conf import (
    DEFAULT_CHUNK_SIZE,
    DEFAULT_FAILURE_TOLERANCE,
    KNOWN_KEYS,
    JobReference,
    RunConf,
    handed_on,
    job_reference,
    parse_conf,
    taking_over,
)
from reindex.errors import InvalidConf, InvalidDocType
from tests.unit.builders import hex_id, ids
from tests.unit.strategies import any_case_ids, confs, separators

A, B, C = "a" * 24, "b" * 24, "c" * 24
BOTH = ("creator", "project")


def refused(raw: dict[str, object]) -> InvalidConf:
    with pytest.raises(InvalidConf) as caught:
        parse_conf(raw)
    return caught.value


def test_an_empty_conf_is_a_full_run_of_every_type() -> None:
    assert parse_conf({}) == RunConf(
        doc_types=BOTH,
        doc_ids=None,
        duplicates=0,
        updated_since=None,
        chunk_size=DEFAULT_CHUNK_SIZE,
        job=None,
        failure_tolerance=DEFAULT_FAILURE_TOLERANCE,
        max_in_flight=64,
        requests_per_second=None,
        redrive=None,
        log_every_document=False,
        allow_empty=False,
        dry_run=False,
    )


def test_the_defaults_are_the_documented_ones() -> None:
    assert (DEFAULT_CHUNK_SIZE, DEFAULT_FAILURE_TOLERANCE) == (5000, 0.01)


@pytest.mark.parametrize("key", KNOWN_KEYS)
def test_a_key_that_is_null_counts_as_left_out(key: str) -> None:
    assert parse_conf({key: None}) == parse_conf({})


@pytest.mark.parametrize(
    ("doc_type", "names", "together"),
    [
        ("creator", ("creator",), "creator"),
        ("creators", ("creator",), "creator"),
        ("project", ("project",), "project"),
        ("projects", ("project",), "project"),
        ("all", BOTH, "all"),
    ],
)
def test_names_plurals_and_all_are_doc_types(
    doc_type: str, names: tuple[str, ...], together: str
) -> None:
    conf = parse_conf({"docType": doc_type})
    assert (conf.doc_types, conf.doc_type) == (names, together)


@pytest.mark.parametrize("value", ["invalid", "Creator", "", 5, ["creator"], {}, True])
def test_t56_3_an_unknown_doc_type_is_refused_as_the_platform_words_it(value: object) -> None:
    error = refused({"docType": value})
    assert isinstance(error, InvalidDocType)
    assert error.field == "docType"
    assert str(error) == (
        f"InvalidDocType: {value} "
        "(docType must be one of creator, creators, project, projects, all)"
    )


def test_a_job_payload_is_a_conf_as_it_is() -> None:
    conf = parse_conf({"docType": "project", "docIds": [A, B]})
    assert (conf.doc_types, conf.doc_ids, conf.duplicates) == (("project",), (A, B), 0)


def test_ids_are_sent_once_in_the_order_given_whatever_their_letter_case() -> None:
    conf = parse_conf({"docIds": [B, A.upper(), A, B, "aB" * 12]})
    assert (conf.doc_ids, conf.duplicates) == ((B, A, "ab" * 12), 2)


@pytest.mark.parametrize("value", [A, {A: 1}, 5, True])
def test_ids_that_are_no_list_are_refused(value: object) -> None:
    assert str(refused({"docIds": value})).endswith("is not a list of ids")


def test_an_empty_list_of_ids_is_refused_with_what_to_do() -> None:
    error = refused({"docIds": []})
    assert str(error) == "docIds: [] is not a list with at least one id (leave it out for all)"


@pytest.mark.parametrize(
    "bad", ["a" * 23, "a" * 25, "g" * 24, f"{A}{B}", f" {A}"[:24], "٣" * 24, 5, None, [A]]
)
def test_an_id_that_is_not_24_hexadecimal_characters_is_named_by_its_place(bad: object) -> None:
    error = refused({"docIds": [A, B, bad]})
    assert error.field == "docIds[2]"
    assert str(error).endswith("is not an id of 24 hexadecimal characters")


@pytest.mark.parametrize(
    "pasted",
    [
        [A, B, C],
        [f"{A},{B},{C}"],
        [f" {A}, {B} ,{C},"],
        [f"{A} {B}\t{C}"],
        [f"{A};{B}|{C}"],
        [f"{A}\r", f"{B}\r\n{C}", "", "  "],
        ["[", f'  "{A}",', f'  "{B}",', f'  "{C}"', "]"],
        [f"['{A}', '{B}', '{C}']"],
        [f"“{A}” ‘{B}’ `{C}`"],
        [f'[ObjectId("{A}"), ObjectId(\'{B}\'), {{"$oid": "{C}"}}]'],
        [f"\ufeff{A}\u00a0{B}\u200b{C}"],
    ],
)
def test_ids_are_taken_as_people_paste_them(pasted: list[str]) -> None:
    assert parse_conf({"docIds": pasted}).doc_ids == (A, B, C)


def test_500_ids_in_one_line_are_500_ids() -> None:
    assert parse_conf({"docIds": [", ".join(ids(500))]}).doc_ids == tuple(ids(500))


@pytest.mark.parametrize(
    ("line", "piece", "which"),
    [
        (f"{A}, {B[:-1]}, {C}", B[:-1], "number 2 of 3"),
        (f"{A} ids: {B}", "ids", "number 2 of 3"),
        (f"ObjectId {A}", "ObjectId", "number 1 of 2"),
        (f"{A}-{B}", f"{A}-{B}", ""),
        (f"{A}, {B}{C}", f"{B}{C}", "number 2 of 2"),
    ],
)
def test_what_is_no_id_among_pasted_ones_is_named_with_its_place(
    line: str, piece: str, which: str
) -> None:
    error = refused({"docIds": [A, line]})
    assert (error.field, error.value) == ("docIds[1]", piece)
    assert str(error).count("number") == (1 if which else 0)
    assert which in str(error)


@pytest.mark.parametrize("blank", [[""], [" ", "\n"], ['[""]'], ["[]", ",,"]])
def test_a_field_of_blanks_is_no_full_run(blank: list[str]) -> None:
    assert str(refused({"docIds": blank})).endswith("(leave it out for all)")


@pytest.mark.parametrize("item", [f"{A},{B}", f"{A}\n", "", f" {A}", f'"{A}"'])
def test_a_jobs_ids_stand_alone(item: str) -> None:
    raw: dict[str, object] = {"docType": "all", "docIds": [A, item]}
    parse_conf(raw)
    error = refused({**raw, "jobId": "job-1"})
    assert (error.field, error.value) == ("docIds[1]", item)


@given(line=st.lists(st.tuples(separators, any_case_ids, separators), min_size=1, max_size=6))
def test_no_pasted_id_is_lost_or_made_up(line: list[tuple[str, str, str]]) -> None:
    pasted = "".join(before + doc_id + behind for before, doc_id, behind in line)
    conf = parse_conf({"docIds": [pasted]})
    given_ids = [doc_id.lower() for _, doc_id, _ in line]
    assert conf.doc_ids == tuple(dict.fromkeys(given_ids))
    assert conf.duplicates == len(given_ids) - len(set(given_ids))


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("doctype", "did you mean docType?"),
        ("docids", "did you mean docIds?"),
        ("doc_ids", "did you mean docIds?"),
        ("chunksize", "did you mean chunkSize?"),
        ("zzz", f"known keys: {', '.join(KNOWN_KEYS)}"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(key: str, hint: str) -> None:
    error = refused({key: 1})
    assert error.field == key
    assert str(error) == f"{key!r} is not a conf key of reindex_batch ({hint})"


def test_an_unknown_key_is_refused_even_when_null() -> None:
    assert refused({"docTypes": None}).field == "docTypes"


@pytest.mark.parametrize(
    ("key", "value", "field", "parsed"),
    [
        ("chunkSize", 1, "chunk_size", 1),
        ("chunkSize", 500.0, "chunk_size", 500),  # as a trigger form sends it
        ("chunkSize", 10_000_000, "chunk_size", 10_000_000),
        ("maxInFlight", 1, "max_in_flight", 1),
        ("maxInFlight", 1024, "max_in_flight", 1024),
        ("failureTolerance", 0, "failure_tolerance", 0),
        ("failureTolerance", 1.0, "failure_tolerance", 1.0),
        ("requestsPerSecond", 0.5, "requests_per_second", 0.5),
        ("requestsPerSecond", 200, "requests_per_second", 200),
        ("logEveryDocument", True, "log_every_document", True),
        ("allowEmpty", True, "allow_empty", True),
        ("dryRun", True, "dry_run", True),
        ("redrive", "scheduled__2026-05-01T02:00:00+00:00", "redrive", None),
    ],
)
def test_a_value_within_its_rule_is_taken(
    key: str, value: object, field: str, parsed: object
) -> None:
    taken = getattr(parse_conf({key: value}), field)
    assert taken == (value if parsed is None else parsed)
    assert not isinstance(taken, float) or key in ("failureTolerance", "requestsPerSecond")


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("chunkSize", [0, -1, 1.5, 10_000_001, "500", True, [], float("nan"), float("inf")]),
        ("maxInFlight", [0, 1025, 2.5, "8", False, 10**400]),
        ("failureTolerance", [-0.01, 1.01, "1%", True, float("nan")]),
        ("requestsPerSecond", [0, -1, "5", True, float("nan"), float("inf")]),
        ("logEveryDocument", ["yes", 1, 0, []]),
        ("allowEmpty", ["true", 1]),
        ("dryRun", ["true", "yes", 1, 0, []]),
        ("mode", ["partial", "", 5, [], {}]),
        ("jobId", ["", "a/b", "../x", "a b", "x" * 129, 5, [], "job\n"]),
        ("workerId", ["", "four", "with space", "x" * 129, "tab\tbed", "wörker-1", 12345]),
        ("redrive", ["", "a run", "a/b", "x" * 251, 5]),
        (
            "updatedSince",
            ["", "yesterday", "2026-13-01", "0001-01-01T00:00:00+23:59", [], {}, True],
        ),
    ],
)
def test_a_value_that_breaks_its_rule_is_refused_by_name(key: str, values: list[object]) -> None:
    for value in values:
        error = refused({key: value})
        assert error.field == key, value
        assert re.match(rf"{key}: .+ is not .+", str(error))


def test_an_absurd_rate_is_refused_by_name() -> None:
    assert refused({"requestsPerSecond": 10**400}).field == "requestsPerSecond"


def test_an_unknown_key_of_any_length_is_refused_in_a_short_message() -> None:
    assert len(str(refused({"x" * 200_000: 1}))) < 1_000


@pytest.mark.parametrize("raw", [{"docType": "\ud800"}, {"\ud800": 1}])
def test_a_refusal_can_be_written_as_utf_8(raw: dict[str, object]) -> None:
    assert str(refused(raw)).encode()


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-20T02:00:00Z", datetime(2026, 11, 20, 2)),
        ("2026-11-20T02:00:00.250Z", datetime(2026, 11, 20, 2, 0, 0, 250_000)),
        ("2026-11-20T02:00:00+05:30", datetime(2026, 11, 19, 20, 30)),
        ("2026-11-20T02:00:00", datetime(2026, 11, 20, 2)),  # without a zone: UTC
        (" 2026-11-20 ", datetime(2026, 11, 20)),
    ],
)
def test_updated_since_is_a_time_in_utc(text: str, time: datetime) -> None:
    assert parse_conf({"updatedSince": text}).updated_since == time.replace(tzinfo=timezone.utc)


def test_a_full_run_leaves_the_ids_of_its_payload_unread() -> None:
    conf = parse_conf({"mode": "full", "docIds": ["not an id"]})
    assert (conf.doc_ids, conf.duplicates) == (None, 0)


def test_an_incremental_run_reads_its_ids() -> None:
    assert parse_conf({"mode": "incremental", "docIds": [A]}).doc_ids == (A,)


def test_a_job_is_known_by_its_id_and_its_worker() -> None:
    raw: dict[str, object] = {"jobId": A, "workerId": "w:1!x", "docType": "all", "docIds": [A]}
    assert parse_conf(raw).job == JobReference(A, "w:1!x") == job_reference(raw)
    assert job_reference({"workerId": "worker-1"}) is None


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"docType": "creator"}, "docIds"),
        ({"docIds": [A]}, "docType"),
        ({"docType": "creator", "docIds": []}, "docIds"),
        ({"docType": 5, "docIds": [A]}, "docType"),
        ({"docType": "creator", "docIds": [5]}, "docIds[0]"),
        ({"docType": "creator", "docIds": [A], "mode": "partial"}, "mode"),
    ],
)
def test_a_jobs_payload_must_hold_what_its_type_requires(
    raw: dict[str, object], field: str
) -> None:
    assert refused({"jobId": "job-1", **raw}).field == field


@pytest.mark.parametrize("raw", [{"mode": "full"}, {"redrive": "manual__1"}])
def test_a_job_that_brings_no_ids_by_intent_is_accepted(raw: dict[str, object]) -> None:
    assert parse_conf({"jobId": "job-1", **raw}).job == JobReference("job-1")


def test_the_job_of_a_refused_conf_can_still_be_told() -> None:
    raw: dict[str, object] = {"jobId": "job-1", "docType": "invalid", "nonsense": 1}
    refused(raw)
    assert job_reference(raw) == JobReference("job-1")


@pytest.mark.parametrize("more", [{"docIds": [A]}, {"updatedSince": "2026-11-20"}])
def test_a_redrive_brings_its_own_documents(more: dict[str, object]) -> None:
    error = refused({"redrive": "manual__1", **more})
    assert error.field == "redrive"
    assert parse_conf({"redrive": "manual__1", "docType": "creator"}).redrive == "manual__1"


def test_a_dry_run_is_no_job() -> None:
    job: dict[str, object] = {"jobId": "job-1", "docType": "creator", "docIds": [A]}
    error = refused({**job, "dryRun": True})
    assert error.field == "dryRun"
    assert "jobId" in str(error)
    assert parse_conf({**job, "dryRun": False}).job == JobReference("job-1")


@pytest.mark.parametrize(
    "raw", [{}, {"docIds": [A]}, {"redrive": "manual__1"}, {"updatedSince": "2026-11-20"}]
)
def test_any_other_run_can_be_a_dry_one(raw: dict[str, object]) -> None:
    assert parse_conf({**raw, "dryRun": True}) == replace(parse_conf(raw), dry_run=True)


def test_a_job_of_3600_ids_parses() -> None:
    assert parse_conf({"docType": "all", "docIds": ids(3_600)}).doc_ids == tuple(ids(3_600))
    assert hex_id(3_600) in ids(3_600)


def test_a_redrive_takes_over_what_its_own_conf_leaves_at_the_default() -> None:
    said = {"updatedSince": "2026-11-20T02:00:00Z", "requestsPerSecond": 5, "maxInFlight": 2}
    earlier = parse_conf(said)
    redrive = RunConf(BOTH, redrive="run-1")
    took = taking_over(redrive, json.loads(json.dumps(handed_on(earlier))))
    assert took == replace(
        redrive, updated_since=earlier.updated_since, requests_per_second=5, max_in_flight=2
    )
    own = replace(redrive, requests_per_second=50, max_in_flight=8)
    assert taking_over(own, handed_on(earlier)) == replace(own, updated_since=took.updated_since)
    for nothing in ({}, handed_on(RunConf(BOTH))):
        assert taking_over(redrive, nothing) == redrive


@given(raw=confs)
def test_any_conf_parses_or_is_refused_with_a_named_field(raw: dict[str, object]) -> None:
    try:
        conf = parse_conf(raw)
    except InvalidConf as error:
        refused_by_name(raw, error)
        return
    assert set(raw) <= set(KNOWN_KEYS)
    assert conf.doc_types in (("creator",), ("project",), BOTH)
    assert conf.doc_ids is None or len(set(conf.doc_ids)) == len(conf.doc_ids) > 0
    assert 1 <= conf.chunk_size <= 10_000_000
    assert 0 <= conf.failure_tolerance <= 1
    assert conf.updated_since is None or conf.updated_since.tzinfo is timezone.utc


def refused_by_name(raw: dict[str, object], error: InvalidConf) -> None:
    """The field is a key of the conf, a key that it lacks, or one of its ids."""
    assert str(error)
    if place := re.fullmatch(r"docIds\[(\d+)\]", error.field):
        doc_ids = raw["docIds"]
        assert isinstance(doc_ids, list)
        item = doc_ids[int(place[1])]
        assert item == error.value or error.value != error.value or error.value in item
    else:
        assert error.field in raw or error.field in KNOWN_KEYS
