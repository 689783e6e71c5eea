"""The fault plan: which request meets which rule."""

from __future__ import annotations

import pytest

from sandbox.fault_rules import INDEX_UPDATE, FaultPlan, parse_rule


def plan(*rules: dict[str, object]) -> FaultPlan:
    made = FaultPlan()
    made.install([parse_rule(rule) for rule in rules])
    return made


def kinds(made: FaultPlan, path: str = INDEX_UPDATE, doc_id: str | None = "a") -> list[str]:
    return [rule.kind for rule in made.decide(path, doc_id)]


def test_an_empty_plan_meets_nothing() -> None:
    assert kinds(FaultPlan()) == []


@pytest.mark.parametrize(
    ("rule", "path", "met"),
    [
        ({"kind": "error"}, INDEX_UPDATE, True),
        ({"kind": "error"}, "/jobs/lease", False),
        ({"kind": "error", "path": "/jobs"}, "/jobs/lease", True),
        ({"kind": "down"}, "/jobs/lease", True),
        ({"kind": "rejects_job_reports"}, "/jobs/1/succeed", True),
        ({"kind": "rejects_job_reports"}, "/jobs/1/fail", True),
        ({"kind": "rejects_job_reports"}, "/jobs/1", False),
        ({"kind": "rejects_job_reports"}, "/jobs/lease", False),
    ],
)
def test_paths(rule: dict[str, object], path: str, met: bool) -> None:
    assert bool(kinds(plan(rule), path, None)) is met


def test_documents_in_any_letter_case() -> None:
    made = plan({"kind": "error", "docIds": ["AB"]})
    assert kinds(made, doc_id="ab") == ["error"]
    assert kinds(made, doc_id="cd") == []
    assert kinds(made, doc_id=None) == []


def test_after_counts_the_requests_that_the_rule_is_about() -> None:
    made = plan({"kind": "error", "after": 2, "docIds": ["a"]})
    kinds(made, doc_id="b")
    assert [kinds(made) for _ in range(4)] == [[], [], ["error"], ["error"]]


def test_times_begin_after_after() -> None:
    made = plan({"kind": "error", "after": 1, "times": 1})
    assert [kinds(made) for _ in range(4)] == [[], ["error"], [], []]


def test_times_are_of_each_path_without_a_document() -> None:
    made = plan({"kind": "error", "path": "/jobs", "times": 1})
    assert [kinds(made, path, None) for path in ("/jobs/1", "/jobs/2", "/jobs/1")] == [
        ["error"],
        ["error"],
        [],
    ]


def test_seconds_end_a_rule_that_has_met_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("sandbox.fault_rules.time.monotonic", lambda: now)
    made = plan({"kind": "down", "seconds": 5, "after": 1})
    assert kinds(made) == []
    now = 200.0
    assert kinds(made) == ["down"]
    now = 204.9
    assert kinds(made) == ["down"]
    now = 205.0
    assert kinds(made) == []


@pytest.mark.parametrize(("rate", "low", "high"), [(0, 0, 0), (0.25, 200, 300), (1, 1000, 1000)])
def test_the_rate_is_a_share(rate: float, low: int, high: int) -> None:
    made = plan({"kind": "error", "rate": rate})
    assert low <= sum(bool(kinds(made, doc_id=str(number))) for number in range(1000)) <= high


def test_the_rate_does_not_hang_on_the_order() -> None:
    forth = plan({"kind": "error", "rate": 0.5})
    back = plan({"kind": "error", "rate": 0.5})
    documents = [str(number) for number in range(50)]
    met = {doc_id: kinds(forth, doc_id=doc_id) for doc_id in documents}
    assert {doc_id: kinds(back, doc_id=doc_id) for doc_id in reversed(documents)} == met


def test_another_attempt_is_another_draw() -> None:
    made = plan({"kind": "error", "rate": 0.5})
    assert {bool(kinds(made)) for _ in range(20)} == {True, False}


def test_latencies_first_then_one_end() -> None:
    made = plan(
        {"kind": "error"}, {"kind": "latency", "ms": 1}, {"kind": "reset"}, {"kind": "latency"}
    )
    assert kinds(made) == ["latency", "latency", "error"]


def test_installing_again_counts_anew() -> None:
    made = plan({"kind": "error", "times": 1})
    assert [kinds(made), kinds(made)] == [["error"], []]
    made.install([parse_rule({"kind": "error", "times": 1})])
    assert kinds(made) == ["error"]
