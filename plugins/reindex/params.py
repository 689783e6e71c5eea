"""
The trigger form of `reindex_batch`: its fields in order, with titles, examples and what happens
when one is left empty.

How Airflow 3.3 shows them: fields without a section come first and unfolded; an array of texts
without examples is a box of one item a line; examples are suggestions that do not bind.
"""

from __future__ import annotations

from airflow.sdk import Param

from reindex.conf import DEFAULT_FAILURE_TOLERANCE
from reindex.doc_types import ALL, DOC_TYPES

PACE, VERDICT, JOBS = "Pace", "Verdict and log", "Jobs service (filled in by the job worker)"
_NAMES = [name for kind in DOC_TYPES.values() for name in (kind.name, kind.plural)]


def trigger_params(chunk_size: int) -> dict[str, Param]:
    """
    The Params of the DAG.

    Formats are checked by `plan`, not by these schemas: a job's payload that is refused at the
    trigger would never be reported to the Jobs service.

    :param chunk_size: the deployment's default
    """
    return {**_what(), **_pace(chunk_size), **_verdict(), **_jobs()}


def _what() -> dict[str, Param]:
    return {
        "docType": Param(
            ALL,
            type="string",
            title="Document type",
            description=f"Of which type: {', '.join(DOC_TYPES)}, or {ALL} for every one.",
            examples=[ALL, *_NAMES],
        ),
        "dryRun": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Reads everything and builds every payload, sends nothing. The run report "
            "then says how many requests a real run makes, how long it takes, which documents "
            "cannot be sent, and shows five payloads.",
        ),
        "docIds": Param(
            None,
            type=["null", "array"],
            items={"type": "string"},
            title="Only these ids",
            description="Paste them: one a line, or in one line between commas or spaces, with or "
            "without quotes and brackets. An id has 24 hexadecimal characters, such as "
            "63b0cd00f3e23dd882000000. Left empty: every document of the type.",
        ),
        "updatedSince": Param(
            None,
            type=["null", "string"],
            title="Only what changed since",
            description="ISO 8601, UTC when no zone is given: 2026-11-20T02:00:00Z or 2026-11-20. "
            "A document counts as changed when it or its user did. Left empty: of any age.",
            examples=["2026-11-20T02:00:00Z"],
        ),
        "redrive": Param(
            None,
            type=["null", "string"],
            title="Repeat a run",
            description="Its run id, such as scheduled__2026-11-20T02:00:00+00:00. Sends what "
            "failed in it or was not reached, since the time and at the pace that it was given; "
            "leave ids and time empty then. Left empty: a new run.",
        ),
    }


def _pace(chunk_size: int) -> dict[str, Param]:
    return {
        "requestsPerSecond": Param(
            None,
            type=["null", "number"],
            title="Most requests a second",
            description="For the whole run, over all chunks: 50 leaves a busy service room. Left "
            "empty: as fast as the service answers without slowing down.",
            section=PACE,
        ),
        "maxInFlight": Param(
            64,
            type="number",
            minimum=1,
            maximum=1024,
            title="Most requests in flight, a chunk",
            description="A ceiling: how many the service bears is found while the run goes on.",
            section=PACE,
        ),
        "chunkSize": Param(
            chunk_size,
            type="number",
            minimum=1,
            title="Documents a chunk",
            description="Grows by itself when the run would have more chunks than Airflow maps.",
            section=PACE,
        ),
    }


def _verdict() -> dict[str, Param]:
    return {
        "failureTolerance": Param(
            DEFAULT_FAILURE_TOLERANCE,
            type="number",
            minimum=0,
            maximum=1,
            title="Share of documents that may fail",
            description="0.01 is 1 %, rounded up to whole documents; 0 tolerates none, nor does a "
            "run in which nothing got through. Above it the run is red. A chunk ends early above "
            "it as well when the causes may pass, such as time-outs; documents that are refused "
            "for good are named first, all of them.",
            section=VERDICT,
        ),
        "allowEmpty": Param(
            False,
            type="boolean",
            title="An empty collection is fine",
            description="Otherwise a run over everything that finds no documents of a type is red.",
            section=VERDICT,
        ),
        "logEveryDocument": Param(
            False,
            type="boolean",
            title="Log every document",
            description="A run with ids always does. Otherwise only those that failed are logged.",
            section=VERDICT,
        ),
    }


def _jobs() -> dict[str, Param]:
    return {
        "jobId": Param(
            None,
            type=["null", "string"],
            title="Job",
            description="The job of the Jobs service that hears of this run's end. Left empty: "
            "nobody is told.",
            section=JOBS,
        ),
        "workerId": Param(
            None,
            type=["null", "string"],
            title="Worker",
            description="The worker id that holds the job's lease. Left empty: the connection's.",
            section=JOBS,
        ),
    }
