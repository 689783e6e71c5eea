"""The DAG by a real scheduler, against the sandbox: the nightly run, a job, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest
import requests

from sandbox.stack import Stack
from tests.e2e.conftest import CREATORS, PROJECTS
from tests.e2e.expected_index import expected_index
from tests.e2e.scheduled_run import DAG_ID, WORKER, job, leased_job, run


def test_nightly_run_brings_every_document_into_the_index(stack: Stack) -> None:
    run_id, state, result = run(stack)
    assert state == "success"
    expected = expected_index(stack.mongo.uri)
    with stack.platform.index() as index:
        for doc_type, documents in expected.items():
            held = index.documents(doc_type)
            assert {key: (each.payload, each.updatedAt) for key, each in held.items()} == documents
    assert (result["planned"], result["totalIndexed"]) == (CREATORS + PROJECTS,) * 2
    assert result["docTypes"]["creator"]["indexed"] == CREATORS
    assert result["docTypes"]["project"]["indexed"] == PROJECTS
    assert (result["failed"], result["missing"], result["notReached"]) == (0, 0, 0)
    assert result["drift"] == 1.0
    assert stack.airflow.xcom(DAG_ID, run_id, "report", "totalIndexed") == CREATORS + PROJECTS

    descriptors = stack.airflow.xcom(DAG_ID, run_id, "plan")
    assert len(descriptors) == 2 + 3
    assert max(len(json.dumps(each)) for each in descriptors) <= 200
    names = {
        each["rendered_map_index"]
        for each in stack.airflow.task_instances(DAG_ID, run_id, "reindex_chunk")
    }
    assert len(names) == 5
    assert all(name.startswith(("creator ", "project ")) for name in names)

    _, state, again = run(stack)
    assert (state, again["totalIndexed"], again["ignored"]) == ("success", 0, CREATORS + PROJECTS)


def test_a_person_finds_what_was_indexed(stack: Stack) -> None:
    run(stack, {"docType": "creator"})
    with stack.platform.index() as index:
        title = next(iter(index.documents("creator").values())).payload["title"]
    answer = requests.get(
        f"{stack.platform.base_url}/market/creators",
        params={"q": title.split()[0]},
        headers={"Authorization": f"Bearer {stack.platform.token}"},
        timeout=10,
    )
    assert answer.status_code == 200
    assert title in json.dumps(answer.json(), ensure_ascii=False)


def test_the_platforms_job_payload_works_as_it_is(stack: Stack) -> None:
    ids = list(expected_index(stack.mongo.uri)["project"])[:7]
    payload = {"docType": "project", "docIds": [*ids, ids[0].upper(), "f" * 24]}
    job_id = leased_job(stack, payload)
    _, state, result = run(stack, {**payload, "jobId": job_id, "workerId": WORKER})
    assert state == "success"
    assert (result["indexed"], result["missing"], result["duplicates"]) == (7, 1, 1)
    reported = job(stack, job_id)
    assert reported["status"] == "succeeded"
    assert reported["result"]["totalIndexed"] == 7
    assert reported["result"]["missingSample"] == [{"docType": "project", "docId": "f" * 24}]
    assert stack.platform.requests(documents=True)["documents"] == dict.fromkeys(ids, 1)


def test_t56_3_an_unknown_type_fails_the_run_and_the_job(stack: Stack) -> None:
    payload = {"docType": "invalid", "docIds": ["f" * 24]}
    job_id = leased_job(stack, payload)
    run_id, state, result = run(stack, {**payload, "jobId": job_id, "workerId": WORKER})
    assert state == "failed"
    assert "InvalidDocType: invalid" in result["problems"][0]
    assert "InvalidDocType: invalid" in job(stack, job_id)["lastError"]["message"]
    assert "InvalidDocType: invalid" in stack.airflow.task_log(DAG_ID, run_id, "plan")
    # A refused conf is not tried again.
    assert stack.airflow.task_instances(DAG_ID, run_id, "plan")[0]["try_number"] == 1


def test_trigger_form_refuses_what_is_no_number_or_list(stack: Stack) -> None:
    with pytest.raises(requests.HTTPError, match=r"^400 .*chunkSize"):
        stack.airflow.trigger(DAG_ID, {"chunkSize": "many"})
    with pytest.raises(requests.HTTPError, match=r"^400 .*docIds"):
        stack.airflow.trigger(DAG_ID, {"docIds": "63b0cd0058d78d4455000000"})


def test_a_viewer_may_not_trigger(stack: Stack) -> None:
    session = stack.airflow.session("viewer")
    url = f"{stack.airflow.url}/api/v2/dags/{DAG_ID}/dagRuns"
    assert session.post(url, json={"logical_date": None}, timeout=30).status_code == 403


def test_nothing_listens_beyond_the_loopback(stack: Stack) -> None:
    processes = [*stack.airflow.processes.values(), stack.platform.process]
    processes += [stack.mongo.process] if stack.mongo.process else []
    listening: set[tuple[str, int]] = set()
    for process in processes:
        leader = psutil.Process(process.pid)
        for each in [leader, *leader.children(recursive=True)]:
            for connection in each.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    listening.add(connection.laddr)
    assert listening
    assert {address[0] for address in listening} == {"127.0.0.1"}


def test_no_secret_is_in_any_log(stack: Stack) -> None:
    run(stack, {"docType": "creator"})
    stack.platform.put_faults([{"kind": "auth_expires"}])
    run(stack, {"docType": "creator"})
    logs = [
        path
        for folder in (stack.airflow.home / "logs", stack.airflow.home.parent)
        for path in Path(folder).rglob("*.log")
    ]
    assert len(logs) > 5
    secrets = {stack.platform.token, stack.platform.jwt_secret, stack.airflow.password}
    for path in logs:
        text = path.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in text], path
        assert "hashedPassword" not in text
