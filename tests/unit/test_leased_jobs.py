"""What becomes of a leased job: decided from plain data."""

from __future__ import annotations

from typing import Any

import pytest

from reindex.conf import JobReference, parse_conf
from reindex.leased_jobs import (
    LeasedJob,
    batches,
    conf_of,
    lease_limit,
    leased_jobs,
    sort_out,
)
from tests.unit.builders import hex_id

WORKER = "worker-1"
PAYLOAD = {"docType": "creator", "docIds": [hex_id(1), hex_id(2)]}


def a_job(job_id: str = "job-1", attempt: int = 1, payload: object = None) -> LeasedJob:
    return LeasedJob(job_id, attempt, PAYLOAD if payload is None else payload)


def refusal_of(payload: object) -> str:
    found = sort_out([a_job(payload=payload)], WORKER)
    assert found.start == ()
    [refusal] = found.refused
    assert refusal.job == JobReference("job-1", WORKER)
    return refusal.reason


def test_run_id_names_job_and_attempt() -> None:
    assert a_job("5f" * 12, 3).run_id == f"job__{'5f' * 12}__3"


def test_run_ids_are_those_of_every_attempt_so_far() -> None:
    assert a_job(attempt=3).run_ids == ["job__job-1__3", "job__job-1__2", "job__job-1__1"]


def test_conf_is_the_payload_with_job_and_worker() -> None:
    conf = conf_of(a_job(), WORKER)
    assert conf == {**PAYLOAD, "jobId": "job-1", "workerId": WORKER}
    assert parse_conf(conf).job == JobReference("job-1", WORKER)


def test_a_payload_cannot_answer_for_another_job() -> None:
    conf = conf_of(a_job(payload={**PAYLOAD, "jobId": "job-2", "workerId": "worker-2"}), WORKER)
    assert (conf["jobId"], conf["workerId"]) == ("job-1", WORKER)


def test_a_null_in_the_payload_is_a_key_left_out() -> None:
    assert "chunkSize" not in conf_of(a_job(payload={**PAYLOAD, "chunkSize": None}), WORKER)


@pytest.mark.parametrize(
    ("payload", "doc_types", "ids"),
    [
        ({"docType": "creators", "docIds": [hex_id(1)]}, ("creator",), 1),
        ({"docType": "projects", "docIds": [hex_id(1)]}, ("project",), 1),
        ({"docType": "all", "docIds": [hex_id(1)]}, ("creator", "project"), 1),
        (
            {"docType": "project", "docIds": [hex_id(1)], "mode": "incremental"},
            ("project",),
            1,
        ),
        ({"docType": "project", "docIds": [hex_id(1)], "mode": "full"}, ("project",), None),
        ({"docType": "all", "docIds": [], "mode": "full"}, ("creator", "project"), None),
    ],
)
def test_payloads_of_the_platform_start_a_run(
    payload: dict[str, object], doc_types: tuple[str, ...], ids: int | None
) -> None:
    [start] = sort_out([a_job(payload=payload)], WORKER).start
    conf = parse_conf(start.conf)
    assert conf.doc_types == doc_types
    assert (None if conf.doc_ids is None else len(conf.doc_ids)) == ids


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        ({"docType": "invalid", "docIds": [hex_id(1)]}, "InvalidDocType: invalid "),
        ({"docType": "creator", "docIds": []}, "docIds: [] "),
        ({"docType": "creator", "docIds": [], "mode": "incremental"}, "docIds: [] "),
        ({"docType": "creator", "docIds": [hex_id(1), "no id"]}, "docIds[1]: 'no id' "),
        ({"docType": "creator", "docIds": hex_id(1)}, "docIds: "),
        ({"docType": "creator", "docIds": [7]}, "docIds[0]: 7 "),
        ({"docType": 7, "docIds": [hex_id(1)]}, "docType: 7 "),
        ({"docIds": [hex_id(1)]}, "'docType' is not given"),
        ({"docType": "all", "mode": "full"}, "'docIds' is not given"),
        ({**PAYLOAD, "mode": "partial"}, "mode: 'partial' "),
        ({**PAYLOAD, "docids": []}, "'docids' is not a conf key"),
        ({**PAYLOAD, "chunkSize": "many"}, "chunkSize: 'many' "),
        ([], "payload: [] "),
        ("creator", "payload: 'creator' "),
    ],
)
def test_a_payload_that_no_run_could_work_off_is_refused_with_the_reason(
    payload: object, named: str
) -> None:
    assert refusal_of(payload).startswith(f"payload refused: {named}")


