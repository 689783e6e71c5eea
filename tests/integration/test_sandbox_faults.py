"""Each kind of fault as a real client meets it, and that none is met unless it was asked for."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any

import aiohttp
import pytest
import requests

from sandbox.fault_rules import FAULT_KINDS
from sandbox.platform import Platform, running_platform
from tests.integration.sandbox_fixtures import (
    INDEX_UPDATE,
    Api,
    a_doc_id,
    address_of,
    an_update,
    assert_html,
    details_of,
)

PAYLOAD = {"docType": "creator", "docIds": ["5f" * 12]}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with running_platform(tmp_path_factory.mktemp("platform")) as platform:
        yield platform


@pytest.fixture
def platform(running: Platform) -> Platform:
    running.clear_faults()
    running.clear_data()
    running.reset_requests()
    return running


@pytest.fixture
def api(platform: Platform) -> Api:
    return Api(platform)


def by_header(rule: Mapping[str, Any]) -> dict[str, str]:
    return {"X-Sandbox-Fault": json.dumps(rule)}


def raw_answer(platform: Platform, rule: Mapping[str, Any]) -> bytes:
    """All that arrives before the connection ends; ConnectionResetError for a RST."""
    body = json.dumps(an_update()).encode()
    head = (
        f"POST {INDEX_UPDATE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {platform.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"X-Sandbox-Fault: {json.dumps(rule)}\r\n\r\n"
    )
    received = b""
    with socket.create_connection(address_of(platform), timeout=4) as connection:
        connection.sendall(head.encode() + body)
        while chunk := connection.recv(4096):
            received += chunk
    return received


def test_nothing_fails_unless_it_was_asked_to(platform: Platform, api: Api) -> None:
    assert platform.call("GET", "/sandbox/faults") == {"rules": []}
    assert [api.index().status_code for _ in range(20)] == [200] * 20
    assert platform.requests()["faults"] == {}


def test_latency(api: Api) -> None:
    began = time.monotonic()
    assert api.index(headers=by_header({"kind": "latency", "ms": 300})).status_code == 200
    assert 0.3 <= time.monotonic() - began < 5


def test_rate_limited(api: Api) -> None:
    answer = api.index(headers=by_header({"kind": "rate_limited", "retryAfter": 3}))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
    assert answer.json()["error"]["code"] == "rate_limited"


@pytest.mark.parametrize("status", [500, 502, 503])
def test_error(api: Api, status: int) -> None:
    answer = api.index(headers=by_header({"kind": "error", "status": status}))
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"code", "message"}


def test_hang(platform: Platform, api: Api) -> None:
    with pytest.raises(requests.ReadTimeout):
        api.index(headers=by_header({"kind": "hang"}), timeout=0.5)
    deadline = time.monotonic() + 10
    while platform.requests()["indexUpdates"]["inFlight"]:
        assert time.monotonic() < deadline, "the request went on after its client had gone"
        time.sleep(0.02)


@pytest.mark.parametrize("kind", ["reset", "down"])
def test_reset(platform: Platform, kind: str) -> None:
    with pytest.raises(ConnectionResetError):
        raw_answer(platform, {"kind": kind})


def test_reset_as_aiohttp_sees_it(platform: Platform) -> None:
    async def post() -> None:
        headers = {"Authorization": f"Bearer {platform.token}", **by_header({"kind": "reset"})}
        url = platform.base_url + INDEX_UPDATE
        async with aiohttp.ClientSession() as session:
            await session.post(url, json=an_update(), headers=headers)

    with pytest.raises(aiohttp.ClientConnectionError):
        asyncio.run(post())


def test_truncated(platform: Platform, api: Api) -> None:
    head, _, body = raw_answer(platform, {"kind": "truncated"}).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    (length,) = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    assert 0 < len(body) < int(length.split(b":")[1])
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        api.index(headers=by_header({"kind": "truncated"}))


@pytest.mark.parametrize(("rule", "status"), [({}, 200), ({"status": 502}, 502)])
def test_html(api: Api, rule: dict[str, Any], status: int) -> None:
    assert_html(api.index(headers=by_header({"kind": "html", **rule})), status)


@pytest.mark.parametrize("body", [{"result": "ok"}, [], "indexed", 5, {"status": 7}])
def test_garbage(api: Api, body: Any) -> None:
    answer = api.index(headers=by_header({"kind": "garbage", "body": body}))
    assert (answer.status_code, answer.json()) == (200, body)


def test_auth_expires_midway(platform: Platform, api: Api) -> None:
    platform.put_faults([{"kind": "auth_expires", "after": 3}])
    answers = [api.index() for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 3 + [401] * 3
    assert answers[-1].json()["error"]["code"] == "invalid_token"
    assert api.lease() == []  # the other service goes on


def test_down_for_a_while(platform: Platform, api: Api) -> None:
    platform.put_faults([{"kind": "down", "seconds": 2}])
    for call in (api.index, api.lease):
        with pytest.raises(requests.ConnectionError):
            call()
    time.sleep(2)
    assert api.index().status_code == 200
    assert api.lease() == []


def test_one_service_may_be_down_alone(platform: Platform, api: Api) -> None:
    platform.put_faults([{"kind": "down", "path": "/jobs"}])
    with pytest.raises(requests.ConnectionError):
        api.lease()
    assert api.index().status_code == 200


def test_validation_of_some_documents(platform: Platform, api: Api) -> None:
    bad, good = an_update(docId="ab" * 12), an_update()
    platform.put_faults([{"kind": "validation", "docIds": ["AB" * 12]}])
    assert details_of(api.index(bad)) == {"payload"}
    assert api.index(good).json()["status"] == "indexed"


def test_rejects_job_reports(platform: Platform, api: Api) -> None:
    job_id = platform.enqueue(PAYLOAD)
    platform.put_faults([{"kind": "rejects_job_reports"}])
    assert [job["jobId"] for job in api.lease()] == [job_id]
    for report in ("succeed", "fail"):
        body = {"result": {}, "error": {"message": "no"}}
        assert api.work("POST", f"/jobs/{job_id}/{report}", body=body).status_code == 409
    assert api.job(job_id)["status"] == "leased"


def test_the_first_attempts_of_each_document(platform: Platform, api: Api) -> None:
    platform.put_faults([{"kind": "error", "status": 503, "times": 2}])
    for update in (an_update(), an_update()):
        statuses = [api.index(update).status_code for _ in range(4)]
        assert statuses == [503, 503, 200, 200]


def test_a_share_that_is_the_same_each_time(platform: Platform, api: Api) -> None:
    updates = [an_update(docId=f"{number:024x}") for number in range(60)]
    rounds = []
    for _ in range(2):
        platform.put_faults([{"kind": "error", "rate": 0.3}])
        rounds.append([api.index(update).status_code for update in updates])
    assert rounds[0] == rounds[1]
    assert 8 <= rounds[0].count(500) <= 28
    platform.put_faults([{"kind": "error", "rate": 0.3, "seed": 1}])
    assert [api.index(update).status_code for update in updates] != rounds[0]


@pytest.mark.parametrize(("applied", "held"), [(True, 1), (False, 0)])
def test_whether_the_work_was_done_before_the_answer_was_lost(
    platform: Platform, api: Api, applied: bool, held: int
) -> None:
    rule = {"kind": "reset", "applied": applied}
    with pytest.raises(requests.ConnectionError):
        api.index(headers=by_header(rule))
    with platform.index() as index:
        assert index.count("creator") == held


def test_latency_comes_on_top_of_another_fault(platform: Platform, api: Api) -> None:
    platform.put_faults([{"kind": "error"}, {"kind": "html"}, {"kind": "latency", "ms": 200}])
    began = time.monotonic()
    assert api.index().status_code == 500
    assert time.monotonic() - began >= 0.2


def test_rules_are_replaced_and_removed(platform: Platform, api: Api) -> None:
    platform.put_faults([{"kind": "error"}])
    platform.put_faults([{"kind": "html", "status": 502}])
    (rule,) = platform.call("GET", "/sandbox/faults")["rules"]
    assert (rule["kind"], rule["status"], rule["path"]) == ("html", 502, INDEX_UPDATE)
    assert api.index().status_code == 502
    platform.clear_faults()
    assert api.index().status_code == 200


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"kind": "explode"}, "kind"),
        ({}, "kind"),
        ({"kind": "error", "rate": 2}, "rate"),
        ({"kind": "error", "times": "twice"}, "times"),
        ({"kind": "error", "path": "search"}, "path"),
        ({"kind": "error", "docIds": "abc"}, "docIds"),
        ({"kind": "error", "applied": 1}, "applied"),
        ({"kind": "error", "probability": 1}, "probability"),
        ("error", "rule"),
    ],
)
def test_a_wrong_rule_is_refused(platform: Platform, api: Api, rule: Any, field: str) -> None:
    assert details_of(api.send("PUT", "/sandbox/faults", body=[rule])) == {field}
    assert details_of(api.index(headers=by_header(rule))) == {field}
    assert platform.call("GET", "/sandbox/faults") == {"rules": []}


def test_the_rules_are_a_list_and_the_header_is_json(api: Api) -> None:
    assert details_of(api.send("PUT", "/sandbox/faults", body={"kind": "error"})) == {"body"}
    assert details_of(api.index(headers={"X-Sandbox-Fault": "error"})) == {"X-Sandbox-Fault"}


def test_only_an_admin_injects_faults(api: Api) -> None:
    assert api.send("PUT", "/sandbox/faults", body=[], token=None).status_code == 401


def test_every_kind_can_be_installed(platform: Platform) -> None:
    platform.put_faults([{"kind": kind, "after": 10} for kind in FAULT_KINDS])
    rules = platform.call("GET", "/sandbox/faults")["rules"]
    assert [rule["kind"] for rule in rules] == list(FAULT_KINDS)


def test_requests_are_counted_by_document(platform: Platform, api: Api) -> None:
    once, thrice = an_update(), an_update()
    platform.put_faults([{"kind": "error", "docIds": [thrice["docId"]], "times": 2}])
    api.index(once)
    for _ in range(3):
        api.index(thrice)
    api.send("GET", f"/jobs/{a_doc_id()}")
    counted = platform.requests(documents=True)
    assert counted["documents"] == {once["docId"]: 1, thrice["docId"]: 3}
    assert counted["faults"] == {"error": 2}
    assert counted["paths"] == {f"POST {INDEX_UPDATE}": 4, "GET /jobs/{id}": 1}
    updates = counted["indexUpdates"]
    assert (updates["received"], updates["documents"], updates["maxPerDocument"]) == (4, 2, 3)
    assert updates["answers"] == {"200": 2, "500": 2}
    assert 1 <= updates["peakPerSecond"] <= 4
    platform.reset_requests()
    assert platform.requests()["total"] == 0


async def post_together(platform: Platform, count: int) -> None:
    headers = {"Authorization": f"Bearer {platform.token}"}
    url = platform.base_url + INDEX_UPDATE
    async with aiohttp.ClientSession(headers=headers) as session:
        posts = (session.post(url, json=an_update()) for _ in range(count))
        answers = await asyncio.gather(*posts)
    assert [answer.status for answer in answers] == [200] * count


def test_the_most_in_flight_is_seen(platform: Platform) -> None:
    platform.put_faults([{"kind": "latency", "ms": 150}])
    asyncio.run(post_together(platform, 7))
    updates = platform.requests()["indexUpdates"]
    assert (updates["maxInFlight"], updates["inFlight"], updates["peakPerSecond"]) == (7, 0, 7)


def test_requests_that_wait_for_their_turn_are_in_flight_too(platform: Platform) -> None:
    asyncio.run(post_together(platform, 60))
    assert 2 <= platform.requests()["indexUpdates"]["maxInFlight"] <= 60
