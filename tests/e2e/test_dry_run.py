"""A dry run by a real scheduler: what it tells, and that nobody but Mongo hears of it."""

from __future__ import annotations

import pytest

from sandbox.stack import Stack
from tests.e2e.conftest import CREATORS, PROJECTS
from tests.e2e.expected_index import expected_index
from tests.e2e.scheduled_run import DAG_ID, run

ALL = CREATORS + PROJECTS


def test_a_dry_run_tells_what_a_real_one_would_do_and_sends_nothing(stack: Stack) -> None:
    real_id, state, real = run(stack)
    assert (state, real["indexed"]) == ("success", ALL)
    stack.platform.clear_data()
    stack.platform.reset_requests()

    run_id, state, result = run(stack, {"dryRun": True})
    assert state == "success"
    assert stack.platform.requests()["paths"] == {}
    assert (result["planned"], result["wouldSend"], result["requests"]) == (ALL, ALL, 0)
    assert (result["totalIndexed"], result["drift"], result["redrive"]) == (0, None, None)
    found = result["dryRun"]
    assert found["requests"] == ALL
    # The newest of the largest runs; other tests have left theirs.
    assert real_id in found["basedOn"]["runs"]
    seconds = max(ALL / found["basedOn"]["docsPerSecond"], found["readingSeconds"])
    assert found["estimatedSeconds"] == pytest.approx(seconds, rel=0.1, abs=0.1)
    assert len(found["samples"]) == 5
    expected = expected_index(stack.mongo.uri)
    assert {each["docType"] for each in found["samples"]} == {"creator", "project"}
    for each in found["samples"]:
        assert each["payload"] == expected[each["docType"]][each["docId"]][0]
    log = stack.airflow.task_log(DAG_ID, run_id, "report")
    assert "dry run of reindex all success" in log
    assert f"nothing was sent; a real run makes {ALL} requests, in about" in log

    _, state, refused = run(stack, {"redrive": run_id})
    assert state == "failed"
    assert "was a dry run" in refused["problems"][0]
    assert stack.platform.requests()["paths"] == {}


def test_pasted_ids_are_tried_dry_and_then_sent(stack: Stack) -> None:
    ids = list(expected_index(stack.mongo.uri)["project"])[:50]
    pasted = [f"ObjectId('{ids[0]}'), {', '.join(ids[1:25])}", *ids[25:], ""]
    conf = {"docType": "project", "docIds": pasted}
    run_id, state, result = run(stack, {**conf, "dryRun": True})
    assert (state, result["wouldSend"], result["missing"]) == ("success", 50, 0)
    assert stack.platform.requests()["paths"] == {}
    log = stack.airflow.task_log(DAG_ID, run_id, "reindex_chunk", map_index=0)
    assert f"indexDocument project {ids[0]}: would index" in log

    _, state, result = run(stack, conf)
    assert (state, result["indexed"]) == ("success", 50)
    assert stack.platform.requests(documents=True)["documents"] == dict.fromkeys(ids, 1)
