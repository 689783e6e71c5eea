"""The outermost layer: reads the body, counts the request, applies faults, then asks the routes."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.answers import (
    ApiError,
    Detail,
    ascii_json,
    error_answer,
    html_answer,
    json_answer,
    validation_error,
)
from sandbox.connection import close_connection, reset_connection
from sandbox.discovery import PATH, document_of
from sandbox.fault_rules import FaultPlan, FaultRule, parse_rule
from sandbox.request_body import SCOPE_KEY, Body, read_body
from sandbox.traffic import Traffic

FAULT_HEADER = b"x-sandbox-fault"
LONGEST_HANG_SECONDS = 120
# The sandbox's own calls: never counted, and reachable whatever is broken.
OWN_PATHS = ("/sandbox/", "/health")

Ending = Callable[[FaultRule, Scope, Receive, Send], Awaitable[None]]


class FaultGate:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, faults: FaultPlan, traffic: Traffic) -> None:
        self._app = app
        self._faults = faults
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = scope[SCOPE_KEY] = await read_body(scope, receive)
        if scope["path"].startswith(OWN_PATHS):
            await self._route(body, scope, receive, send)
        else:
            await self._count(body, scope, receive, send)

    async def _count(self, body: Body, scope: Scope, receive: Receive, send: Send) -> None:
        self._traffic.arrived(scope["method"], scope["path"])
        if scope["path"] != PATH:
            await self._meet_faults(None, body, scope, receive, send)
            return

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._traffic.answered(message["status"])
            await send(message)

        doc_id = document_of(scope["path"], body)
        self._traffic.update_began(doc_id)
        try:
            # The routes work without a pause: only after a turn of the loop have all requests that
            # arrived together been counted as in flight together.
            await asyncio.sleep(0)
            await self._meet_faults(doc_id, body, scope, receive, send_counted)
        finally:
            self._traffic.update_ended()

    async def _meet_faults(
        self, doc_id: str | None, body: Body, scope: Scope, receive: Receive, send: Send
    ) -> None:
        try:
            rules = _asked_for(scope) or self._faults.decide(scope["path"], doc_id)
        except ApiError as error:
            await error_answer(error)(scope, receive, send)
            return
        for rule in rules:
            self._traffic.faulted(rule.kind)
            if rule.kind == "latency":
                await asyncio.sleep(rule.ms / 1000)
                continue
            if rule.applied:
                await self._route(body, scope, receive, _discard)
            await ENDINGS.get(rule.kind, _answer)(rule, scope, receive, send)
            return
        await self._route(body, scope, receive, send)

    async def _route(self, body: Body, scope: Scope, receive: Receive, send: Send) -> None:
        if body.problem == "too_large":
            page = html_answer(413, "PayloadTooLargeError: request entity too large")
            await page(scope, receive, send)
        elif body.problem == "malformed":
            page = html_answer(400, "SyntaxError: Unexpected token in JSON")
            await page(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def faulty_answer(rule: FaultRule) -> Response:
    """The answer of a fault that is one: an HTTP status and a body."""
    if rule.kind == "html":
        return html_answer(rule.status or 200, "Service Unavailable")
    if rule.kind == "garbage":
        return json_answer({"result": "ok"} if rule.body is None else rule.body)
    if rule.kind == "rate_limited":
        error = ApiError(429, "rate_limited", "Too many requests.")
        return error_answer(error, {"Retry-After": str(math.ceil(rule.retryAfter))})
    if rule.kind == "validation":
        return error_answer(validation_error([Detail("payload", "was refused by a fault rule")]))
    return error_answer(_error_of(rule))


def _error_of(rule: FaultRule) -> ApiError:
    if rule.kind == "auth_expires":
        return ApiError(401, "invalid_token", "The token has expired.")
    if rule.kind == "rejects_job_reports":
        return ApiError(409, "conflict", "The job is not leased by this worker.")
    return ApiError(rule.status or 500, "internal_error", "The service failed.")


async def _answer(rule: FaultRule, scope: Scope, receive: Receive, send: Send) -> None:
    await faulty_answer(rule)(scope, receive, send)


async def _hang(rule: FaultRule, scope: Scope, receive: Receive, send: Send) -> None:
    try:
        await asyncio.wait_for(receive(), LONGEST_HANG_SECONDS)  # until the client has gone
    except asyncio.TimeoutError:
        reset_connection(scope)


async def _reset(rule: FaultRule, scope: Scope, receive: Receive, send: Send) -> None:
    reset_connection(scope)
    await receive()  # returns when the server has seen the end, and does not try to answer


async def _truncate(rule: FaultRule, scope: Scope, receive: Receive, send: Send) -> None:
    whole = ascii_json({"docId": "0" * 24, "status": "indexed", "updatedAt": "2026-01-01T00:00"})
    length = str(len(whole)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    half = whole[: len(whole) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    close_connection(scope)
    await receive()


ENDINGS: dict[str, Ending] = {
    "hang": _hang,
    "reset": _reset,
    "down": _reset,
    "truncated": _truncate,
}


def _asked_for(scope: Scope) -> list[FaultRule]:
    # The header's rule is for this very request: which documents it names, or how often, is moot.
    for name, value in scope["headers"]:
        if name == FAULT_HEADER:
            try:
                return [parse_rule(json.loads(value))]
            except ValueError:
                raise validation_error([Detail("X-Sandbox-Fault", "must be JSON")]) from None
    return []


async def _discard(message: Message) -> None:
    """Takes an answer that nobody is to hear."""
