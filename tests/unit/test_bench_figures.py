"""The bench's own arithmetic: a figure that is wrong would go unseen."""

from __future__ import annotations

import json
import re
import statistics
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from bench import REPOSITORY
from bench.__main__ import HEAD, PROGRAMS, main, table, with_rows_of
from bench.descriptor_bytes import largest, xcom_bytes
from bench.figures import Figure, Goal, Spread, interleaved, ratios
from bench.target_server import ANSWER, BODY, Timing, options_parser, request_size, timing_of
from reindex.chunks import descriptor_of

FIGURE = Figure("docs/s, a ÷ b", Spread(0.9, 0.8, 1.0, 5), Goal(0.8), "python -m bench.x")


def test_a_spread_is_the_median_with_the_least_and_the_most() -> None:
    assert Spread.of([3, 1, 2, 10]) == Spread(2.5, 1, 10, 4)


def test_a_spread_of_one_value_is_shown_without_a_range() -> None:
    assert Spread.of([137]).shown(0) == "137"
    assert Spread.of([0.25, 0.5, 1.0]).shown(2) == "0.50 (0.25–1.00)"


def test_ratios_are_taken_within_each_repetition() -> None:
    # The machine was twice as slow in the second one: the ratio is the same.
    assert ratios([10, 5], [20, 10]) == Spread(0.5, 0.5, 0.5, 2)


def test_ratios_refuse_sides_of_different_length() -> None:
    with pytest.raises(ValueError, match="zip"):
        ratios([1, 2], [1])


def test_sides_are_measured_in_turns_and_the_cold_turn_does_not_count() -> None:
    order: list[str] = []

    def side(name: str) -> float:
        order.append(name)
        return float(len(order))

    measured = interleaved({"a": lambda: side("a"), "b": lambda: side("b")}, 2)
    assert order == ["a", "b"] * 3
    assert measured == {"a": [3, 5], "b": [4, 6]}


def test_without_a_warm_up_every_turn_counts() -> None:
    assert interleaved({"a": lambda: 1}, 3, warm_up=False) == {"a": [1, 1, 1]}


@pytest.mark.parametrize(
    ("goal", "good"), [(Goal(0.9), True), (Goal(0.91), False), (Goal(0.9, at_most=True), True)]
)
def test_a_figure_knows_whether_its_median_meets_the_goal(goal: Goal, good: bool) -> None:
    assert replace(FIGURE, goal=goal).good is good


def test_a_missed_goal_is_said_in_the_line_and_in_the_table() -> None:
    missed = replace(FIGURE, goal=Goal(0.95))
    assert missed.line() == "docs/s, a ÷ b: 0.90 (0.80–1.00) ×, goal ≥ 0.95 MISSED"
    today = datetime.now(timezone.utc).date()
    rows = table([FIGURE, missed]).splitlines()[-2:]
    assert rows == [
        f"| docs/s, a ÷ b | ≥ 0.8 | 0.90 (0.80–1.00) × |  | 5 | {today} | `python -m bench.x` |",
        f"| docs/s, a ÷ b | ≥ 0.95 | 0.90 (0.80–1.00) ×, **missed** |  | 5 | {today} "
        "| `python -m bench.x` |",
    ]


def test_an_unknown_program_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["operatr_rate"])
    error = capsys.readouterr().err
    assert "operatr_rate" in error
    assert all(name in error for name in PROGRAMS)


