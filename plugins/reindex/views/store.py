"""
Reads runs from Airflow's metadata database, as Airflow's own API does: a few queries a page, of
columns instead of objects. Nothing is written.

XComs are taken as they stand in the database, as Airflow's API takes them: with an XCom backend
that keeps values elsewhere, :class:`KeptElsewhere` says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.task_state_store import TaskStateStoreModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancehistory import TaskInstanceHistory
from airflow.models.xcom import XComModel
from sqlalchemy import Select, case, func, or_, select
from sqlalchemy.orm import Session

from reindex.chunks import chunk_from
from reindex.operators.run_context import (
    CHUNK_TASK,
    PLAN_ERROR,
    PLAN_FACTS,
    PLAN_JOB,
    PLAN_TASK,
    REPORT_TASK,
)
from reindex.operators.saved_ledger import STATE_KEY
from reindex.views.records import (
    RUN_ENDED,
    ChunkTask,
    OtherRun,
    PastRun,
    RunRecord,
    Try,
    is_dry_run,
)

TASKS = (PLAN_TASK, CHUNK_TASK, REPORT_TASK)
RETURNED = "return_value"
# Of a task that has not begun, or whose try stands in the history already.
_NO_TRY = ("up_for_retry", "scheduled", "queued", None)

# JSON's true as the databases give it: Postgres by its name, SQLite as a number.
_TRUE = ("true", "1")

# The one place that says what started a run. A night that is also a job stays a night.
TRIGGER = case(
    (DagRun.run_type == "scheduled", "nightly"),
    (
        or_(
            DagRun.run_id.startswith("job__", autoescape=True),
            DagRun.conf["jobId"].as_string().is_not(None),
        ),
        "job",
    ),
    else_="manual",
)

XComs = dict[tuple[str, int, str], Any]


class NotFound(LookupError):
    """There is no such run, or it is none of this package's."""


class KeptElsewhere(RuntimeError):
    """An XCom's value is not in the database."""


def read_run(session: Session, dag_id: str, run_id: str) -> RunRecord:
    """
    The run, as far as it is.

    :raises NotFound: says what there is instead
    :raises KeptElsewhere: names the XCom
    """
    run = _run(session, dag_id, run_id)
    instances = _instances_of_ours(session, dag_id, run_id)
    xcoms = _xcoms(session, run.id)
    planned = xcoms.get((PLAN_TASK, -1, RETURNED))
    facts = xcoms.get((PLAN_TASK, -1, PLAN_FACTS)) or {}
    report = next(each for each in instances if each.task_id == REPORT_TASK)
    begun = (each.start_date for each in instances if each.task_id == CHUNK_TASK)
    up_to_date = _up_to_date(report.end_date, max(filter(None, begun), default=None))
    reported = run.state in RUN_ENDED and report.state in RUN_ENDED and up_to_date
    active, redriven = _others(session, dag_id, run)
    return RunRecord(
        dag_id=dag_id,
        run_id=run_id,
        state=str(run.state),
        trigger=run.trigger,
        conf=run.conf or None,
        start=run.start_date,
        end=run.end_date,
        descriptors=None if planned is None else tuple(planned),
        rejected=tuple(facts.get("rejected", ())),
        plan_error=xcoms.get((PLAN_TASK, -1, PLAN_ERROR)),
        ledgers=_ledgers(session, run.id, planned or (), xcoms),
        tasks=_tasks(instances, session.execute(_instances(TaskInstanceHistory, dag_id, run_id))),
        report_state=report.state if up_to_date else None,
        result=xcoms.get((REPORT_TASK, -1, RETURNED)) if reported else None,
        registered_job=xcoms.get((PLAN_TASK, -1, PLAN_JOB)),
        paused=bool(run.is_paused),
        active=active,
        redriven=redriven,
    )


