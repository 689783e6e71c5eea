"""Whatever a conf or a job's payload holds, no query, address, header or template is made of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest
import requests
from airflow.sdk import Connection
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from reindex.chunks import descriptor_of, plan_slices
from reindex.conf import RunConf, job_reference, parse_conf
from reindex.doc_types import DOC_TYPES
from reindex.errors import InvalidConf
from reindex.hooks.endpoint import Endpoint
from reindex.hooks.jobs import JobsHook
from reindex.hooks.keep_alive import HttpAnswer
from reindex.hooks.source import SourceHook
from reindex.leased_jobs import conf_of, leased_jobs
from reindex.ledger import ChunkLedger
from reindex.reading import pages_of
from reindex.work import Work
from tests.unit.builders import hex_id
from tests.unit.strategies import confs, json_values

SERVICE = Connection(conn_id="jobs_api", conn_type="http", host="https://jobs/base", password="t")
TEMPLATE = "{{ conn.discovery_api.password }}"
HOSTILE = (
    *("..", ".", "../jobs", "a/b", "a?b=c", "a#b", "a%2fb", "a\r\nX-Admin: 1", "a\x00", "a;b"),
    *("{'$gt': ''}", "$where", "' or 1=1", TEMPLATE, "{% raw %}", "<script>", "ａ", "\ud800"),
)
QUERY_WORDS = {"_id", "$in", "$gte", "$gt", "$lt", "$lte"}

hostile_values = (
    st.sampled_from(HOSTILE)
    | json_values
    | st.dictionaries(st.sampled_from(["$gt", "$where", "$ne"]), json_values, max_size=2)
)
hostile_confs = confs | st.dictionaries(
    st.sampled_from(
        ["docType", "docIds", "updatedSince", "jobId", "workerId", "redrive", "mode", "chunkSize"]
    ),
    hostile_values | st.lists(hostile_values, max_size=3),
    max_size=4,
)


def parsed(raw: dict[str, object]) -> RunConf | None:
    try:
        return parse_conf(raw)
    except InvalidConf:
        return None


@contextmanager
def sent_requests() -> Iterator[list[requests.PreparedRequest]]:
    """What the Jobs hook would send; every call is answered with an empty object."""
    sent: list[requests.PreparedRequest] = []

    def send(endpoint: Endpoint, _: str, method: str, path: str, **options: Any) -> HttpAnswer:
        url = endpoint.base_url + path
        request = requests.Request(method, url, headers=options["headers"], json=options["body"])
        sent.append(request.prepare())
        return HttpAnswer(200, {}, b"{}")

    with (
        patch("reindex.hooks.endpoint.BaseHook.get_connection", lambda _: SERVICE),
        patch("reindex.hooks.jobs.call_once", send),
    ):
        yield sent


@given(raw=hostile_confs)
def test_a_job_reaches_the_address_as_one_segment_and_the_header_as_one_line(
    raw: dict[str, object],
) -> None:
    try:
        job = job_reference(raw)
    except InvalidConf:
        return
    if job is None:
        return
    with sent_requests() as sent:
        JobsHook().succeed(job, {})
        JobsHook().fail(job, "said")
        JobsHook().job(job.job_id)
    assert [urlsplit(str(each.url)).path for each in sent] == [
        f"/base/jobs/{job.job_id}/succeed",
        f"/base/jobs/{job.job_id}/fail",
        f"/base/jobs/{job.job_id}",
    ]
    for each in sent:
        address = urlsplit(str(each.url))
        assert (address.netloc, address.query, address.fragment) == ("jobs", "", "")
        assert str(each.headers.get("X-Worker-Id", "")).isprintable()


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("key", ["jobId", "redrive", "docType", "updatedSince", "mode"])
def test_hostile_text_is_refused_by_the_name_of_its_key(key: str, value: str) -> None:
    with pytest.raises(InvalidConf) as refused:
        parse_conf({key: value})
    assert refused.value.field == key


@pytest.mark.parametrize("value", [*HOSTILE, {"$gt": ""}, {"$where": "1"}, ["a" * 24], None, 5])
def test_an_id_is_24_hexadecimal_characters_or_is_refused(value: object) -> None:
    with pytest.raises(InvalidConf):
        parse_conf({"docType": "creator", "docIds": ["a" * 24, value]})


class Recorded(SourceHook):
    """The hook without a server: keeps which collections are asked, and what."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any, list[str]]] = []

    def _collection(self, name: str) -> Any:
        def find_raw_batches(query: Any, fields: list[str], **_: Any) -> Any:
            self.asked.append((name, query, fields))
            return iter(())

        return SimpleNamespace(find_raw_batches=find_raw_batches)


def words_and_values(query: Any) -> Iterator[tuple[str, Any]]:
    for word, value in query.items():
        if isinstance(value, dict):
            yield word, None
            yield from words_and_values(value)
        else:
            for each in value if isinstance(value, list) else [value]:
                yield word, each


@given(raw=hostile_confs)
def test_a_query_holds_our_words_and_object_ids_only(raw: dict[str, object]) -> None:
    conf = parsed(raw)
    if conf is None or conf.doc_ids is None:
        return
    source = Recorded()
    work = Work(conf.doc_type, conf.doc_ids)
    for _ in pages_of(source, work, ChunkLedger(0, {}), conf.updated_since):
        pass
    assert source.asked
    for collection, query, fields in source.asked:
        (doc_type,) = (each for each in DOC_TYPES.values() if each.collection == collection)
        assert set(fields) == {"_id", "updatedAt", *doc_type.fields}
        for word, value in words_and_values(query):
            assert word in QUERY_WORDS
            assert value is None or type(value) is ObjectId


@given(raw=hostile_confs)
def test_a_descriptor_holds_numbers_and_the_name_of_a_document_type(raw: dict[str, object]) -> None:
    """Descriptors are what Airflow keeps, shows and hands to a templated field."""
    conf = parsed(raw)
    if conf is None or conf.doc_ids is None:
        return
    for chunk in plan_slices(conf.doc_type, len(conf.doc_ids), conf.chunk_size, 1024):
        texts = {value for value in descriptor_of(chunk).values() if isinstance(value, str)}
        assert texts <= {*DOC_TYPES, "all"}


@given(entry=st.fixed_dictionaries({}, optional={
    "jobId": hostile_values | st.just("job-1"),
    "attempt": hostile_values | st.just(1),
    "payload": hostile_values | hostile_confs,
}))  # fmt: skip
def test_a_leased_job_gives_a_run_id_of_plain_characters_or_none(entry: object) -> None:
    for job in leased_jobs([entry])[0]:
        assert re.fullmatch(r"job__[A-Za-z0-9_-]{1,128}__[1-9][0-9]*", job.run_id)
        try:
            conf = conf_of(job, "worker-1")
        except InvalidConf:
            continue
        assert (conf["jobId"], conf["workerId"]) == (job.job_id, "worker-1")


@pytest.mark.parametrize("raw", [{"docIds": [hex_id(1)], "docType": TEMPLATE}, {TEMPLATE: 1}])
def test_a_refusal_shows_a_short_value_and_renders_nothing(raw: dict[str, object]) -> None:
    with pytest.raises(InvalidConf) as refused:
        parse_conf(raw)
    assert TEMPLATE in str(refused.value)
    assert len(str(refused.value)) < 400
