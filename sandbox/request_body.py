"""The body of a request as Express's JSON parser hands it to the routes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from starlette.types import Receive, Scope

LIMIT = 100 * 1024
SCOPE_KEY = "sandbox.body"


@dataclass(frozen=True)
class Body:
    """``value`` is the object or array that was sent, None when no JSON body was.

    ``problem`` is set for a body that no route gets to see: Express answers those with HTML.
    """

    value: dict[str, Any] | list[Any] | None = None
    problem: Literal["too_large", "malformed"] | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The object that was sent; empty for an array or for nothing."""
        return self.value if isinstance(self.value, dict) else {}


async def read_body(scope: Scope, receive: Receive) -> Body:
    """Reads the whole body, also of one that is too large, so that its sender hears the answer."""
    chunks, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size <= LIMIT:
            chunks.append(chunk)
    if size > LIMIT:
        return Body(problem="too_large")
    return parse_body(b"".join(chunks)) if size and _is_json(scope) else Body()


def parse_body(raw: bytes) -> Body:
    """A body that declares itself JSON. As strict as Express: an object or an array."""
    try:
        value = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return Body(problem="malformed")
    return Body(value) if isinstance(value, dict | list) else Body(problem="malformed")


def _is_json(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name == b"content-type":
            return bytes(value).partition(b";")[0].strip().lower() == b"application/json"
    return False


def _refuse_constant(name: str) -> NoReturn:
    # Python reads NaN and Infinity; JavaScript's JSON.parse does not.
    raise ValueError(f"{name} is not JSON")
