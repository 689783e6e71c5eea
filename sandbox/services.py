"""What the routes share: the stores, the authority, and the request's own things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request

from sandbox.auth import Authority
from sandbox.fault_rules import FaultPlan
from sandbox.job_store import JobStore
from sandbox.request_body import SCOPE_KEY, Body
from sandbox.store import IndexStore
from sandbox.traffic import Traffic


@dataclass(frozen=True)
class Services:
    index: IndexStore
    jobs: JobStore
    authority: Authority
    faults: FaultPlan
    traffic: Traffic
    doc_types: Sequence[str]


def services_of(request: Request) -> Services:
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


def body_of(request: Request) -> Body:
    body = request.scope.get(SCOPE_KEY, Body())
    assert isinstance(body, Body)
    return body


async def require_admin(request: Request) -> None:
    """ApiError 401 or 403 unless the request carries a valid admin token."""
    services_of(request).authority.admit_admin(request.headers.get("authorization"))
