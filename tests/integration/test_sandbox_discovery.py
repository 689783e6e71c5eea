"""The Discovery API's answers of the contract, one by one, over HTTP against a started server."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.auth import make_token
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


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with running_platform(tmp_path_factory.mktemp("platform")) as running:
        yield running


@pytest.fixture(scope="module")
def api(platform: Platform) -> Api:
    return Api(platform)


def held(platform: Platform, doc_id: str, doc_type: str = "creator") -> Any:
    with platform.index() as index:
        return index.documents(doc_type).get(doc_id)


def test_a_new_document_is_indexed_and_seen_at_once(platform: Platform, api: Api) -> None:
    update = an_update()
    answer = api.index(update)
    assert answer.status_code == 200
    assert answer.json() == {
        "docId": update["docId"],
        "status": "indexed",
        "updatedAt": "2026-05-01T10:00:00.000Z",
    }
    document = held(platform, update["docId"])
    assert document.payload == update["payload"]
    assert document.updatedAt == update["updatedAt"]


@pytest.mark.parametrize(
    ("incoming", "status"),
    [
        ("2026-05-01T10:00:00.001Z", "indexed"),
        ("2026-05-01T10:00:00.000Z", "ignored"),
        ("2026-05-01T10:00:00.000999Z", "ignored"),
        ("2026-05-01T09:59:59.999Z", "ignored"),
        ("2026-05-01T11:00:00+01:00", "ignored"),
        ("2026-05-01T11:00:00.001+01:00", "indexed"),
    ],
)
def test_times_compare_at_milliseconds(
    platform: Platform, api: Api, incoming: str, status: str
) -> None:
    update = an_update()
    api.index(update)
    again = api.index({**update, "payload": {"title": "new"}, "updatedAt": incoming})
    assert again.status_code == 200
    assert again.json()["status"] == status
    title = held(platform, update["docId"]).payload["title"]
    assert title == ("new" if status == "indexed" else "Amara O.")


def test_ignored_has_a_message(api: Api) -> None:
    update = an_update()
    api.index(update)
    assert set(api.index(update).json()) == {"status", "message"}


def test_the_payload_is_merged_over_what_is_held(platform: Platform, api: Api) -> None:
    update = an_update(payload={"title": "a", "skills": ["x", "y"], "rating": {"average": 1}})
    api.index(update)
    newer = {"payload": {"skills": ["z"], "rating": {"count": 2}}, "updatedAt": "2026-05-02"}
    assert api.index({**update, **newer}).json()["status"] == "indexed"
    document = held(platform, update["docId"])
    assert document.payload == {"title": "a", "skills": ["z"], "rating": {"count": 2}}
    assert document.updatedAt == "2026-05-02T00:00:00.000Z"


def test_the_types_have_ids_of_their_own(platform: Platform, api: Api) -> None:
    creator = an_update()
    assert api.index(creator).json()["status"] == "indexed"
    assert api.index({**creator, "docType": "project"}).json()["status"] == "indexed"
    assert held(platform, creator["docId"], "project") is not None


def test_the_letter_case_of_an_id_does_not_tell_documents_apart(api: Api) -> None:
    update = an_update(docId="ab" * 12)
    assert api.index(update).json()["status"] == "indexed"
    assert api.index({**update, "docId": "AB" * 12}).json()["status"] == "ignored"


def test_text_of_any_kind_comes_back_as_it_was(platform: Platform, api: Api) -> None:
    text = "👩🏽‍🎤 نور Zu\u0308 <b>\u0000\ud800"
    update = an_update(payload={"title": text})
    assert api.index(update).json()["status"] == "indexed"
    assert held(platform, update["docId"]).payload["title"] == text


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"docType": "creators"}, "docType"),
        ({"docType": None}, "docType"),
        ({"docId": "abc"}, "docId"),
        ({"docId": "g" * 24}, "docId"),
        ({"docId": 12}, "docId"),
        ({"payload": []}, "payload"),
        ({"payload": None}, "payload"),
        ({"updatedAt": "yesterday"}, "updatedAt"),
        ({"updatedAt": "2026-02-30T00:00:00Z"}, "updatedAt"),
        ({"updatedAt": 1777629600000}, "updatedAt"),
    ],
)
def test_a_wrong_field_is_named(api: Api, changes: dict[str, Any], field: str) -> None:
    answer = api.index(an_update(**changes))
    assert details_of(answer) == {field}
    assert answer.json()["error"]["details"][0]["value"] == changes[field]


@pytest.mark.parametrize("raw", [b"{}", b"[]", b""])
def test_all_missing_fields_are_named(api: Api, raw: bytes) -> None:
    answer = api.send("POST", INDEX_UPDATE, raw=raw)
    assert details_of(answer) == {"docType", "docId", "payload", "updatedAt"}


def test_a_body_that_is_not_declared_json_is_not_read(api: Api) -> None:
    answer = api.send("POST", INDEX_UPDATE, raw=b"{]", headers={"Content-Type": "text/plain"})
    assert len(details_of(answer)) == 4


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        (None, 401, "no_token"),
        ("forged", 401, "invalid_token"),
        (make_token("another secret, of the right length"), 401, "invalid_token"),
    ],
)
def test_without_a_valid_token(api: Api, token: str | None, status: int, code: str) -> None:
    answer = api.index(token=token)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_an_expired_token_is_invalid(platform: Platform, api: Api) -> None:
    answer = api.index(token=make_token(platform.jwt_secret, expires_in=-1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_token")


def test_a_token_that_expires_is_refused_from_then_on(platform: Platform, api: Api) -> None:
    token = make_token(platform.jwt_secret, expires_in=2)
    assert api.index(token=token).status_code == 200
    deadline = time.monotonic() + 5
    while (status := api.index(token=token).status_code) == 200 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert status == 401


def test_without_the_admin_permission(platform: Platform, api: Api) -> None:
    answer = api.index(token=make_token(platform.jwt_secret, permissions=("creator",)))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied")


@pytest.mark.parametrize(
    "raw", [b'{"docType": ', b"\xff\xfe", b'"text"', b'{"docType": NaN}', b"[" * 50_000]
)
def test_malformed_json_is_answered_with_html(api: Api, raw: bytes) -> None:
    assert_html(api.send("POST", INDEX_UPDATE, raw=raw, token=None), 400)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/search/index"), ("GET", INDEX_UPDATE), ("POST", "//search/index-update")],
)
def test_a_wrong_path_is_answered_with_html(api: Api, method: str, path: str) -> None:
    assert_html(api.send(method, path), 404)


def test_the_largest_body_and_one_byte_more(api: Api) -> None:
    body = b'{"docType": "%s"}'
    fits = body % (b"x" * (102_400 - len(body) + 2))
    assert "docType" in details_of(api.send("POST", INDEX_UPDATE, raw=fits))
    assert_html(api.send("POST", INDEX_UPDATE, raw=fits + b" "), 413)
    assert_html(api.send("POST", INDEX_UPDATE, raw=b"x" * 3_000_000), 413)


def test_an_idle_connection_is_closed_after_five_seconds(platform: Platform) -> None:
    with socket.create_connection(address_of(platform), timeout=8) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while not answer.endswith(b'{"status":"ok"}'):
            answer += connection.recv(4096)
        began = time.monotonic()
        assert connection.recv(1) == b""
        assert 4.5 < time.monotonic() - began < 7


def test_what_was_indexed_is_there_after_a_restart(tmp_path: Path) -> None:
    update = an_update()
    with running_platform(tmp_path) as first:
        api = Api(first)
        assert api.index(update).json()["status"] == "indexed"
        job_id = first.enqueue({"docType": "creator", "docIds": [update["docId"]]})
        first.process.kill()  # not even an orderly end
        first.start()
        assert api.index(update).json()["status"] == "ignored"
        assert api.job(job_id)["status"] == "queued"
        assert held(first, update["docId"]).payload == update["payload"]


def test_a_search_finds_what_was_indexed(api: Api) -> None:
    word = f"w{a_doc_id()}"
    api.index(an_update(payload={"title": "Émile", "headline": f"about {word}"}))
    best = an_update(payload={"title": f"{word.upper()} studio"}, updatedAt="2020-01-01")
    api.index(best)
    found = api.send("GET", f"/market/creators?q={word[:20]}", token=None).json()
    assert found["total"] == 2
    assert [each["title"] for each in found["items"]] == [f"{word.upper()} studio", "Émile"]
    assert found["items"][0]["docId"] == best["docId"]
    assert api.send("GET", f"/market/creators?q={word}+studio").json()["total"] == 1
    assert api.send("GET", f"/market/creators?q={word}+unheard-of").json()["total"] == 0
    page = api.send("GET", f"/market/creators?q={word}&limit=1&offset=1").json()
    assert (page["total"], [each["title"] for each in page["items"]]) == (2, ["Émile"])


@pytest.mark.parametrize(
    ("visibility", "status", "found"),
    [
        ("public", "active", 1),
        ("public", "archived", 1),
        ("public", "draft", 0),
        ("private", "active", 0),
        (None, "active", 0),
    ],
)
def test_a_search_shows_public_projects_only(
    api: Api, visibility: str | None, status: str, found: int
) -> None:
    word = f"w{a_doc_id()}"
    payload = {"title": word, "visibility": visibility, "status": status}
    api.index(an_update(docType="project", payload=payload))
    assert api.send("GET", f"/market/projects?q={word}").json()["total"] == found


def test_a_project_that_was_hidden_disappears(api: Api) -> None:
    word = f"w{a_doc_id()}"
    payload = {"title": word, "visibility": "public", "status": "active"}
    update = an_update(docType="project", payload=payload)
    api.index(update)
    assert api.send("GET", f"/market/projects?q={word}").json()["total"] == 1
    hidden = {**update, "payload": {"visibility": "private"}, "updatedAt": "2026-06-01"}
    api.index(hidden)
    assert api.send("GET", f"/market/projects?q={word}").json()["total"] == 0


def test_a_search_refuses_a_limit_that_is_none(api: Api) -> None:
    assert details_of(api.send("GET", "/market/creators?limit=many")) == {"limit"}
