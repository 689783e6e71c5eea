"""The pages' data out of a real metadata database, through Airflow's own server and its login."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, event

from reindex.chunks import chunk_from
from reindex.conf import RunConf
from reindex.run_ledger import run_ledger
from reindex.verdict import run_result, verdict_of
from reindex.views.failure_table import COLUMNS
from tests.integration.stored_runs import DAG_ID, NIGHT, StoredRun
from tests.unit.views.records import HOSTILE, a_chunk, descriptor

MOST_SECONDS = 1.0
PAGES = ("run", "failures", "failures.csv", "failures.json", "history")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Airflow's API server in this process, with the plugin that it finds in plugins/."""
    from airflow.api_fastapi.app import create_app, purge_cached_app
    from airflow.utils.db import initdb
    from fastapi.testclient import TestClient

    initdb()
    with TestClient(create_app("core"), base_url="http://localhost") as client:
        yield client
    purge_cached_app()


@pytest.fixture
def session(client: Any) -> Iterator[Any]:
    """The metadata database, without runs."""
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        session.execute(delete(DagRun))
        session.execute(delete(DagModel))
        session.commit()
        yield session


def as_role(role: str | None) -> dict[str, str]:
    """What a user of that role sends once logged in; ``None``: a user without any permission."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    user = SimpleAuthManagerUser(username=f"a {role}", role=role)
    return {"Authorization": f"Bearer {get_auth_manager().generate_jwt(user)}"}


def asked(client: Any, page: str, role: str | None = "viewer", **query: Any) -> Any:
    params: dict[str, object] = {} if page == "history" else {"dag_id": DAG_ID, "run_id": "run"}
    return client.get(f"/reindex/api/{page}", params=params | query, headers=as_role(role))


def shown(client: Any, page: str = "run", **query: Any) -> Any:
    answer = asked(client, page, **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def stored(session: Any, *runs: StoredRun) -> None:
    for run in runs:
        run.store(session)
    session.commit()


def paused(session: Any) -> None:
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel

    session.merge(DagBundleModel(name="of the tests"))
    session.flush()
    session.add(DagModel(dag_id=DAG_ID, bundle_name="of the tests", is_paused=True))
    session.commit()


def planned_for(ledgers: list[dict[str, Any]]) -> list[Mapping[str, object]]:
    return [
        descriptor(each["index"], counts["expected"], doc_type)
        for each in ledgers
        for doc_type, counts in each["counts"].items()
    ]


def result_of(ledgers: list[dict[str, Any]]) -> dict[str, object]:
    """The result that the report task of such a run leaves."""
    run, conf = run_ledger(planned_for(ledgers), ledgers), RunConf(doc_types=("creator", "project"))
    return run_result("run", run, conf, verdict_of(run, conf))


def an_ended_run(ledgers: list[dict[str, Any]], **changes: Any) -> StoredRun:
    given: dict[str, Any] = {
        "planned": planned_for(ledgers),
        "chunks": {each["index"]: ("success",) for each in ledgers},
        "ledgers": {each["index"]: each for each in ledgers},
        "result": result_of(ledgers),
    }
    return StoredRun("run", **(given | changes))


LEDGERS = [
    a_chunk(0, indexed=5, ignored=3, failed=2),
    a_chunk(1, doc_type="project", indexed=1, missing=1),
]


def test_a_run_that_has_ended_shows_what_its_report_says(client: Any, session: Any) -> None:
    stored(session, an_ended_run(LEDGERS, conf={"docType": "all"}))
    report, result = shown(client), result_of(LEDGERS)
    for name, value in report["totals"].items():
        assert value == result[name], name
    assert {row["name"]: row["indexed"] for row in report["docTypes"]} == {
        "creator": 5,
        "project": 1,
    }
    assert report["verdict"]["summary"] == result["summary"]
    assert report["redrive"] == result["redrive"] == {"redrive": "run"}
    assert (report["state"], report["trigger"]) == ("success", "manual")
    assert (report["conf"], report["seconds"]) == ({"docType": "all"}, 60)


def test_a_run_that_goes_on_shows_checkpoints_and_retries(client: Any, session: Any) -> None:
    begun = a_chunk(1, indexed=4, failed=1, expected=20, complete=False)
    planned = [*planned_for(LEDGERS[:1]), descriptor(1, 20), descriptor(2, 30)]
    checkpoint = {"chunk": chunk_from(planned[1]).label, **begun}
    stored(
        session,
        StoredRun(
            "run",
            state="running",
            planned=planned,
            chunks={0: ("success",), 1: ("failed", "running"), 2: ("scheduled",)},
            ledgers={0: LEDGERS[0]},
            checkpoints={1: checkpoint},
            report_state=None,
        ),
    )
    report = shown(client)
    assert report["progress"]["done"] == 15
    assert report["progress"]["planned"] == 60
    assert report["totals"]["indexed"] == 9
    assert report["verdict"] is None
    assert report["chunks"]["byState"] == {"success": 1, "running": 1, "scheduled": 1}
    tries = [
        [(one["number"], one["state"]) for one in row["tries"]] for row in report["chunks"]["rows"]
    ]
    assert tries == [[(1, "success")], [(1, "failed"), (2, "running")], []]
    assert shown(client, "failures")["total"] == 3


def test_a_checkpoint_of_an_earlier_plan_is_not_used(client: Any, session: Any) -> None:
    checkpoint = {"chunk": "creator up to somewhere else (7)", **LEDGERS[0]}
    run = StoredRun(
        "run",
        state="running",
        planned=[descriptor(0, 10)],
        chunks={0: ("running",)},
        checkpoints={0: checkpoint},
    )
    stored(session, run)
    assert shown(client)["progress"]["done"] == 0


def test_a_run_that_timed_out_is_shown_from_its_chunks(client: Any, session: Any) -> None:
    unfinished = [a_chunk(0, indexed=4, expected=9, complete=False)]
    run = an_ended_run(
        unfinished, state="failed", result=None, report_state="skipped", chunks={0: ("failed",)}
    )
    stored(session, run)
    report = shown(client)
    assert (report["totals"]["indexed"], report["totals"]["notReached"]) == (4, 5)
    assert "the report task did not run" in report["verdict"]["summary"]


@pytest.mark.parametrize(("state", "report_state"), [("running", None), ("failed", "skipped")])
def test_the_report_of_before_a_run_was_cleared_is_not_shown(
    client: Any, session: Any, state: str, report_state: str | None
) -> None:
    told = result_of(LEDGERS) | {"indexed": 999}
    stored(session, an_ended_run(LEDGERS, state=state, report_state=report_state, result=told))
    assert shown(client)["totals"]["indexed"] == 6


def test_a_report_from_before_a_chunk_was_cleared_alone_is_not_shown(
    client: Any, session: Any
) -> None:
    told = result_of(LEDGERS) | {"indexed": 999}
    chunks = {0: ("failed",) * 7 + ("success",), 1: ("success",)}
    stored(session, an_ended_run(LEDGERS, chunks=chunks, result=told))
    report = shown(client)
    assert report["totals"]["indexed"] == 6
    assert "cleared alone" in report["verdict"]["problems"][0]


def test_a_report_that_failed_before_it_left_anything(client: Any, session: Any) -> None:
    stored(session, an_ended_run(LEDGERS, state="failed", report_state="failed", result=None))
    report = shown(client)
    assert report["reportState"] == "failed"
    assert "the report task failed" in report["verdict"]["problems"][0]


def test_a_night_whose_job_has_not_heard(client: Any, session: Any) -> None:
    told = {"result": result_of(LEDGERS) | {"job": None}, "report_state": "failed"}
    stored(session, an_ended_run(LEDGERS, state="failed", job={"jobId": "j"}, **told))
    assert "did not hear" in shown(client)["verdict"]["unheard"]


def test_a_run_that_waits_says_for_what(client: Any, session: Any) -> None:
    stored(
        session,
        StoredRun("other", state="running"),
        StoredRun("run", state="queued", conf={"dryRun": True}),
    )
    report = shown(client)
    assert (report["behind"], report["paused"], report["dryRun"]) == ("other", False, True)
    paused(session)
    assert shown(client)["paused"] is True


def test_the_last_run_that_repeats_it_is_named(client: Any, session: Any) -> None:
    again = {"redrive": "run"}
    stored(
        session,
        StoredRun("before", conf=again),
        an_ended_run(LEDGERS, state="failed"),
        StoredRun("first", state="failed", conf=again),
        StoredRun("second", conf=again),
        StoredRun("dry", conf=again | {"dryRun": True}),
        StoredRun("of another", conf={"redrive": "run2"}),
    )
    assert shown(client)["redriven"] == {"runId": "second", "state": "success"}
    assert shown(client, run_id="second")["redriven"] is None


def test_what_there_is_no_report_of(client: Any, session: Any) -> None:
    stored(session, StoredRun("run", dag_id="other", tasks=("extract", "load")))
    for dag_id, says in ((DAG_ID, "has no run run"), ("other", "other does not reindex")):
        answer = asked(client, "run", dag_id=dag_id)
        assert answer.status_code == 404
        assert says in answer.json()["detail"]


@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("run", {"dag_id": "~"}),
        ("run", {"dag_id": "a' OR 1=1 --"}),
        ("run", {"run_id": "a\x00b"}),
        ("run", {"run_id": "r" * 251}),
        ("failures", {"limit": 501}),
        ("failures", {"offset": -1}),
        ("history", {"limit": 366}),
        ("history", {"trigger": "sometimes"}),
    ],
)
def test_input_that_cannot_be_is_refused(
    client: Any, session: Any, page: str, query: dict[str, Any]
) -> None:
    stored(session, an_ended_run(LEDGERS))
    assert asked(client, page, **query).status_code == 422


def test_failures_by_page_and_filter(client: Any, session: Any) -> None:
    stored(session, an_ended_run([a_chunk(0, failed=30, missing=7)]))
    page = shown(client, "failures", offset=25, limit=10)
    assert (page["total"], len(page["rows"])) == (37, 10)
    assert list(page["rows"][0]) == list(COLUMNS)
    assert shown(client, "failures", reason="missing", docType="creator")["total"] == 7
    assert shown(client, "failures", docType="project")["total"] == 0
    assert shown(client, "failures", search=f"{4:024x}")["total"] == 1
    assert len(shown(client, "failures.json", reason="auth")) == 10


def test_hostile_text_is_data_in_every_form(client: Any, session: Any) -> None:
    rejected = [
        {"docType": "creator", "docId": text, "reason": "unreadable", "status": None,
         "attempts": 0, "message": "_id is a str, expected an ObjectId"}
        for text in (HOSTILE, "=cmd|' /C calc'!A0")
    ]  # fmt: skip
    stored(session, StoredRun("run", planned=[], facts={"rejected": rejected}))
    rows = shown(client, "failures")["rows"]
    assert [row["docId"] for row in rows] == [each["docId"] for each in rejected]
    for page, kind in (
        ("run", "application/json"),
        ("failures", "application/json"),
        ("failures.json", "application/json"),
        ("failures.csv", "text/csv; charset=utf-8"),
    ):
        answer = asked(client, page)
        assert answer.headers["content-type"] == kind
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    table = asked(client, "failures.csv")
    assert "'=cmd|" in table.text
    assert table.headers["content-disposition"] == (
        'attachment; filename="reindex-failures-run.csv"'
    )


def test_a_file_is_named_for_its_run_whatever_the_run_is_called(client: Any, session: Any) -> None:
    name = 'a"b;\u2028c'
    stored(session, StoredRun(name, planned=[]))
    answer = asked(client, "failures.json", run_id=name)
    assert answer.headers["content-disposition"] == (
        'attachment; filename="reindex-failures-a_b_c.json"'
    )


def test_values_that_are_kept_elsewhere_are_said_to_be(client: Any, session: Any) -> None:
    elsewhere: Any = {0: "s3://xcoms/1"}
    stored(session, replace(an_ended_run(LEDGERS[:1]), ledgers=elsewhere))
    answer = asked(client, "run")
    assert answer.status_code == 501
    assert "xcom_backend" in answer.json()["detail"]


def night(number: int, **changes: Any) -> StoredRun:
    given: dict[str, Any] = {
        "run_type": "scheduled",
        "start": NIGHT + timedelta(days=number),
        "result": result_of(LEDGERS),
    }
    return StoredRun(f"scheduled__{number}", **(given | changes))


def test_history_in_order_with_what_left_no_report(client: Any, session: Any) -> None:
    stored(session, night(2, state="failed", result=None), night(1), night(3, state="running"))
    past = shown(client, "history")
    assert past["dagId"] == DAG_ID
    assert past["docTypes"] == ["creator", "project"]
    assert [(run["runId"], run["state"]) for run in past["runs"]] == [
        ("scheduled__1", "success"),
        ("scheduled__2", "failed"),
        ("scheduled__3", "running"),
    ]
    assert [run["totals"] and run["totals"]["indexed"] for run in past["runs"]] == [6, None, None]
    assert [run["runId"] for run in shown(client, "history", limit=2)["runs"]] == [
        "scheduled__2",
        "scheduled__3",
    ]
    assert [run["dryRun"] for run in past["runs"]] == [False] * 3
    creators = shown(client, "history", docType="creator")["runs"][0]
    assert (creators["totals"]["indexed"], creators["drift"]) == (5, 0.625)


def test_a_report_that_is_out_of_date_is_in_no_history(client: Any, session: Any) -> None:
    """As the run's own page has it."""
    late = {0: ("failed",) * 7 + ("success",), 1: ("success",)}
    stored(
        session,
        night(1, chunks=late, planned=planned_for(LEDGERS)),
        night(2, report_state="skipped", state="failed"),
        night(3, conf={"dryRun": True}),
        night(4),
    )
    runs = shown(client, "history")["runs"]
    assert [run["totals"] is None for run in runs] == [True, True, False, False]
    assert [run["dryRun"] for run in runs] == [False, False, True, False]


