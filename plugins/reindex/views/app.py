"""
The HTTP side of the pages: shells without data, and data behind Airflow's own permissions.

Mounted below Airflow's API server, so that its login holds here as well.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, Literal

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.models.dag import DagModel
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse

from reindex.views.failure_table import FailureFilter, Row, failure_rows, failures_csv
from reindex.views.history import history
from reindex.views.run_report import run_report
from reindex.views.store import KeptElsewhere, NotFound, read_history, read_run

DAG_ID = "reindex_batch"
STATIC = Path(__file__).parent / "static"
SERVED = {file.name for file in STATIC.glob("*") if file.suffix in (".css", ".js", ".svg")}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'self'; base-uri 'none'; "
    "form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

DagId = Annotated[str, Query(max_length=250, pattern=r"^[\w.-]+$")]
# A NUL would be an error of the database, others have no place in a run id.
RunId = Annotated[str, Query(max_length=250, pattern=r"^[^\x00-\x1f\x7f]+$")]
Text = Annotated[str, Query(max_length=200)]
Trigger = Literal["", "nightly", "manual", "job"]


def _may_read(dag_id: str | None = None) -> list[Any]:
    """What the pages show of a DAG, Airflow must let the user read; of the query's, or this one."""
    shown = (DagAccessEntity.RUN, DagAccessEntity.TASK_INSTANCE, DagAccessEntity.XCOM)
    return [Depends(requires_access_dag("GET", entity, dag_id)) for entity in shown]


def _may_trigger(user: GetUserDep, dag_id: DagId) -> bool:
    """As Airflow asks itself when somebody triggers a run."""
    return get_auth_manager().is_authorized_dag(
        method="POST",
        access_entity=DagAccessEntity.RUN,
        details=DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id)),
        user=user,
    )


def _asked_failures(
    session: SessionDep,
    dag_id: DagId,
    run_id: RunId,
    search: Text = "",
    reason: Text = "",
    doc_type: Annotated[str, Query(alias="docType", max_length=200)] = "",
) -> list[Row]:
    record = read_run(session, dag_id, run_id)
    return failure_rows(record, FailureFilter(search, reason, doc_type))


AskedFailures = Annotated[list[Row], Depends(_asked_failures)]
pages = APIRouter()
data = APIRouter(prefix="/api")


@pages.get("/run")
def run_page() -> Response:
    return FileResponse(STATIC / "run_report.html", headers={"Cache-Control": "no-cache"})


@pages.get("/history")
def history_page() -> Response:
    return FileResponse(STATIC / "history.html", headers={"Cache-Control": "no-cache"})


@pages.get("/static/{name}")
def static_file(name: str) -> Response:
    if name not in SERVED:
        raise HTTPException(404, f"no such file; there are {', '.join(sorted(SERVED))}")
    return FileResponse(STATIC / name, headers={"Cache-Control": "no-cache"})


@data.get("/run", dependencies=_may_read())
def run_data(
    session: SessionDep,
    dag_id: DagId,
    run_id: RunId,
    may_trigger: Annotated[bool, Depends(_may_trigger)],
) -> Response:
    report = run_report(read_run(session, dag_id, run_id), datetime.now(timezone.utc))
    return JSONResponse({**report, "mayTrigger": may_trigger})


@data.get("/failures", dependencies=_may_read())
def failures(
    rows: AskedFailures,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    return JSONResponse({"total": len(rows), "rows": rows[offset : offset + limit]})


@data.get("/failures.csv", dependencies=_may_read())
def failures_as_csv(rows: AskedFailures, run_id: RunId) -> Response:
    headers = _attachment(run_id, "csv")
    return Response(failures_csv(rows), media_type="text/csv; charset=utf-8", headers=headers)


@data.get("/failures.json", dependencies=_may_read())
def failures_as_json(rows: AskedFailures, run_id: RunId) -> Response:
    return JSONResponse(rows, headers=_attachment(run_id, "json"))


@data.get("/history", dependencies=_may_read(DAG_ID))
def history_data(
    session: SessionDep,
    doc_type: Annotated[str, Query(alias="docType", max_length=200)] = "",
    trigger: Trigger = "",
    limit: Annotated[int, Query(ge=1, le=365)] = 90,
) -> Response:
    runs = read_history(session, DAG_ID, trigger or None, limit)
    return JSONResponse(history(DAG_ID, runs, doc_type or None))


def _attachment(run_id: str, kind: str) -> dict[str, str]:
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", run_id)
    return {"Content-Disposition": f'attachment; filename="reindex-failures-{name}.{kind}"'}


async def _with_headers(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    response = await call_next(request)
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _not_found(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 404)


def _kept_elsewhere(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 501)


def create_app() -> FastAPI:
    """The pages and their data, without the documentation pages that FastAPI would add."""
    made = FastAPI(title="Reindex", docs_url=None, redoc_url=None, openapi_url=None)
    made.include_router(pages)
    made.include_router(data)
    made.middleware("http")(_with_headers)
    made.add_exception_handler(NotFound, _not_found)
    made.add_exception_handler(KeptElsewhere, _kept_elsewhere)
    return made


app = create_app()