@pytest.mark.parametrize(("goal", "status"), [(Goal(0.8), 0), (Goal(0.95), 1)])
def test_a_run_of_everything_writes_the_table_and_fails_when_a_goal_is_missed(
    goal: Goal, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = replace(FIGURE, goal=goal)
    monkeypatch.setattr("bench.__main__.PROGRAMS", {"x": lambda: [figure]})
    monkeypatch.setattr("bench.__main__.TABLE", tmp_path / "docs" / "performance.md")
    assert main([]) == status
    written = (tmp_path / "docs" / "performance.md").read_text(encoding="utf-8")
    assert table([figure]).splitlines()[-1] == written.splitlines()[-1]


def test_a_run_by_name_writes_its_own_rows_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(FIGURE, what="another figure", command="python -m bench.y")
    gone = replace(FIGURE, what="a figure that the program no longer has")
    page = tmp_path / "performance.md"
    page.write_text(table([replace(FIGURE, remark="of an earlier run"), gone, other]))
    monkeypatch.setattr("bench.__main__.PROGRAMS", {"x": lambda: [FIGURE]})
    monkeypatch.setattr("bench.__main__.TABLE", page)
    assert main(["x"]) == 0
    assert page.read_text() == table([FIGURE, other])


def test_what_stands_above_the_table_is_what_the_program_says() -> None:
    page = table([FIGURE])
    outdated = page.replace("A ratio", "An old sentence.\n\nA ratio")
    assert with_rows_of([], outdated) == page
    said = [re.escape(part) for part in re.split(r"\{\w+\}", HEAD)]
    written = (REPOSITORY / "docs" / "performance.md").read_text(encoding="utf-8")
    assert re.match(".*".join(said), written)


def test_a_new_figure_comes_to_the_end_of_the_page() -> None:
    new = replace(FIGURE, what="a new figure", command="python -m bench.new")
    assert with_rows_of([new], table([FIGURE])) == table([FIGURE, new])


def test_descriptor_bytes_are_those_of_the_plans_list() -> None:
    chunks = largest()["full run"]
    in_a_list = len(json.dumps([descriptor_of(chunk) for chunk in chunks]))
    assert sum(map(xcom_bytes, chunks)) == in_a_list - len("[]") + len(", ")


def test_the_target_server_reads_whole_requests_only() -> None:
    request = b"POST /x HTTP/1.1\r\nHost: a\r\nCONTENT-length: 5\r\n\r\nhello"
    assert request_size(request) == len(request)
    assert request_size(request[:-1]) == len(request)
    assert request_size(request + b"POST") == len(request)
    assert request_size(request[:20]) is None
    assert request_size(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") == 27


def test_the_target_servers_answer_is_well_formed() -> None:
    head, _, body = ANSWER.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body)["status"] == "indexed"
    assert body == BODY


def test_latency_holds_for_any_number_at_once() -> None:
    timing = Timing(latency=0.01)
    assert [timing.answer_at(5.0) for _ in range(100)] == [5.01] * 100


def test_a_server_with_a_knee_works_off_so_many_at_once_and_lets_the_others_wait() -> None:
    timing = Timing(knee=2, service=1.0)
    assert [timing.answer_at(10.0) for _ in range(5)] == [11, 11, 12, 12, 13]
    # What comes after the line has gone does not wait.
    assert timing.answer_at(20.0) == 21


def test_jitter_keeps_the_mean_service_time() -> None:
    timing = Timing(knee=1, service=1.0, jitter=0.5)
    last = [timing.answer_at(0.0) for _ in range(20_000)][-1]
    assert last / 20_000 == pytest.approx(1.0, rel=0.03)


def test_a_server_without_limits_answers_at_once() -> None:
    assert Timing().immediate
    assert not Timing(latency=0.001).immediate
    assert not Timing(knee=3).immediate


@pytest.mark.parametrize("faster", [1, 8])
def test_the_platforms_server_is_as_the_contract_measured_it(faster: int) -> None:
    """About 600 documents a second; 8 in flight nearly saturate it, at 14 ms."""
    arguments = ["--port=1", "--platform", f"--faster={faster}"]
    timing = timing_of(options_parser().parse_args(arguments))
    ends = [timing.answer_at(0.0) for _ in range(8)]
    waits: list[float] = []
    for _ in range(2_000):
        now = min(ends)
        ends[ends.index(now)] = timing.answer_at(now)
        waits.append(max(ends) - now)
    assert 2_000 / now == pytest.approx(600 * faster, rel=0.1)
    assert statistics.median(waits) == pytest.approx(0.014 / faster, rel=0.1)