@pytest.mark.parametrize(
    ("run_id", "run_type", "conf", "trigger"),
    [
        ("scheduled__1", "scheduled", None, "nightly"),
        ("scheduled__2", "scheduled", {"jobId": "j1"}, "nightly"),
        ("job__j1__1", "manual", {"docType": "all"}, "job"),
        ("manual__1", "manual", {"jobId": "j1"}, "job"),
        ("manual__2", "manual", {"jobId": None}, "manual"),
        ("manual__3", "manual", {}, "manual"),
        ("jobless", "manual", None, "manual"),
        ("backfill__1", "backfill", None, "manual"),
    ],
)
def test_what_triggered_a_run(
    client: Any, session: Any, run_id: str, run_type: str, conf: Any, trigger: str
) -> None:
    stored(session, StoredRun(run_id, run_type=run_type, conf=conf, planned=[]))
    assert shown(client, run_id=run_id)["trigger"] == trigger
    for name in ("nightly", "manual", "job"):
        runs = shown(client, "history", trigger=name)["runs"]
        assert [run["runId"] for run in runs] == ([run_id] if name == trigger else [])


@pytest.mark.parametrize("page", PAGES)
def test_nobody_reads_without_airflows_permission(client: Any, session: Any, page: str) -> None:
    stored(session, an_ended_run(LEDGERS))
    address = f"/reindex/api/{page}?dag_id={DAG_ID}&run_id=run"
    assert client.get(address).status_code == 401
    # As Airflow's own API answers the same token.
    wrong = {"Authorization": "Bearer wrong"}
    own = client.get(f"/api/v2/dags/{DAG_ID}/dagRuns/run", headers=wrong).status_code
    assert client.get(address, headers=wrong).status_code == own == 403
    assert asked(client, page, role=None).status_code == 403
    assert asked(client, page, role="viewer").status_code == 200