def _run(session: Session, dag_id: str, run_id: str) -> Any:
    columns = (
        *(DagRun.id, DagRun.run_id, DagRun.state, DagRun.conf, DagRun.start_date, DagRun.end_date),
        DagModel.is_paused,
    )
    query = select(*columns, TRIGGER.label("trigger"))
    query = query.join(DagModel, DagModel.dag_id == DagRun.dag_id, isouter=True)
    query = query.where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
    run = session.execute(query).one_or_none()
    if run is None:
        raise NotFound(f"the DAG {dag_id} has no run {run_id}")
    return run


def _instances_of_ours(session: Session, dag_id: str, run_id: str) -> Sequence[Any]:
    instances = session.execute(_instances(TaskInstance, dag_id, run_id)).all()
    if not {each.task_id for each in instances}.issuperset(TASKS):
        raise NotFound(
            f"{dag_id} does not reindex: its run has no tasks {', '.join(TASKS)}. Only runs of "
            "reindex_batch have a report"
        )
    return instances


def _up_to_date(report_ended: datetime | None, last_chunk_began: datetime | None) -> bool:
    """
    Whether what the report left says how the run stands.

    After a chunk was cleared alone it says what was before, until the report has run again.
    """
    return not (report_ended and last_chunk_began and last_chunk_began > report_ended)


def _others(session: Session, dag_id: str, run: Any) -> tuple[OtherRun | None, OtherRun | None]:
    """Another run that is at work, and the last one that repeats in earnest what this one left."""
    again = DagRun.conf["redrive"].as_string() == run.run_id
    found = session.execute(
        select(DagRun.run_id, DagRun.state, DagRun.conf, again.label("again"))
        .where(DagRun.dag_id == dag_id, DagRun.id != run.id)
        .where(or_(DagRun.state == "running", again & (DagRun.id > run.id)))
        .order_by(DagRun.id)
    ).all()
    active = [row for row in found if row.state == "running"]
    redriven = [row for row in found if row.again and not is_dry_run(row.conf)]
    return _last(active), _last(redriven)


def _last(rows: Sequence[Any]) -> OtherRun | None:
    return OtherRun(rows[-1].run_id, str(rows[-1].state)) if rows else None


def read_history(session: Session, dag_id: str, trigger: str | None, limit: int) -> list[PastRun]:
    """The last so many runs, the oldest first."""
    columns = (
        *(DagRun.id, DagRun.run_id, DagRun.state, DagRun.start_date, DagRun.end_date),
        # The rest of a conf may be thousands of ids.
        DagRun.conf["dryRun"].as_string().label("dry_run"),
    )
    query = select(*columns, TRIGGER.label("trigger")).where(DagRun.dag_id == dag_id)
    if trigger is not None:
        query = query.where(TRIGGER.in_([trigger]))
    runs = session.execute(query.order_by(DagRun.run_after.desc(), DagRun.id.desc()).limit(limit))
    rows = runs.all()[::-1]
    ended = [row for row in rows if row.state in RUN_ENDED]
    results = _results(session, _reported(session, dag_id, ended))
    return [
        PastRun(
            run_id=row.run_id,
            state=str(row.state),
            trigger=row.trigger,
            start=row.start_date,
            end=row.end_date,
            result=results.get(row.id),
            dry_run=str(row.dry_run) in _TRUE,
        )
        for row in rows
    ]


def _reported(session: Session, dag_id: str, runs: Iterable[Any]) -> list[int]:
    """Those of the ended runs whose report says how they stand: as :func:`read_run` asks it."""
    ids = {run.run_id: run.id for run in runs}
    instance = TaskInstance
    of_report = instance.task_id == REPORT_TASK
    found = session.execute(
        select(
            instance.run_id,
            func.max(case((of_report, instance.state))).label("state"),
            func.max(case((of_report, instance.end_date))).label("ended"),
            func.max(case((instance.task_id == CHUNK_TASK, instance.start_date))).label("begun"),
        )
        .where(instance.dag_id == dag_id, instance.run_id.in_(ids), instance.task_id.in_(TASKS))
        .group_by(instance.run_id)
    )
    return [
        ids[row.run_id]
        for row in found
        if row.state in RUN_ENDED and _up_to_date(row.ended, row.begun)
    ]


