"""The rate of a run, and what is made of several."""

from __future__ import annotations

import json

import pytest

from reindex.chunks import LOWEST_ID, RangeChunk, descriptor_of
from reindex.ledger import ChunkLedger, Counts
from reindex.run_ledger import RunLedger, run_ledger
from reindex.run_rate import FEWEST_DOCUMENTS, RunRate, rate_of, rates_from, typical


def a_run(*chunks: tuple[str, Counts, float, float]) -> RunLedger:
    """A run of (docType, counts, started, ended)."""
    descriptors, ledgers = [], []
    for index, (name, counts, started, ended) in enumerate(chunks):
        chunk = RangeChunk(index, name, LOWEST_ID, None, counts.expected)
        descriptors.append(descriptor_of(chunk))
        ledger = ChunkLedger(index, {name: counts}, complete=True, started=started, ended=ended)
        ledgers.append(ledger.to_json())
    return run_ledger(descriptors, ledgers)


def rate(per_second: float, documents: int = 500, ended: float = 0.0, run: str = "r") -> RunRate:
    return RunRate(run, documents, per_second, ended)


def test_a_rate_is_what_was_posted_in_the_time_from_the_first_chunk_to_the_last() -> None:
    run = a_run(
        ("creator", Counts(expected=300, fetched=300, indexed=100, unchanged=200), 10.0, 12.0),
        ("project", Counts(expected=300, fetched=300, ignored=290, failed=10), 11.0, 14.0),
    )
    assert rate_of("run-1", run) == RunRate("run-1", 400, 100.0, 14.0)


@pytest.mark.parametrize(
    "run",
    [
        a_run(),
        a_run(("creator", Counts(fetched=99, indexed=99), 1.0, 2.0)),
        a_run(("creator", Counts(fetched=9_000, wouldSend=9_000), 1.0, 2.0)),
        a_run(("creator", Counts(fetched=9_000, unchanged=9_000), 1.0, 2.0)),
        a_run(("creator", Counts(fetched=500, indexed=500), 1.0, 1.0)),
    ],
    ids=["nothing", "too few", "dry", "nothing posted", "no time"],
)
def test_a_run_that_says_nothing_about_the_rate_has_none(run: RunLedger) -> None:
    assert FEWEST_DOCUMENTS == 100
    assert rate_of("run-1", run) is None


def test_the_typical_rate_is_the_median_of_the_largest_recent_runs() -> None:
    old = [rate(1.0, 10**6, ended=n) for n in range(9)]
    jobs = [rate(7.0, 200, ended=100 + n) for n in range(15)]
    nights = [rate(per, 5_000, 200 + n, f"n{n}") for n, per in enumerate((400, 900, 500, 410, 600))]
    assert typical([*nights, *jobs, *old]) == (500, ["n0", "n1", "n2", "n3", "n4"])
    assert typical([rate(7.0), rate(9.0, ended=1.0, run="s")]) == (8.0, ["r", "s"])
    assert typical([]) is None


def test_rates_travel_as_json_one_by_one_or_as_a_list() -> None:
    one = rate(3.5)
    sent = json.loads(json.dumps(one.to_json()))
    assert rates_from(sent) == [one]
    assert rates_from([sent, None, {"runId": "r"}, sent]) == [one, one]
    assert rates_from(None) == rates_from([]) == []
