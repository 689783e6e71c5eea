"""docs/metrics.md says what the code emits; what is emitted: tests/integration/test_metrics.py."""

from __future__ import annotations

from pathlib import Path

from reindex.metrics import METRICS, NOT_REACHED, OUTCOMES

DOCS = (Path(__file__).resolve().parents[2] / "docs/metrics.md").read_text()


def test_the_documented_table_is_that_of_the_code() -> None:
    rows = [f"| `{each.name}` | {each.kind} | {each.unit} | {each.help} |" for each in METRICS]
    table = ["| name | kind | unit | means |", "| --- | --- | --- | --- |", *rows]
    assert "\n".join(["", *table, ""]) in DOCS


def test_every_outcome_is_documented() -> None:
    outcomes = ", ".join(f"`{name}`" for name in (*OUTCOMES, NOT_REACHED))
    assert f"Outcomes: {outcomes}." in DOCS


def test_a_name_is_used_once() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
