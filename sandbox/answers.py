"""How the platform answers: JSON with an error envelope, and Express's own pages as HTML."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response

HTML_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Error</title>
</head>
<body>
<pre>{message}</pre>
</body>
</html>
"""


@dataclass(frozen=True)
class Detail:
    """One broken rule of a 422; ``value`` is what was sent, None when nothing was."""

    field: str
    reason: str
    value: Any = None


class ApiError(Exception):
    """An answer of the platform in its JSON envelope, raised where the request is refused."""

    def __init__(
        self, status: int, code: str, message: str, details: Sequence[Detail] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details


def ascii_json(value: object) -> bytes:
    """Compact JSON; ASCII only, so that a lone surrogate that was sent can be sent back."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


class AsciiJSONResponse(JSONResponse):
    def render(self, content: Any) -> bytes:
        return ascii_json(content)


def json_answer(
    content: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return AsciiJSONResponse(content, status_code=status, headers=headers)


def error_answer(error: ApiError, headers: Mapping[str, str] | None = None) -> Response:
    """``{"error": {"code", "message", "details"?}}`` with the error's status."""
    envelope: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.details:
        envelope["details"] = [asdict(detail) for detail in error.details]
    return json_answer({"error": envelope}, error.status, headers)


def html_answer(status: int, message: str) -> Response:
    """The page that Express makes of an error before or after any route."""
    return HTMLResponse(HTML_PAGE.format(message=escape(message)), status_code=status)


def validation_error(details: Sequence[Detail]) -> ApiError:
    return ApiError(422, "validation_error", "The request is not valid.", details)
