"""The job registry: `reindex.batch`, its schema and its policy."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given

from reindex.errors import InvalidConf, UnknownJobType
from reindex.job_types import JOB_TYPES, REINDEX_BATCH, JobPolicy, check_payload, job_type
from tests.unit.builders import hex_id
from tests.unit.strategies import json_values

PAYLOAD = {"docType": "creator", "docIds": [hex_id(1)]}


def test_reindex_batch_is_registered_with_the_platforms_policy() -> None:
    assert list(JOB_TYPES) == [REINDEX_BATCH] == ["reindex.batch"]
    assert job_type("reindex.batch").policy == JobPolicy(3, timedelta(seconds=3600))


def test_reindex_batch_requires_doc_type_and_doc_ids() -> None:
    assert job_type(REINDEX_BATCH).schema["required"] == ["docType", "docIds"]


@pytest.mark.parametrize("name", ["reindex.all", "", "Reindex.Batch", None, ["reindex.batch"]])
def test_an_unknown_job_type_is_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(UnknownJobType, match=r"is not registered; registered: reindex\.batch"):
        job_type(name)
    with pytest.raises(UnknownJobType):
        check_payload(name, PAYLOAD)


@pytest.mark.parametrize(
    "payload",
    [
        PAYLOAD,
        PAYLOAD | {"mode": "full"},  # the platform's own button sends more
        {"docType": "creator", "docIds": []},  # accepted at enqueue time: the handler refuses it
        {"docType": "no such type", "docIds": []},
    ],
)
def test_a_payload_that_the_platform_accepts_is_accepted(payload: object) -> None:
    check_payload(REINDEX_BATCH, payload)


@pytest.mark.parametrize(
    ("payload", "field", "text"),
    [
        ({"docIds": []}, "docType", "'docType' is not given: a reindex.batch job requires it"),
        ({"docType": "creator"}, "docIds", "'docIds' is not given"),
        ({}, "docType", "'docType' is not given"),
        ({"docType": 5, "docIds": []}, "docType", "docType: 5 is not of type string"),
        ({"docType": "creator", "docIds": "x"}, "docIds", "docIds: 'x' is not of type array"),
        (
            {"docType": "creator", "docIds": ["x", 5]},
            "docIds[1]",
            "docIds[1]: 5 is not of type string",
        ),
        ([], "payload", "payload: [] is not of type object"),
        (None, "payload", "payload: None is not of type object"),
    ],
)
def test_a_payload_that_breaks_the_schema_is_refused_by_field(
    payload: object, field: str, text: str
) -> None:
    with pytest.raises(InvalidConf) as refused:
        check_payload(REINDEX_BATCH, payload)
    assert refused.value.field == field
    assert str(refused.value).startswith(text)


def test_the_first_of_several_bad_ids_is_named() -> None:
    doc_ids: list[object] = ["x"] * 11
    doc_ids[2] = doc_ids[10] = None
    with pytest.raises(InvalidConf) as refused:
        check_payload(REINDEX_BATCH, {"docType": "creator", "docIds": doc_ids})
    assert refused.value.field == "docIds[2]"


@given(payload=json_values)
def test_any_payload_passes_or_is_refused_by_name(payload: object) -> None:
    try:
        check_payload(REINDEX_BATCH, payload)
        refused = None
    except InvalidConf as error:
        refused = error.field.partition("[")[0]
    if refused is not None:
        assert refused in ("payload", "docType", "docIds")
    else:
        assert isinstance(payload, dict)
        assert isinstance(payload["docType"], str)
        assert isinstance(payload["docIds"], list)
