"""
Pure: a run's record → what its report page shows.

Of a run that has ended, the figures are those of its report task. Before, and when that task never
ran, the same functions add up what the chunks have left so far.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from reindex.chunks import Chunk, chunk_from
from reindex.conf import RunConf, parse_conf
from reindex.errors import ReindexError
from reindex.ledger import Counts, Failure, RunLedger, run_ledger
from reindex.verdict import Verdict, run_result, verdict_of
from reindex.views.columns import columns_of, drift_of
from reindex.views.failure_table import MEANINGS
from reindex.views.records import ChunkTask, RunRecord, Try, iso, seconds_between

NO_STATUS = "no_status"  # as the UI calls a task that nobody has looked at yet
UNREPORTED = (
    "the report task did not run after the chunks: Airflow ended the run before it, as it does at "
    "dagrun_timeout, or chunks were cleared alone. The figures are those that the chunks left"
)


def run_report(record: RunRecord, now: datetime) -> dict[str, Any]:
    """The page's data, as JSON."""
    ledger = run_ledger(
        record.descriptors or (),
        record.ledgers.values(),
        (Failure(**each) for each in record.rejected),
    )
    result = record.result or _result_so_far(record, ledger)
    planned = record.result is not None or record.descriptors is not None
    totals = _totals(result) if planned else None
    return {
        "dagId": record.dag_id,
        "runId": record.run_id,
        "state": record.state,
        "trigger": record.trigger,
        "conf": record.conf,
        "start": iso(record.start),
        "end": iso(record.end),
        "seconds": seconds_between(record.start, record.end if record.ended else now),
        "now": iso(now),
        "verdict": _verdict(record, result),
        "dryRun": result.get("dryRun"),
        "totals": totals,
        "docTypes": _doc_types(result),
        "progress": _progress(record, totals, now),
        "chunks": _chunks(record),
        "failures": _failures(ledger),
        "redrive": result["redrive"] if record.ended else None,
    }


def _result_so_far(record: RunRecord, ledger: RunLedger) -> dict[str, object]:
    conf = _conf_of(record)
    if record.descriptors is None:
        verdict = Verdict(
            (f"nothing was planned: {record.plan_error or 'the plan has no result'}",)
        )
    else:
        verdict = verdict_of(ledger, conf)
    if record.ended:
        verdict = Verdict((UNREPORTED, *verdict.problems))
    return run_result(record.run_id, ledger, conf, verdict)


def _conf_of(record: RunRecord) -> RunConf:
    try:
        return parse_conf(record.conf or {})
    except ReindexError:
        return RunConf(doc_types=())  # `plan` refused it: plan_error says so


def _verdict(record: RunRecord, result: Mapping[str, Any]) -> dict[str, object] | None:
    if not record.ended:
        return None
    return {name: result.get(name) for name in ("state", "problems", "summary")}


def _totals(result: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **columns_of(result),
        "requests": result["requests"],
        "drift": result["drift"],
        "docsPerSecond": result.get("docsPerSecond"),
    }


def _doc_types(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            **columns_of(row),
            "drift": None if result["drift"] is None else drift_of(row),
            "seconds": row["seconds"],
            "docsPerSecond": row["docsPerSecond"],
        }
        for name, row in result["docTypes"].items()
    ]


def _progress(
    record: RunRecord, totals: Mapping[str, Any] | None, now: datetime
) -> dict[str, object]:
    """Documents dealt with, the rate of the run as a whole, and the time that it leaves."""
    if totals is None:
        return {"done": 0, "planned": None, "docsPerSecond": None, "secondsLeft": None}
    done, planned = totals["fetched"] + totals["missing"], totals["planned"]
    rate = totals["docsPerSecond"] if record.ended else _rate(record, done, now)
    left = None if record.ended or not rate else round((planned - done) / rate, 1)
    return {"done": done, "planned": planned, "docsPerSecond": rate, "secondsLeft": left}


def _rate(record: RunRecord, done: int, now: datetime) -> float | None:
    """
    Over the whole span since the first chunk began, waits for retries included: what the run has
    needed so far is the best guess of what it will need.
    """
    started = min((each["started"] for each in record.ledgers.values()), default=0)
    seconds = now.timestamp() - started
    return round(done / seconds, 1) if started and done and seconds > 0 else None


def _chunks(record: RunRecord) -> dict[str, object]:
    rows = [
        _chunk(chunk, record.tasks.get(chunk.index, ChunkTask()), record.ledgers.get(chunk.index))
        for chunk in map(chunk_from, record.descriptors or ())
    ]
    by_state: dict[str, int] = {}
    for row in rows:
        by_state[row["state"]] = by_state.get(row["state"], 0) + 1
    return {"count": len(rows), "byState": by_state, "rows": rows}


def _chunk(chunk: Chunk, task: ChunkTask, ledger: Mapping[str, Any] | None) -> dict[str, Any]:
    total = _total(ledger) if ledger else Counts()
    return {
        "index": chunk.index,
        "label": chunk.label,
        "docType": chunk.docType,
        "state": task.state or NO_STATUS,
        "expected": chunk.expected,
        "done": total.fetched + total.missing,
        "failed": total.failed,
        "complete": bool(ledger and ledger["complete"]),
        "error": ledger["error"] if ledger else None,
        "tries": [_try(each) for each in task.tries],
    }


def _total(ledger: Mapping[str, Any]) -> Counts:
    return sum((Counts(**each) for each in ledger["counts"].values()), Counts())


def _try(one: Try) -> dict[str, object]:
    return {
        "number": one.number,
        "state": one.state or NO_STATUS,
        "start": iso(one.start),
        "end": iso(one.end),
    }


def _failures(ledger: RunLedger) -> dict[str, object]:
    by_count = sorted(ledger.failed_by_reason.items(), key=lambda item: (-item[1], item[0]))
    return {
        "failed": len(ledger.failures),
        "missing": len(ledger.missing),
        "byReason": [
            {"reason": reason, "count": count, "meaning": MEANINGS.get(reason, "")}
            for reason, count in by_count
        ],
    }