def _results(session: Session, runs: Iterable[int]) -> dict[int, Mapping[str, Any]]:
    found = session.execute(
        select(XComModel.dag_run_id, XComModel.value).where(
            XComModel.dag_run_id.in_(runs),
            XComModel.task_id == REPORT_TASK,
            XComModel.map_index == -1,
            XComModel.key == RETURNED,
        )
    )
    return {run: _decoded(value, REPORT_TASK, RETURNED) for run, value in found}


def _instances(model: Any, dag_id: str, run_id: str) -> Select[Any]:
    columns = (
        *(model.task_id, model.map_index, model.state),
        *(model.try_number, model.start_date, model.end_date),
    )
    return select(*columns).where(
        model.dag_id == dag_id, model.run_id == run_id, model.task_id.in_(TASKS)
    )


def _xcoms(session: Session, run: int) -> XComs:
    columns = (XComModel.task_id, XComModel.map_index, XComModel.key, XComModel.value)
    found = session.execute(
        select(*columns).where(
            XComModel.dag_run_id == run,
            XComModel.task_id.in_(TASKS),
            XComModel.key.in_((RETURNED, PLAN_FACTS, PLAN_ERROR, PLAN_JOB)),
        )
    )
    return {
        (task, index, key): value if key == PLAN_ERROR else _decoded(value, task, key)
        for task, index, key, value in found
    }


def _decoded(value: Any, task_id: str, key: str) -> Any:
    """A worker leaves plain JSON; the REST API's own form of it is a text of JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise KeptElsewhere(
            f"the XCom {key} of {task_id} is not in Airflow's database: this page cannot read what "
            "a custom [core] xcom_backend keeps elsewhere"
        ) from None


def _ledgers(
    session: Session, run: int, descriptors: Iterable[Mapping[str, Any]], xcoms: XComs
) -> dict[int, Mapping[str, Any]]:
    """By chunk: what its last attempt left, or else the last checkpoint."""
    saved = _checkpoints(session, run)
    ledgers: dict[int, Mapping[str, Any]] = {}
    for descriptor in descriptors:
        index = descriptor["index"]
        ledger = xcoms.get((CHUNK_TASK, index, RETURNED))
        if ledger is None and index in saved:
            # A checkpoint of what an earlier plan of this run meant by the number is not used.
            mine = saved[index].get("chunk") == chunk_from(descriptor).label
            ledger = saved[index] if mine else None
        if ledger is not None:
            ledgers[index] = ledger
    return ledgers


def _checkpoints(session: Session, run: int) -> dict[int, Mapping[str, Any]]:
    store = TaskStateStoreModel
    found = session.execute(
        select(store.map_index, store.value).where(
            store.dag_run_id == run, store.task_id == CHUNK_TASK, store.key == STATE_KEY
        )
    )
    return {index: json.loads(value) for index, value in found}


def _tasks(instances: Iterable[Any], earlier: Iterable[Any]) -> dict[int, ChunkTask]:
    tries: dict[int, dict[int, Try]] = {}
    states: dict[int, str | None] = {}
    for row in earlier:
        if row.task_id == CHUNK_TASK:
            tries.setdefault(row.map_index, {})[row.try_number] = _try(row)
    for row in instances:
        if row.task_id == CHUNK_TASK:
            states[row.map_index] = row.state
            if row.state not in _NO_TRY and row.start_date is not None:
                tries.setdefault(row.map_index, {})[row.try_number] = _try(row)
    return {
        index: ChunkTask(state, tuple(one for _, one in sorted(tries.get(index, {}).items())))
        for index, state in states.items()
    }


def _try(row: Any) -> Try:
    return Try(row.try_number, row.state, row.start_date, row.end_date)
