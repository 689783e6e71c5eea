"""What the sandbox's tests share: a client that speaks as a worker does, and valid requests."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from sandbox.platform import Platform

WORKER = "worker-1"
OTHER_WORKER = "worker-2"
INDEX_UPDATE = "/search/index-update"


@dataclass
class Api:
    """Calls to a running platform; ``token`` replaces the admin's, None sends none."""

    platform: Platform

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = "",
        timeout: float = 10,
    ) -> requests.Response:
        sent = {"Content-Type": "application/json"} if raw is not None else {}
        if token is not None:
            sent["Authorization"] = f"Bearer {token or self.platform.token}"
        return requests.request(
            method,
            self.platform.base_url + path,
            json=body,
            data=raw,
            headers={**sent, **(headers or {})},
            timeout=timeout,
        )

    def index(self, update: Mapping[str, Any] | None = None, **options: Any) -> requests.Response:
        """POST /search/index-update, by default of a new valid document."""
        return self.send("POST", INDEX_UPDATE, body=update or an_update(), **options)

    def work(
        self, method: str, path: str, worker: str = WORKER, **options: Any
    ) -> requests.Response:
        """A worker's call."""
        return self.send(method, path, headers={"X-Worker-Id": worker}, **options)

    def lease(self, worker: str = WORKER, limit: int = 10) -> list[dict[str, Any]]:
        answer = self.work("GET", f"/jobs/lease?type=reindex.batch&limit={limit}", worker)
        jobs: list[dict[str, Any]] = answer.json()["jobs"]
        return jobs

    def job(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = self.send("GET", f"/jobs/{job_id}").json()
        return job


def address_of(platform: Platform) -> tuple[str, int]:
    address = urlsplit(platform.base_url)
    assert address.hostname is not None
    assert address.port is not None
    return address.hostname, address.port


def a_doc_id() -> str:
    return secrets.token_hex(12)


def an_update(**changes: Any) -> dict[str, Any]:
    """A valid body of an index update, of a document of its own."""
    return {
        "docType": "creator",
        "docId": a_doc_id(),
        "payload": {"title": "Amara O.", "skills": ["mixing"]},
        "updatedAt": "2026-05-01T10:00:00.000Z",
        **changes,
    }


def details_of(answer: requests.Response) -> set[str]:
    """The fields that a 422 names."""
    error = answer.json()["error"]
    assert answer.status_code == 422
    assert error["code"] == "validation_error"
    assert all(set(each) == {"field", "reason", "value"} for each in error["details"])
    return {each["field"] for each in error["details"]}


def assert_html(answer: requests.Response, status: int) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text.startswith("<!DOCTYPE html>")
