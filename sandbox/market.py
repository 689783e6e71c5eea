"""The market's search over what was indexed, so that a person sees what a reindex did."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from sandbox.answers import Detail, json_answer, validation_error
from sandbox.services import services_of

router = APIRouter(prefix="/market")
PAGE = 20
LARGEST_PAGE = 100


@router.get("/creators")
async def creators(request: Request) -> Response:
    """``?q=words&limit=1..100&offset=`` → ``{total, items: [{docId, updatedAt, title, …}]}``."""
    return json_answer(_search(request, "creator"))


@router.get("/projects")
async def projects(request: Request) -> Response:
    """As ``creators``; public projects only, and no drafts."""
    return json_answer(_search(request, "project"))


def _search(request: Request, doc_type: str) -> dict[str, Any]:
    limit = _number(request, "limit", PAGE, LARGEST_PAGE)
    offset = _number(request, "offset", 0, 2**31)
    query = request.query_params.get("q", "")
    total, items = services_of(request).index.search(doc_type, query, limit=limit, offset=offset)
    return {"total": total, "items": items}


def _number(request: Request, name: str, default: int, largest: int) -> int:
    value = request.query_params.get(name, str(default))
    if not value.isdecimal() or int(value) > largest:
        raise validation_error([Detail(name, f"must be an integer from 0 to {largest}", value)])
    return int(value)
