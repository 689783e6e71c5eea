"""
The run's conf, parsed and validated once.

Keys are the platform's (camelCase): a job's payload, ``{"docType": …, "docIds": […]}``, is a conf
as it is. Everything here is plain data; nothing is looked up.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from reindex.doc_ids import doc_ids_of
from reindex.doc_types import ALL, doc_type_names
from reindex.errors import InvalidConf, InvalidDocType, InvalidKey
from reindex.job_types import REINDEX_BATCH, check_payload

_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
_WORKER_ID = re.compile(r"[\x21-\x7e]{5,128}", re.ASCII)
_RUN_ID = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9_.:+~-]{1,250}", re.ASCII)

FULL, INCREMENTAL = "full", "incremental"
DEFAULT_CHUNK_SIZE = 5000
LARGEST_CHUNK = 10_000_000
MOST_PER_SECOND = 1e6
DEFAULT_FAILURE_TOLERANCE = 0.01


@dataclass(frozen=True)
class JobReference:
    """The job of the Jobs service that this run answers for, and the worker that leased it."""

    job_id: str
    worker_id: str | None = None


@dataclass(frozen=True)
class RunConf:
    """
    What a run shall do.

    ``doc_ids`` is ``None`` for a full run; otherwise lower-case hexadecimal ids, each once, in the
    order given, and ``duplicates`` says how many more were given. ``failure_tolerance`` is a share
    of the documents, ``requests_per_second`` a ceiling over all chunks of the run. A ``dry_run``
    reads and builds everything, and sends nothing.
    """

    doc_types: tuple[str, ...]
    doc_ids: tuple[str, ...] | None = None
    duplicates: int = 0
    updated_since: datetime | None = None
    chunk_size: int = DEFAULT_CHUNK_SIZE
    job: JobReference | None = None
    failure_tolerance: float = DEFAULT_FAILURE_TOLERANCE
    max_in_flight: int = 64
    requests_per_second: float | None = None
    redrive: str | None = None
    log_every_document: bool = False
    allow_empty: bool = False
    dry_run: bool = False

    @property
    def doc_type(self) -> str:
        """The one document type of the run, or ``all``; empty for one that nobody knows."""
        return ALL if len(self.doc_types) > 1 else "".join(self.doc_types)

    @property
    def full(self) -> bool:
        """Every document of its types is sent: afterwards the index is as the source."""
        partial = self.doc_ids is not None or self.updated_since or self.redrive
        return not partial and not self.dry_run


def parse_conf(raw: Mapping[str, object]) -> RunConf:
    """
    The conf of a run, checked.

    :param raw: conf merged over the Params' defaults; ``None`` means "left out"
    :raises InvalidConf: names the key, the value and what would be right
    """
    _refuse_unknown_keys(raw)
    given = {key: value for key, value in raw.items() if value is not None}
    job = job_reference(given)
    if job is not None and given.get("mode") != FULL and "redrive" not in given:
        check_payload(REINDEX_BATCH, {k: given[k] for k in ("docType", "docIds") if k in given})
    doc_ids, duplicates = _doc_ids(given)
    conf = RunConf(
        doc_types=doc_type_names(given.get("docType", ALL)),
        doc_ids=doc_ids,
        duplicates=duplicates,
        updated_since=_updated_since(given),
        chunk_size=_whole(given, "chunkSize", 1, LARGEST_CHUNK, DEFAULT_CHUNK_SIZE),
        job=job,
        failure_tolerance=_tolerance(given),
        max_in_flight=_whole(given, "maxInFlight", 1, 1024, 64),
        requests_per_second=_rate(given),
        redrive=_matching(given, "redrive", _RUN_ID, "the run id of an earlier run"),
        log_every_document=_flag(given, "logEveryDocument"),
        allow_empty=_flag(given, "allowEmpty"),
        dry_run=_flag(given, "dryRun"),
    )
    _refuse_contradictions(conf)
    return conf


def refused_conf(raw: Mapping[str, object]) -> RunConf:
    """What stands in for a conf that :func:`parse_conf` refuses, where its run is told of."""
    try:
        doc_types = doc_type_names(raw.get("docType") or ALL)
    except InvalidDocType:
        doc_types = ()
    return RunConf(doc_types=doc_types, dry_run=raw.get("dryRun") is True)


def refuse_future(conf: RunConf, now: datetime) -> None:
    """
    Refuse an ``updatedSince`` that is still to come: nothing changed since, and a run that sends
    nothing would look like success. An hour ahead may be a clock's or a time zone's doing.

    :raises InvalidConf: names the time
    """
    since = conf.updated_since
    if since and since > now + timedelta(hours=1):
        raise InvalidConf(
            "updatedSince", since.isoformat(), f"in the past (it is {now:%Y-%m-%dT%H:%M%z})"
        )


def handed_on(conf: RunConf) -> dict[str, object]:
    """What a redrive of the run takes over: which documents were to be left out, and the pace."""
    since = conf.updated_since
    return {
        "updatedSince": since and since.isoformat(),
        "requestsPerSecond": conf.requests_per_second,
        "maxInFlight": conf.max_in_flight,
    }


def taking_over(conf: RunConf, earlier: Mapping[str, object]) -> RunConf:
    """
    A redrive's conf, with what the earlier run hands on where its own says nothing.

    A trigger form says everything: what is at its default counts as not said.

    :param earlier: of :func:`handed_on`
    """
    source, default = parse_conf(earlier), parse_conf({})
    names = ("updated_since", "requests_per_second", "max_in_flight")
    unsaid = [name for name in names if getattr(conf, name) == getattr(default, name)]
    return replace(conf, **{name: getattr(source, name) for name in unsaid})


def job_reference(raw: Mapping[str, object]) -> JobReference | None:
    """
    The job that a conf names, even when the rest of the conf is refused: the Jobs service must
    hear of that.

    :raises InvalidConf: for a ``jobId`` or ``workerId`` that cannot stand in a URL or a header
    """
    job_id = _matching(raw, "jobId", _JOB_ID, "a job id (letters, digits, _ and -, at most 128)")
    worker_id = _matching(
        raw, "workerId", _WORKER_ID, "5 to 128 printable ASCII characters without spaces"
    )
    return JobReference(job_id, worker_id) if job_id is not None else None


def _refuse_unknown_keys(raw: Mapping[str, object]) -> None:
    for key in raw:
        if key not in KNOWN_KEYS:
            near = difflib.get_close_matches(str(key).lower(), [k.lower() for k in KNOWN_KEYS], 1)
            hint = next((k for k in KNOWN_KEYS if near and k.lower() == near[0]), None)
            known = f"did you mean {hint}?" if hint else f"known keys: {', '.join(KNOWN_KEYS)}"
            raise InvalidKey(str(key), f"is not a conf key of reindex_batch ({known})")


def _doc_ids(given: Mapping[str, object]) -> tuple[tuple[str, ...] | None, int]:
    mode = given.get("mode", INCREMENTAL)
    if mode not in (FULL, INCREMENTAL):
        raise InvalidConf("mode", mode, f"one of {FULL}, {INCREMENTAL}")
    if mode == FULL or "docIds" not in given:
        return None, 0
    value = given["docIds"]
    if not isinstance(value, (list, tuple)):
        raise InvalidConf("docIds", value, "a list of ids")
    # A job's payload comes from a program, which does not paste.
    ids = doc_ids_of(value, pasted="jobId" not in given)
    if not ids:
        raise InvalidConf("docIds", value, "a list with at least one id (leave it out for all)")
    unique = tuple(dict.fromkeys(ids))
    return unique, len(ids) - len(unique)


def _updated_since(given: Mapping[str, object]) -> datetime | None:
    value = given.get("updatedSince")
    if value is None:
        return None
    refused = InvalidConf("updatedSince", value, "an ISO 8601 time such as 2026-11-20T02:00:00Z")
    # The number 20261120 would pass for a date here, and be refused at the trigger by the Param.
    if not isinstance(value, str):
        raise refused
    try:
        # Python 3.10 does not read the Z that the platform writes.
        since = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
        since = since if since.tzinfo else since.replace(tzinfo=timezone.utc)
        return since.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise refused from None


def _number(
    given: Mapping[str, object], key: str, fits: Callable[[float], bool], rule: str
) -> float:
    value = given[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not fits(value):
        raise InvalidConf(key, value, rule)
    return value


def _whole(given: Mapping[str, object], key: str, least: int, most: int, default: int) -> int:
    if key not in given:
        return default
    # A trigger form sends 500.0 for 500.
    return int(
        _number(
            given,
            key,
            lambda n: least <= n <= most and n == int(n),
            f"a whole number from {least} to {most}",
        )
    )


def _tolerance(given: Mapping[str, object]) -> float:
    if "failureTolerance" not in given:
        return DEFAULT_FAILURE_TOLERANCE
    return _number(
        given, "failureTolerance", lambda n: 0 <= n <= 1, "a share from 0 to 1 (0.01 is 1 %)"
    )


def _rate(given: Mapping[str, object]) -> float | None:
    if "requestsPerSecond" not in given:
        return None
    return _number(
        given,
        "requestsPerSecond",
        lambda n: 0 < n <= MOST_PER_SECOND,
        f"a number above 0, {MOST_PER_SECOND:.0f} at most",
    )


def _matching(
    given: Mapping[str, object], key: str, pattern: re.Pattern[str], expected: str
) -> str | None:
    value = given.get(key)
    if value is None or (isinstance(value, str) and pattern.fullmatch(value)):
        return value
    raise InvalidConf(key, value, expected)


def _flag(given: Mapping[str, object], key: str) -> bool:
    value = given.get(key, False)
    if not isinstance(value, bool):
        raise InvalidConf(key, value, "true or false")
    return value


def _refuse_contradictions(conf: RunConf) -> None:
    if conf.redrive and (conf.doc_ids is not None or conf.updated_since):
        raise InvalidKey(
            "redrive", "cannot be given together with docIds or updatedSince: it brings its own"
        )
    if conf.dry_run and conf.job:
        raise InvalidKey(
            "dryRun",
            "cannot be given together with jobId: a job wants work, a dry run does none",
        )


KNOWN_KEYS = (
    "docType",
    "docIds",
    "updatedSince",
    "chunkSize",
    "mode",
    "jobId",
    "workerId",
    "failureTolerance",
    "maxInFlight",
    "requestsPerSecond",
    "redrive",
    "logEveryDocument",
    "allowEmpty",
    "dryRun",
)
