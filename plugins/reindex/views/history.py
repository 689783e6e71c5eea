"""Pure: the last runs → what the history page shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reindex.doc_types import DOC_TYPES
from reindex.views.columns import columns_of, drift_of
from reindex.views.records import PastRun, iso, seconds_between


def history(dag_id: str, runs: Iterable[PastRun], doc_type: str | None) -> dict[str, Any]:
    """
    The page's data, as JSON.

    :param runs: the oldest first
    :param doc_type: the figures of this type only; runs whose report does not have it are left out
    """
    runs = list(runs)
    return {
        "dagId": dag_id,
        "docTypes": _names(runs),
        "runs": [_point(dag_id, run, doc_type) for run in runs if _has(run, doc_type)],
    }


def _names(runs: Iterable[PastRun]) -> list[str]:
    """The document types of today, then what else the runs knew."""
    seen = (name for run in runs if run.result for name in run.result["docTypes"])
    return list(dict.fromkeys([*DOC_TYPES, *seen]))


def _has(run: PastRun, doc_type: str | None) -> bool:
    return run.result is None or doc_type is None or doc_type in run.result["docTypes"]


def _point(dag_id: str, run: PastRun, doc_type: str | None) -> dict[str, Any]:
    return {
        "dagId": dag_id,
        "runId": run.run_id,
        "state": run.state,
        "trigger": run.trigger,
        "start": iso(run.start),
        "seconds": seconds_between(run.start, run.end),
        "dryRun": run.dry_run,
        **_figures(run.result, doc_type),
    }


def _figures(result: Mapping[str, Any] | None, doc_type: str | None) -> dict[str, Any]:
    if result is None:
        return {"totals": None, "drift": None, "docsPerSecond": None}
    row = result if doc_type is None else result["docTypes"][doc_type]
    return {
        "totals": columns_of(row),
        # Of a few ids, or of what changed today, it says nothing about the index as a whole.
        "drift": drift_of(row) if result.get("full") else None,
        "docsPerSecond": row.get("docsPerSecond"),
    }