def test_a_job_without_any_payload_is_refused() -> None:
    [refusal] = sort_out([LeasedJob("job-1", 1, None)], WORKER).refused
    assert refusal.reason.startswith("payload refused: payload: None ")


def test_every_job_ends_in_one_place_and_in_order() -> None:
    jobs = [a_job(f"job-{n}", n) for n in (4, 2, 3, 1)]
    jobs.insert(2, a_job("bad", payload={}))
    found = sort_out(jobs, WORKER, running={"job-2"}, over={"job-3"})
    assert [each.job.job_id for each in found.start] == ["job-4", "job-1"]
    assert [each.job.job_id for each in found.refused] == ["bad"]
    assert [job.job_id for job in found.running] == ["job-2"]
    assert [job.job_id for job in found.over] == ["job-3"]


def test_a_job_whose_run_goes_on_is_not_judged_again() -> None:
    found = sort_out([a_job(payload={})], WORKER, running={"job-1"})
    assert found.refused == ()
    assert found.running == (a_job(payload={}),)


def test_a_lease_is_read_as_the_service_writes_it() -> None:
    entry = {
        "jobId": "job-1",
        "type": "reindex.batch",
        "payload": PAYLOAD,
        "attempt": 2,
        "leaseExpiresAt": "2026-05-01T10:05:00.000Z",
    }
    assert leased_jobs([entry]) == ((a_job(attempt=2),), ())


def test_a_job_survives_the_way_through_json() -> None:
    assert leased_jobs([a_job(attempt=2).to_json()]) == ((a_job(attempt=2),), ())


def test_the_same_attempt_comes_once() -> None:
    again = [a_job().to_json(), a_job().to_json(), a_job(attempt=2).to_json()]
    assert leased_jobs(again)[0] == (a_job(), a_job(attempt=2))


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ("job-1", "job: 'job-1' "),
        ({"attempt": 1}, "jobId: None "),
        ({"jobId": "../admin", "attempt": 1}, "jobId: '../admin' "),
        ({"jobId": "job-1"}, "attempt: None "),
        ({"jobId": "job-1", "attempt": 0}, "attempt: 0 "),
        ({"jobId": "job-1", "attempt": True}, "attempt: True "),
        ({"jobId": "job-1", "attempt": "1"}, "attempt: '1' "),
    ],
)
def test_an_entry_that_is_no_job_costs_no_other_job(entry: Any, named: str) -> None:
    jobs, [strange] = leased_jobs([a_job("a").to_json(), entry, a_job("b").to_json()])
    assert [job.job_id for job in jobs] == ["a", "b"]
    assert strange.startswith(f"jobs[1]: {named}")


@pytest.mark.parametrize("entries", [None, {}, "jobs", 7])
def test_an_answer_without_a_list_of_jobs_is_named(entries: object) -> None:
    jobs, [strange] = leased_jobs(entries)
    assert jobs == ()
    assert "is not a list" in strange


@pytest.mark.parametrize(
    ("runs", "chunks", "limit"),
    [
        (0, 0, 10),  # as many as one call hands out
        (1, 1, 10),
        (4, 4, 9),
        (10, 10, 3),
        (13, 13, 0),
        (1, 11, 5),  # a full run with a few chunks to go
        (1, 100, 0),  # and one with many: jobs wait where any worker can take them
        (10_000, 10_000, 0),
    ],
)
def test_room_is_what_a_lease_can_hold(runs: int, chunks: int, limit: int) -> None:
    assert lease_limit(runs, chunks) == limit


def test_what_is_leased_and_what_waits_is_worked_off_within_a_lease() -> None:
    """A run with ids takes 5 s for its tasks and 6 s for the 3,600 ids that fit into a job."""
    for waiting in range(30):
        leased = lease_limit(waiting, waiting)
        assert leased == 0 or (waiting + leased) * 11 < 300


def test_batches_hold_all_run_ids_in_bounded_numbers() -> None:
    run_ids = a_job(attempt=250).run_ids
    cut = list(batches(run_ids))
    assert [len(each) for each in cut] == [100, 100, 50]
    assert [run_id for each in cut for run_id in each] == run_ids
