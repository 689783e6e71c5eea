"""
The job registry: which job types this package works off, their payload's schema, their policy.

Source: the platform's Task 56.1 (`REINDEX_BATCH_SCHEMA`, `REINDEX_BATCH_POLICY`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from reindex.errors import InvalidConf, InvalidKey, UnknownJobType

if TYPE_CHECKING:
    from jsonschema import ValidationError

REINDEX_BATCH = "reindex.batch"


@dataclass(frozen=True)
class JobPolicy:
    """How often a job may be executed, and how long one execution may take."""

    max_attempts: int
    timeout: timedelta


@dataclass(frozen=True)
class JobType:
    """A registered job type; ``schema`` is the JSON schema of its payload."""

    name: str
    schema: Mapping[str, object]
    policy: JobPolicy


JOB_TYPES: dict[str, JobType] = {
    REINDEX_BATCH: JobType(
        name=REINDEX_BATCH,
        schema={
            "type": "object",
            "required": ["docType", "docIds"],
            "properties": {
                "docType": {"type": "string"},
                "docIds": {"type": "array", "items": {"type": "string"}},
            },
        },
        policy=JobPolicy(max_attempts=3, timeout=timedelta(seconds=3600)),
    )
}


def job_type(name: str) -> JobType:
    """
    The registered job type of that name.

    :raises UnknownJobType: names the type and those that are registered
    """
    try:
        return JOB_TYPES[name]
    except (KeyError, TypeError):
        raise UnknownJobType(
            f"job type {name!r} is not registered; registered: {', '.join(sorted(JOB_TYPES))}"
        ) from None


def check_payload(name: str, payload: object) -> None:
    """
    Hold a job's payload against the schema of its type.

    :raises UnknownJobType: for a type that is not registered
    :raises InvalidConf: names the first field that breaks the schema
    """
    from jsonschema import Draft202012Validator  # at run time: the DAG file imports this module

    schema = job_type(name).schema
    for error in sorted(Draft202012Validator(schema).iter_errors(payload), key=_place):
        if error.validator == "required":
            assert isinstance(error.instance, Mapping)
            field = next(key for key in error.validator_value if key not in error.instance)
            raise InvalidKey(field, f"is not given: a {name} job requires it")
        field = error.json_path.removeprefix("$").removeprefix(".") or "payload"
        raise InvalidConf(field, error.instance, f"of type {error.validator_value}")


def _place(error: ValidationError) -> list[tuple[bool, str | int]]:
    """Sorts by field, and within a list by number."""
    return [(isinstance(step, int), step) for step in error.absolute_path]
