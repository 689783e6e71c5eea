"""The sandbox's own calls: its health, the faults to inject, what arrived, a clean slate."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from sandbox.answers import Detail, json_answer, validation_error
from sandbox.fault_rules import parse_rule
from sandbox.services import Services, body_of, require_admin, services_of

health_router = APIRouter()
router = APIRouter(prefix="/sandbox", dependencies=[Depends(require_admin)])


@health_router.get("/health")
async def health() -> Response:
    return json_answer({"status": "ok"})


@router.put("/faults")
async def put_faults(request: Request) -> Response:
    """Replaces the rules by those of the body, a JSON list (see ``sandbox.fault_rules``)."""
    rules = body_of(request).value
    if not isinstance(rules, list):
        raise validation_error([Detail("body", "must be an array of rules", rules)])
    services_of(request).faults.install([parse_rule(rule) for rule in rules])
    return _rules(services_of(request))


@router.get("/faults")
async def get_faults(request: Request) -> Response:
    return _rules(services_of(request))


@router.delete("/faults")
async def delete_faults(request: Request) -> Response:
    services_of(request).faults.install([])
    return _rules(services_of(request))


@router.get("/requests")
async def get_requests(request: Request, documents: bool = False) -> Response:
    """What arrived since the start or the last DELETE (see ``Traffic.summary``)."""
    return json_answer(services_of(request).traffic.summary(documents=documents))


@router.delete("/requests")
async def delete_requests(request: Request) -> Response:
    services_of(request).traffic.reset()
    return json_answer(services_of(request).traffic.summary())


@router.delete("/data")
async def delete_data(request: Request) -> Response:
    """Forgets every indexed document and every job."""
    services_of(request).index.clear()
    services_of(request).jobs.clear()
    return json_answer({"status": "cleared"})


def _rules(services: Services) -> Response:
    return json_answer({"rules": services.faults.rules()})
