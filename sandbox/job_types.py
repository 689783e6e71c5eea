"""The job types that the Jobs service knows, with their payload schema and policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.answers import Detail

JSON_TYPES: Mapping[str, type] = {"string": str, "array": list}


@dataclass(frozen=True)
class JobType:
    """``required`` maps a payload field to ``string`` or ``array``."""

    required: Mapping[str, str]
    max_attempts: int

    def breaches(self, payload: Mapping[str, Any]) -> list[Detail]:
        """What the payload breaks of the schema; empty when it fits. Other fields may be there."""
        return [
            Detail(f"payload.{name}", f"must be of type {kind}", payload.get(name))
            for name, kind in self.required.items()
            if not isinstance(payload.get(name), JSON_TYPES[kind])
        ]


JOB_TYPES: Mapping[str, JobType] = {
    "reindex.batch": JobType({"docType": "string", "docIds": "array"}, max_attempts=3)
}
