"""The pages by a real Airflow: they show what the run's XComs hold, to whom Airflow lets them."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
import requests

from reindex.views.urls import HISTORY_ROUTE, run_report_url
from sandbox.airflow_environment import USER, VIEWER
from sandbox.local_airflow import LocalAirflow
from sandbox.processes import wait_until
from sandbox.stack import Stack
from tests.e2e.conftest import CREATORS
from tests.e2e.expected_index import expected_index
from tests.e2e.scheduled_run import DAG_ID, RUN_SECONDS, run

GONE = ["f" * 24, "e" * 24]
REFUSED = 7


def page(airflow: LocalAirflow, name: str, session: requests.Session, **query: Any) -> Any:
    return session.get(f"{airflow.url}/reindex/api/{name}", params=query, timeout=30)


def shown(airflow: LocalAirflow, name: str, **query: Any) -> Any:
    answer = page(airflow, name, airflow.session(), **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def linked(airflow: LocalAirflow, path: str) -> dict[str, str]:
    """A task's extra links; Airflow stores them a moment after it has stored the task's state."""
    links: dict[str, str] = {}

    def stored() -> bool:
        links.update(airflow.api("GET", path)["extra_links"])
        return all(links.values())

    wait_until(stored, 10, "the extra links")
    return links


@pytest.fixture
def failed_run(stack: Stack) -> tuple[str, dict[str, Any]]:
    """Every creator by its id, of which some are refused, and two ids that nobody has."""
    ids = list(expected_index(stack.mongo.uri)["creator"])
    stack.platform.put_faults([{"kind": "validation", "docIds": ids[:REFUSED]}])
    run_id, state, result = run(stack, {"docType": "creator", "docIds": [*ids, *GONE]})
    assert state == "failed"
    return run_id, result


def test_a_report_is_what_the_runs_xcoms_say(
    stack: Stack, failed_run: tuple[str, dict[str, Any]]
) -> None:
    run_id, result = failed_run
    airflow = stack.airflow
    report = shown(airflow, "run", dag_id=DAG_ID, run_id=run_id)
    for name, value in report["totals"].items():
        assert value == result[name], name
    (row,) = report["docTypes"]
    for name, value in row.items():
        if name not in ("name", "drift"):
            assert value == result["docTypes"]["creator"][name], name
    assert (row["failed"], row["missing"]) == (REFUSED, len(GONE))
    assert report["verdict"]["problems"] == result["problems"]
    assert report["redrive"] == result["redrive"] == {"redrive": run_id}
    assert report["failures"]["byReason"][0]["reason"] == "validation"
    assert report["chunks"]["byState"] == {"success": 3}
    assert sum(chunk["done"] for chunk in report["chunks"]["rows"]) == CREATORS + len(GONE)

    table = shown(airflow, "failures", dag_id=DAG_ID, run_id=run_id)
    assert table["total"] == REFUSED + len(GONE)
    failed = {row["docId"] for row in table["rows"] if row["outcome"] == "failed"}
    assert failed == {each["docId"] for each in result["failedSample"]}
    assert {row["docId"] for row in table["rows"] if row["outcome"] == "missing"} == set(GONE)

    past = shown(airflow, "history", trigger="manual")["runs"][-1]
    assert (past["runId"], past["totals"]["failed"]) == (run_id, REFUSED)


def test_tasks_link_to_the_report_and_its_one_line_ends_the_log(
    stack: Stack, failed_run: tuple[str, dict[str, Any]]
) -> None:
    run_id, result = failed_run
    address = run_report_url(stack.airflow.url, DAG_ID, run_id)
    for task in ("plan", "reindex_chunk", "report"):
        path = f"dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/{task}/links"
        index = 0 if task == "reindex_chunk" else -1
        assert linked(stack.airflow, f"{path}?map_index={index}") == {"Run report": address}
    # Airflow answers any address with its UI, which shows there what a plugin has registered.
    views = {
        view["url_route"]: view
        for plugin in stack.airflow.api("GET", "plugins")["plugins"]
        for view in plugin["external_views"]
    }
    assert views[HISTORY_ROUTE]["destination"] == "nav"
    report = views[address.rsplit("/plugin/", 1)[1]]
    assert report["destination"] == "dag_run"
    shell = report["href"].replace("{DAG_ID}", DAG_ID).replace("{RUN_ID}", run_id)
    for path, holds in ((shell, "<title>Run report"), (report["icon"], "<svg")):
        answer = requests.get(f"{stack.airflow.url}/{path}", timeout=30)
        assert (answer.status_code, holds in answer.text) == (200, True), path

    log = [
        json.loads(line) for line in stack.airflow.task_log(DAG_ID, run_id, "report").split("\n")
    ]
    ours = [
        line for line in log if str(line.get("logger", "")).startswith("airflow.task.operators")
    ]
    assert ours[-1]["event"] == result["summary"]


def test_a_run_that_goes_on_reports_its_progress(stack: Stack) -> None:
    """200 creators in two chunks, a fifth of a second each, two at a time."""
    stack.platform.put_faults([{"kind": "latency", "ms": 200}])
    airflow = stack.airflow
    conf = {"docType": "creator", "maxInFlight": 2, "chunkSize": 100}
    run_id = airflow.trigger(DAG_ID, conf)
    session = airflow.session()
    seen: list[dict[str, Any]] = []

    def look() -> None:
        answer = page(airflow, "run", session, dag_id=DAG_ID, run_id=run_id)
        assert answer.status_code == 200, answer.text
        seen.append(answer.json())

    assert airflow.wait_for_run(DAG_ID, run_id, RUN_SECONDS, look) == "success"
    look()
    part = [each for each in seen if 0 < each["progress"]["done"] < CREATORS]
    assert part, [each["progress"] for each in seen]
    done = [each["progress"]["done"] for each in part]
    assert len(set(done)) > 2
    assert all(each["progress"]["planned"] == CREATORS for each in part)
    assert all(each["progress"]["secondsLeft"] > 0 for each in part)
    assert all(each["verdict"] is None for each in part)
    assert (seen[-1]["progress"]["done"], seen[-1]["progress"]["secondsLeft"]) == (CREATORS, None)


class Sessions:
    """Who asks: nobody, somebody with a wrong token, and users of Airflow."""

    def __init__(self, airflow: LocalAirflow) -> None:
        self.airflow = airflow

    def with_token(self, token: str) -> requests.Session:
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {token}"
        return session

    def of_cookie(self, user: str) -> requests.Session:
        """As the browser does it: the login is a cookie."""
        session = requests.Session()
        token = str(self.airflow.session(user).headers["Authorization"]).removeprefix("Bearer ")
        session.cookies.set("_token", token)
        return session

    def without_permission(self) -> requests.Session:
        """A user whom Airflow knows and lets see nothing."""
        secret = self.airflow.environment["AIRFLOW__API_AUTH__JWT_SECRET"]
        token = str(self.airflow.session(VIEWER).headers["Authorization"]).removeprefix("Bearer ")
        algorithm = jwt.get_unverified_header(token)["alg"]
        claims = jwt.decode(token, options={"verify_signature": False})
        return self.with_token(jwt.encode({**claims, "role": None}, secret, algorithm))


@pytest.fixture
def a_run(stack: Stack) -> str:
    ids = list(expected_index(stack.mongo.uri)["creator"])[:3]
    return run(stack, {"docType": "creator", "docIds": ids})[0]


def test_airflows_login_and_permissions_hold(stack: Stack, a_run: str) -> None:
    airflow, sessions = stack.airflow, Sessions(stack.airflow)
    query = {"dag_id": DAG_ID, "run_id": a_run}
    asking = {
        "nobody": requests.Session(),
        "a wrong token": sessions.with_token("wrong"),
        "a user without permission": sessions.without_permission(),
        "a viewer": sessions.of_cookie(VIEWER),
        "an admin": sessions.of_cookie(USER),
    }
    expected = dict(zip(asking, (401, 403, 403, 200, 200), strict=True))
    for name in ("run", "failures", "failures.csv", "failures.json", "history"):
        answers = {who: page(airflow, name, session, **query) for who, session in asking.items()}
        assert {who: answer.status_code for who, answer in answers.items()} == expected, name
    # Airflow's own API gives the same answers for the same run.
    own = f"{airflow.url}/api/v2/dags/{DAG_ID}/dagRuns/{a_run}"
    assert {
        who: session.get(own, timeout=30).status_code for who, session in asking.items()
    } == expected

    may = {
        who: page(airflow, "run", asking[who], **query).json().get("mayTrigger") for who in asking
    }
    assert (may["a viewer"], may["an admin"]) == (False, True)
    trigger = f"{airflow.url}/api/v2/dags/{DAG_ID}/dagRuns"
    conf = {"logical_date": None, "conf": {"redrive": a_run}}
    refused = asking["a viewer"].post(trigger, json=conf, timeout=30)
    assert refused.status_code == 403


def test_a_run_of_another_dag_has_no_report(stack: Stack) -> None:
    airflow = stack.airflow
    run_id = airflow.trigger("reindex_job_worker")
    answer = page(airflow, "run", airflow.session(), dag_id="reindex_job_worker", run_id=run_id)
    assert answer.status_code == 404
    assert "reindex_job_worker does not reindex" in answer.json()["detail"]
    airflow.wait_for_run("reindex_job_worker", run_id, RUN_SECONDS)