@pytest.mark.parametrize(("role", "may"), [("viewer", False), ("user", True), ("admin", True)])
def test_who_may_trigger(client: Any, session: Any, role: str, may: bool) -> None:
    stored(session, an_ended_run(LEDGERS))
    assert asked(client, "run", role=role).json()["mayTrigger"] is may


@pytest.mark.parametrize("page", ["run", "history"])
def test_the_shells_hold_no_data_and_allow_only_our_own_files(client: Any, page: str) -> None:
    answer = client.get(f"/reindex/{page}", params={"dag_id": HOSTILE, "run_id": HOSTILE})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert {"default-src 'none'", "frame-ancestors 'self'"} <= set(policy.split("; "))
    assert "onerror" not in answer.text


@pytest.mark.parametrize(
    "name", ["..%2fapp.py", "app.py", "run_report.html", "..%2f..%2f..%2f..%2fREADME.md", "none.js"]
)
def test_only_listed_files_are_served(client: Any, name: str) -> None:
    assert client.get(f"/reindex/static/{name}").status_code == 404


def test_a_big_run_answers_in_under_a_second(client: Any, session: Any) -> None:
    """1,000 chunks, each tried twice, and 10,000 failures; the best of three."""
    ledgers = [a_chunk(index, indexed=90, failed=10) for index in range(1000)]
    tries = dict.fromkeys(range(1000), ("failed", "success"))
    stored(session, an_ended_run(ledgers, chunks=tries))
    report = shown(client)
    assert (report["chunks"]["count"], report["failures"]["failed"]) == (1000, 10_000)
    assert shown(client, "failures")["total"] == 10_000
    for page in ("run", "failures", "failures.csv"):
        seconds = []
        for _ in range(3):
            began = time.perf_counter()
            asked(client, page)
            seconds.append(time.perf_counter() - began)
        assert min(seconds) < MOST_SECONDS, (page, seconds)


@pytest.mark.parametrize("chunks", [1, 50])
def test_a_run_takes_few_queries_however_many_chunks_it_has(session: Any, chunks: int) -> None:
    from reindex.views.store import read_run

    ledgers = [a_chunk(index, indexed=1) for index in range(chunks)]
    stored(session, an_ended_run(ledgers))
    made: list[str] = []

    def count(*given: Any) -> None:
        made.append(given[2])

    event.listen(session.get_bind(), "before_cursor_execute", count)
    try:
        assert len(read_run(session, DAG_ID, "run").ledgers) == chunks
    finally:
        event.remove(session.get_bind(), "before_cursor_execute", count)
    assert len(made) == 6
