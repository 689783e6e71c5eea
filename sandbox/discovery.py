"""The Discovery indexing API (Task 41): ``POST /search/index-update``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.answers import Detail, json_answer, validation_error
from sandbox.request_body import Body
from sandbox.services import body_of, require_admin, services_of
from sandbox.store import Payload
from sandbox.timestamps import format_iso, parse_iso

PATH = "/search/index-update"
DOC_TYPES = ("creator", "project")
OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}", re.ASCII)


@dataclass(frozen=True)
class IndexUpdate:
    """A request that is valid; ``updated_at`` is milliseconds since the epoch."""

    doc_type: str
    doc_id: str
    payload: Payload
    updated_at: int


def parse_index_update(
    fields: Mapping[str, Any], doc_types: Sequence[str] = DOC_TYPES
) -> IndexUpdate:
    """The request's body, checked. ApiError 422 with one detail for each field that is wrong."""
    doc_type, doc_id = fields.get("docType"), fields.get("docId")
    payload, updated_at = fields.get("payload"), _milliseconds(fields.get("updatedAt"))
    details = []
    if doc_type not in doc_types:
        details.append(Detail("docType", f"must be {' or '.join(doc_types)}", doc_type))
    if not isinstance(doc_id, str) or not OBJECT_ID.fullmatch(doc_id):
        details.append(Detail("docId", "must be 24 hexadecimal characters", doc_id))
    if not isinstance(payload, dict):
        details.append(Detail("payload", "must be an object", payload))
    if updated_at is None:
        details.append(Detail("updatedAt", "must be an ISO 8601 date", fields.get("updatedAt")))
    if details:
        raise validation_error(details)
    # An ObjectId is a number: the letter case in which it was sent does not tell documents apart.
    return IndexUpdate(str(doc_type), str(doc_id).lower(), payload or {}, updated_at or 0)


async def index_update(request: Request) -> Response:
    """Writes one document; 200 says whether it was ``indexed`` or ``ignored``."""
    await require_admin(request)
    services = services_of(request)
    update = parse_index_update(body_of(request).fields, services.doc_types)
    if not services.index.index(update.doc_type, update.doc_id, update.payload, update.updated_at):
        message = "The index already holds this version or a newer one."
        return json_answer({"status": "ignored", "message": message})
    at = format_iso(update.updated_at)
    return json_answer({"docId": update.doc_id, "status": "indexed", "updatedAt": at})


def document_of(path: str, body: Body) -> str | None:
    """The docId, in lower case, of a request that wants to index a document; else None."""
    doc_id = body.fields.get("docId") if path == PATH else None
    return doc_id.lower() if isinstance(doc_id, str) else None


def _milliseconds(value: object) -> int | None:
    try:
        return parse_iso(value) if isinstance(value, str) else None
    except ValueError:
        return None


# A plain Starlette route: FastAPI's own costs more than the whole of the work here.
router = APIRouter(routes=[Route(PATH, index_update, methods=["POST"])])
