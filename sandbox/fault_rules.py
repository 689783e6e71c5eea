"""Which request meets which fault: the rules, and the plan that decides. Pure; see fault_gate.

A rule is a JSON object. ``kind`` is one of FAULT_KINDS; the rest may be left out:

- ``path``: prefix of the request's path. By default the index-update route; ``/`` for ``down``,
  ``/jobs/`` for ``rejects_job_reports`` (which meets reports only).
- ``docIds``: only requests that index one of these documents.
- ``after``: let this many matching requests pass first.
- ``seconds``: the rule ends that long after the first request that it met.
- ``times``: only the first so many requests of each document (of each path, without one).
- ``rate``: 0 to 1, the share that is met; which ones is a hash of ``seed``, docId and attempt.
- ``applied``: true lets the service do the work first, so that only the answer is lost.
- of a kind: ``ms`` (latency), ``retryAfter`` seconds (rate_limited), ``status`` (error, html),
  ``body`` any JSON (garbage).
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sandbox.answers import Detail, validation_error

FAULT_KINDS = (
    "latency",
    "rate_limited",
    "error",
    "hang",
    "reset",
    "truncated",
    "html",
    "garbage",
    "auth_expires",
    "down",
    "validation",
    "rejects_job_reports",
)
DEFAULT_PATHS = {"down": "/", "rejects_job_reports": "/jobs/"}
INDEX_UPDATE = "/search/index-update"
JOB_REPORT = re.compile(r"/jobs/[^/]+/(succeed|fail)")


@dataclass(frozen=True)
class FaultRule:
    """One rule, as the module's docstring explains; the names are those of its JSON."""

    kind: str
    path: str = INDEX_UPDATE
    docIds: tuple[str, ...] | None = None  # noqa: N815
    after: int = 0
    seconds: float | None = None
    times: int | None = None
    rate: float = 1.0
    seed: int = 0
    applied: bool = False
    ms: float = 0
    retryAfter: float = 1  # noqa: N815
    status: int | None = None
    body: Any = None

    def meets(self, path: str, doc_id: str | None) -> bool:
        """Whether the rule is about such a request at all."""
        if not path.startswith(self.path):
            return False
        if self.kind == "rejects_job_reports" and not JOB_REPORT.fullmatch(path):
            return False
        return self.docIds is None or doc_id in self.docIds


FIELDS = frozenset(field.name for field in fields(FaultRule))
# name → smallest and largest value; all of them numbers
BOUNDS: Mapping[str, tuple[float, float]] = {
    "after": (0, 1e9),
    "seconds": (0, 86_400),
    "times": (0, 1e9),
    "rate": (0, 1),
    "seed": (0, 1e9),
    "ms": (0, 120_000),
    "retryAfter": (0, 86_400),
    "status": (200, 599),
}


def parse_rule(value: object) -> FaultRule:
    """ApiError 422 with a detail for each field of the rule that is wrong or unknown."""
    if not isinstance(value, dict):
        raise validation_error([Detail("rule", "must be an object", value)])
    details = [
        Detail(name, "is not a field of a rule", value[name]) for name in value.keys() - FIELDS
    ]
    if value.get("kind") not in FAULT_KINDS:
        reason = f"must be one of {', '.join(FAULT_KINDS)}"
        details.append(Detail("kind", reason, value.get("kind")))
    details += _wrong_numbers(value) + _wrong_texts(value)
    if details:
        raise validation_error(details)
    rule = {"path": DEFAULT_PATHS.get(value["kind"], INDEX_UPDATE), **value}
    if "docIds" in rule:
        rule["docIds"] = tuple(doc_id.lower() for doc_id in rule["docIds"])
    return FaultRule(**rule)


class FaultPlan:
    """The rules that are installed, and what each has met so far. Empty to begin with."""

    def __init__(self) -> None:
        self._installed: list[_InstalledRule] = []

    def install(self, rules: Sequence[FaultRule]) -> None:
        """Replaces all rules; their counts begin anew."""
        self._installed = [_InstalledRule(rule) for rule in rules]

    def rules(self) -> list[dict[str, Any]]:
        """The rules as JSON values, with their defaults."""
        return [asdict(installed.rule) for installed in self._installed]

    def decide(self, path: str, doc_id: str | None) -> list[FaultRule]:
        """What a request meets: all latencies, then at most one other fault, the first listed."""
        hits = [known.rule for known in self._installed if known.strikes(path, doc_id)]
        ends = [rule for rule in hits if rule.kind != "latency"]
        return [rule for rule in hits if rule.kind == "latency"] + ends[:1]


class _InstalledRule:
    def __init__(self, rule: FaultRule) -> None:
        self.rule = rule
        self._since: float | None = None
        self._met = 0
        self._attempts: Counter[str] = Counter()

    def strikes(self, path: str, doc_id: str | None) -> bool:
        rule = self.rule
        if not rule.meets(path, doc_id):
            return False
        self._met += 1
        if self._met <= rule.after or self._is_over():
            return False
        key = doc_id or path
        self._attempts[key] += 1
        attempt = self._attempts[key]
        return (rule.times is None or attempt <= rule.times) and _share(rule, key, attempt)

    def _is_over(self) -> bool:
        now = time.monotonic()
        if self._since is None:
            self._since = now
        return self.rule.seconds is not None and now - self._since >= self.rule.seconds


def _share(rule: FaultRule, key: str, attempt: int) -> bool:
    digest = hashlib.sha256(f"{rule.seed}:{key}:{attempt}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:6], "big") < rule.rate * 2**48


def _wrong_numbers(value: Mapping[str, Any]) -> list[Detail]:
    return [
        Detail(name, f"must be a number from {low:g} to {high:g}", value[name])
        for name, (low, high) in BOUNDS.items()
        if name in value and not (_is_number(value[name]) and low <= value[name] <= high)
    ]


def _wrong_texts(value: Mapping[str, Any]) -> list[Detail]:
    details = []
    path, doc_ids = value.get("path", "/"), value.get("docIds", [])
    if not isinstance(path, str) or not path.startswith("/"):
        details.append(Detail("path", "must begin with /", path))
    if not isinstance(doc_ids, list) or not all(isinstance(each, str) for each in doc_ids):
        details.append(Detail("docIds", "must be an array of strings", doc_ids))
    if not isinstance(value.get("applied", False), bool):
        details.append(Detail("applied", "must be true or false", value["applied"]))
    return details


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
