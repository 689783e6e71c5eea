"""The table of `docs/reliability.md`: what each fault test injected, and how its run ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench import REPOSITORY
from bench.written_part import WrittenPart

PART = WrittenPart(REPOSITORY / "docs" / "reliability.md", "tests/e2e/test_faults.py")


@dataclass
class FaultTable:
    """Rows in the order of the tests; written only when every one of them has passed."""

    rows: dict[str, tuple[str, str]] = field(default_factory=dict)

    def add(self, fault: str, run: str, outcome: str) -> None:
        self.rows[fault] = (run, outcome)

    def write(self) -> None:
        lines = ["| what goes wrong | the run | what the ledger, the index and the job say |"]
        lines += ["| --- | --- | --- |"]
        lines += [f"| {fault} | {run} | {said} |" for fault, (run, said) in self.rows.items()]
        PART.write("\n".join(lines))
