"""The stand-in for the platform as one ASGI application."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sandbox import admin, discovery, jobs, market
from sandbox.answers import ApiError, error_answer, html_answer
from sandbox.auth import Authority
from sandbox.fault_gate import FaultGate
from sandbox.fault_rules import FaultPlan
from sandbox.job_store import JobStore
from sandbox.services import Services
from sandbox.store import IndexStore
from sandbox.traffic import Traffic


def create_app(
    database: Path,
    jwt_secret: str,
    *,
    lease_seconds: float = 300,
    retry_delay_seconds: float = 5,
    doc_types: Sequence[str] = discovery.DOC_TYPES,
) -> FastAPI:
    """The Discovery and Jobs APIs, the market's search and the sandbox's own calls.

    ``database`` is the SQLite file that holds the index and the jobs over restarts. A job that
    failed waits ``retry_delay_seconds × 2^(attempt − 1)``. The index takes ``doc_types``.
    """
    services = Services(
        index=IndexStore(database),
        jobs=JobStore(
            database, lease_seconds=lease_seconds, retry_delay_seconds=retry_delay_seconds
        ),
        authority=Authority(jwt_secret),
        faults=FaultPlan(),
        traffic=Traffic(),
        doc_types=doc_types,
    )
    # The platform knows no documentation pages and no redirects for a slash: those paths are 404.
    app = FastAPI(title="sandbox", openapi_url=None, redirect_slashes=False)
    app.state.services = services
    for module in (discovery, jobs, market, admin):
        app.include_router(module.router)
    app.include_router(admin.health_router)
    app.add_middleware(FaultGate, faults=services.faults, traffic=services.traffic)
    app.add_exception_handler(ApiError, _refused)
    app.add_exception_handler(HTTPException, _no_such_route)
    app.add_exception_handler(Exception, _crashed)
    return app


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error_answer(error)


def _no_such_route(request: Request, error: Exception) -> Response:
    # Express knows no 405: a path with another method is a path that does not exist.
    return html_answer(404, f"Cannot {request.method} {request.url.path}")


def _crashed(request: Request, error: Exception) -> Response:
    return error_answer(ApiError(500, "internal_error", "The service failed."))
