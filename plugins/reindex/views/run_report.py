"""
Pure: a run's record → what its report page shows.

Of a run that has ended, the figures are those of its report task. Before, and when that task never
ran, the same functions add up what the chunks have left so far.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from reindex.chunks import Chunk, chunk_from
from reindex.conf import RunConf, parse_conf, refused_conf
from reindex.errors import ReindexError
from reindex.ledger import ChunkLedger, Failure
from reindex.run_ledger import RunLedger, run_ledger
from reindex.verdict import Verdict, driven_again, run_result, verdict_of
from reindex.views.columns import columns_of, drift_of
from reindex.views.failure_table import MEANINGS
from reindex.views.records import ChunkTask, OtherRun, RunRecord, Try, iso, seconds_between

NO_STATUS = "no_status"  # as the UI calls a task that nobody has looked at yet
UNREPORTED = (
    "the report task did not run after the chunks: Airflow ended the run before it, as it does at "
    "dagrun_timeout, or chunks were cleared alone. The figures are those that the chunks left"
)
REPORT_FAILED = (
    "the report task failed before it left its figures: its log says why. Once that is mended, "
    "clear the task report. The figures are those that the chunks left"
)
UNHEARD = (
    "the Jobs service did not hear of this run's end: the log of the report task says why. Once "
    "that is mended, clear the task report: it tells the service again"
)


def run_report(record: RunRecord, now: datetime) -> dict[str, Any]:
    """The page's data, as JSON."""
    ledger = run_ledger(
        record.descriptors or (),
        _ledgers(record, now),
        (Failure(**each) for each in record.rejected),
    )
    result = record.result or _result_so_far(record, ledger)
    # A report that found no plan has figures, all of them 0. The plan's XCom may be gone later.
    reported = record.result and (record.result["chunks"] or record.result["planned"])
    planned = record.descriptors is not None or bool(reported)
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
        "reportState": record.report_state,
        "dryRun": record.dry_run,
        "foundOut": result.get("dryRun"),
        "totals": totals,
        "docTypes": _doc_types(result),
        "progress": _progress(record, totals),
        "chunks": _chunks(record),
        "failures": _failures(ledger),
        "redrive": result["redrive"] if record.ended else None,
        "redriven": _run(record.redriven),
        "paused": record.paused,
        "behind": record.active.run_id if record.active and record.state == "queued" else None,
    }


def _run(other: OtherRun | None) -> dict[str, str] | None:
    return {"runId": other.run_id, "state": other.state} if other else None


def _ledgers(record: RunRecord, now: datetime) -> Iterator[Mapping[str, Any]]:
    """Those of the chunks; what is at work has worked until now, whenever it last said so."""
    for index, ledger in record.ledgers.items():
        task = record.tasks.get(index)
        at_work = task is not None and task.state == "running"
        yield {**ledger, "ended": now.timestamp()} if at_work else ledger


def _result_so_far(record: RunRecord, ledger: RunLedger) -> dict[str, object]:
    conf = _conf_of(record)
    if record.descriptors is None:
        verdict = Verdict(
            (f"nothing was planned: {record.plan_error or 'the plan has no result'}",)
        )
    else:
        verdict = verdict_of(ledger, conf)
    if record.ended:
        why = REPORT_FAILED if record.report_state == "failed" else UNREPORTED
        verdict = Verdict((why, *verdict.problems))
    return run_result(record.run_id, ledger, conf, verdict)


def _conf_of(record: RunRecord) -> RunConf:
    try:
        return parse_conf(record.conf or {})
    except ReindexError:
        # `plan` refused it: plan_error says so.
        return refused_conf(record.conf or {})


def _verdict(record: RunRecord, result: Mapping[str, Any]) -> dict[str, object] | None:
    """
    As the report left it. ``reported`` is whether it did, ``unheard`` why the job, if there is
    one, has not heard of it.
    """
    if not record.ended:
        return None
    unheard = (
        record.result is not None
        and record.report_state == "failed"
        and record.has_job
        and not result.get("job")
    )
    return {
        **{name: result.get(name) for name in ("state", "problems", "summary")},
        "reported": record.result is not None,
        "unheard": UNHEARD if unheard else None,
    }


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


def _progress(record: RunRecord, totals: Mapping[str, Any] | None) -> dict[str, object]:
    """
    Documents dealt with, the rate of the run as a whole, and the time that it leaves: what the
    run has needed so far, waits for retries included, is the best guess of what it will need.
    """
    if totals is None:
        return {"done": 0, "planned": None, "docsPerSecond": None, "secondsLeft": None}
    done, planned = totals["fetched"] + totals["missing"], totals["planned"]
    rate = totals["docsPerSecond"]
    left = None if record.ended or not rate else round((planned - done) / rate, 1)
    return {"done": done, "planned": planned, "docsPerSecond": rate, "secondsLeft": left}


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
    known = ChunkLedger.from_json(ledger) if ledger else ChunkLedger(chunk.index)
    total = known.total
    return {
        "index": chunk.index,
        "label": chunk.label,
        "docType": chunk.docType,
        "state": task.state or NO_STATUS,
        "expected": chunk.expected,
        "done": total.fetched + total.missing,
        "failed": total.failed,
        "complete": known.complete,
        "error": known.error,
        "tries": [_try(each) for each in task.tries],
    }


def _try(one: Try) -> dict[str, object]:
    return {
        "number": one.number,
        "state": one.state or NO_STATUS,
        "start": iso(one.start),
        "end": iso(one.end),
    }


def _failures(ledger: RunLedger) -> dict[str, object]:
    """``stuck`` are those of the failed that no re-drive can send: their _id is no ObjectId."""
    by_count = sorted(ledger.failed_by_reason.items(), key=lambda item: (-item[1], item[0]))
    return {
        "failed": len(ledger.failures),
        "stuck": len(ledger.failures) - len(driven_again(ledger.failures)),
        "missing": len(ledger.missing),
        "byReason": [
            {"reason": reason, "count": count, "meaning": MEANINGS.get(reason, "")}
            for reason, count in by_count
        ],
    }
