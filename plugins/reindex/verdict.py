"""
Pure: the ledger of a run → its verdict, and the result that XCom and the Jobs service hold.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from reindex.answers import Reason
from reindex.conf import RunConf
from reindex.doc_ids import OBJECT_ID
from reindex.doc_types import ALL
from reindex.dry_run import in_words
from reindex.ledger import Counts, Failure
from reindex.run_ledger import RunLedger
from reindex.spans import seconds_worked

# A result that is reported must stay well below the platform's 100 kB; 90 kB is our line.
MOST_REPORTED_BYTES = 90_000
MOST_SAMPLED = 100
MOST_PASTED_IDS = 3_000
MOST_SUMMARY = 10_000


@dataclass(frozen=True)
class Verdict:
    """``ok``, or the problems, the gravest first, each a sentence for the person on call."""

    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


def tolerated_failures(documents: int, tolerance: float) -> int:
    """
    How many of so many documents may fail.

    Rounded up: with the default of 1 %, one bad document does not fail a batch of ten (T56.2).
    A tolerance of 0 tolerates none.
    """
    return math.ceil(round(documents * tolerance, 6))


def verdict_of(run: RunLedger, conf: RunConf) -> Verdict:
    """Whether the run may call itself a success, and if not, why."""
    problems = []
    if run.incomplete:
        first = "; ".join(
            f"{each.label}: {each.notReached}{f', {each.error}' if each.error else ''}"
            for each in run.incomplete[:3]
        )
        more = f" and {len(run.incomplete) - 3} more" if len(run.incomplete) > 3 else ""
        problems.append(
            f"{run.total_not_reached} documents not reached, in {len(run.incomplete)} of "
            f"{run.chunks} chunks ({first}{more})"
        )
    problems += [f"the ledger does not balance: {place}" for place in run.unbalanced]
    problems += _too_many_failed(run, conf.failure_tolerance)
    problems += _matched_nothing(run, conf)
    return Verdict(tuple(problems))


def _too_many_failed(run: RunLedger, tolerance: float) -> list[str]:
    """
    Judged by what was read and by what was sent. ``updatedSince`` leaves most out, and these must
    not outweigh that hardly any of the others got through; what cannot be read was never sent.
    Where nothing got through at all, no share of it may fail.
    """
    total = run.total
    sent_and_failed = total.failed - run.failed_by_reason.get(Reason.UNREADABLE.value, 0)
    sent = total.taken + sent_and_failed
    none_right = total.taken == 0 and (sent > 0 or total.unchanged == 0)
    for failed, of, what in (
        (total.failed, total.fetched, "documents"),
        (sent_and_failed, sent, "documents to be sent"),
    ):
        allowed = 0 if none_right else tolerated_failures(of, tolerance)
        if failed > allowed:
            by_reason = sorted(run.failed_by_reason.items())
            reasons = ", ".join(f"{name} {number}" for name, number in by_reason)
            limit = f"failureTolerance {tolerance:g} allows {allowed}"
            why = "not one got through" if none_right else limit
            return [f"{failed} of {of} {what} failed ({reasons}); {why}"]
    return []


def _matched_nothing(run: RunLedger, conf: RunConf) -> list[str]:
    """A run that matched nothing is a mistake until somebody says otherwise."""
    if conf.redrive:
        return []
    if conf.doc_ids is not None:
        if run.total.fetched or run.incomplete:
            return []
        return [
            f"none of the {len(conf.doc_ids)} docIds exists as docType {conf.doc_type}: "
            "wrong docType, wrong database, or all deleted since"
        ]
    if conf.allow_empty:
        return []
    problems = []
    for name in conf.doc_types:
        counts = run.counts.get(name, Counts())
        if not counts.fetched and not run.not_reached.get(name):
            held = f"none of the {counts.expected} documents any more that were planned: dropped?"
            problems.append(
                f"the collection of docType {name} holds "
                f"{held if counts.expected else 'no documents: wrong database?'} "
                "(allowEmpty: true accepts it)"
            )
    return problems


def run_result(
    run_id: str,
    run: RunLedger,
    conf: RunConf,
    verdict: Verdict,
    dry_run: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """
    The run's result: the return value of the report task.

    Every figure, all failure reasons, a bounded sample of ids, and the conf that retries what
    failed (``redrive``). Its size is bounded, whatever failed: :func:`reported_result`.

    :param dry_run: what a dry run found out besides (:func:`reindex.dry_run.found_out`)
    """
    total = run.total
    result: dict[str, object] = {
        "runId": run_id,
        "state": "success" if verdict.ok else "failed",
        "problems": list(verdict.problems),
        "totalIndexed": total.indexed,
        "docType": conf.doc_type,
        "full": conf.full,
        **_columns(total, run.total_not_reached),
        **_pace(total, run.seconds),
        "duplicates": conf.duplicates,
        "docTypes": _by_doc_type(run),
        "drift": None if run.drift is None else round(run.drift, 6),
        "failedByReason": run.failed_by_reason,
        "failedSample": [asdict(failure) for failure in run.failures[:MOST_SAMPLED]],
        "missingSample": [
            {"docType": doc_type, "docId": doc_id}
            for doc_type, doc_id in run.missing[:MOST_SAMPLED]
        ],
        "chunks": run.chunks,
        "incompleteChunks": [asdict(each) for each in run.incomplete[:MOST_SAMPLED]],
        "requests": run.requests,
        # A dry run did nothing that could be repeated.
        "redrive": None if conf.dry_run else redrive_conf(run_id, run),
        "retry": None if conf.dry_run else failed_ids_conf(run.failures),
        "dryRun": dry_run,
    }
    return result | {"summary": summary(result)}


def redrive_conf(run_id: str, run: RunLedger) -> dict[str, object] | None:
    """
    The conf, ready to paste, that retries only what failed or was not reached; ``None`` when
    nothing of it can be.
    """
    return {"redrive": run_id} if driven_again(run.failures) or run.incomplete else None


def driven_again(failures: Iterable[Failure]) -> list[Failure]:
    """Those of the failures that a run can repeat: an _id that is no ObjectId is in no request."""
    return [failure for failure in failures if OBJECT_ID.fullmatch(failure.docId)]


def failed_ids_conf(failures: tuple[Failure, ...]) -> dict[str, object] | None:
    """The same spelled out as ids, where these fit into a conf; ``None`` where they do not."""
    if not failures or len(failures) > MOST_PASTED_IDS:
        return None
    again = driven_again(failures)
    if not again:
        return None
    names = {failure.docType for failure in again}
    ids = list(dict.fromkeys(failure.docId for failure in again))
    return {"docType": names.pop() if len(names) == 1 else ALL, "docIds": ids}


def reported_result(result: Mapping[str, object]) -> dict[str, object]:
    """The result with its samples cut until the report's JSON fits what the Jobs service takes."""
    reported = {**result, "retry": None}  # redrive says the same in a line
    keep = MOST_SAMPLED
    while len(json.dumps({"result": reported}).encode()) > MOST_REPORTED_BYTES and keep:
        keep //= 2
        for key in ("failedSample", "missingSample", "incompleteChunks", "problems"):
            value = result[key]
            assert isinstance(value, list)
            reported[key] = value[:keep]
    return reported


def summary(result: Mapping[str, object]) -> str:
    """The run in one line, for a log's end and a job's error message."""
    dry_run = result["dryRun"]
    sent = ("indexed", "ignored") if dry_run is None else ("wouldSend",)
    names = ("planned", *sent, "unchanged", "missing", "failed", "notReached")
    figures = ", ".join(
        f"{name} {result[name]}" for name in names if result[name] or name != "unchanged"
    )
    problems = result["problems"]
    assert isinstance(problems, list)
    why = f": {'; '.join(problems)}"[:MOST_SUMMARY] if problems else ""
    what = f"reindex {result['docType']}" if result["docType"] else "reindex"
    said = f"{what} {result['state']}{why} [{figures}]"
    if dry_run is None:
        return said
    assert isinstance(dry_run, Mapping)
    return f"dry run of {said}; {in_words(dry_run)}"


def _columns(counts: Counts, not_reached: int) -> dict[str, object]:
    return {
        "planned": counts.expected + counts.appeared - counts.vanished,
        "fetched": counts.fetched,
        "indexed": counts.indexed,
        "ignored": counts.ignored,
        "missing": counts.missing,
        "failed": counts.failed,
        "unchanged": counts.unchanged,
        "appeared": counts.appeared,
        "vanished": counts.vanished,
        "notReached": not_reached,
        "wouldSend": counts.wouldSend,
    }


def _by_doc_type(run: RunLedger) -> dict[str, object]:
    rows: dict[str, object] = {}
    for name, counts in run.counts.items():
        rows[name] = {
            **_columns(counts, run.not_reached.get(name, 0)),
            **_pace(counts, seconds_worked(run.spans.get(name, ()))),
        }
    return rows


def _pace(counts: Counts, seconds: float) -> dict[str, object]:
    return {
        "seconds": round(seconds, 3),
        "docsPerSecond": round(counts.fetched / seconds, 1) if seconds > 0 else None,
    }
