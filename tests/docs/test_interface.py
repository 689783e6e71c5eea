"""The pages of integrator, person on call and contributor name what the code has."""

from __future__ import annotations

import re
from dataclasses import fields

from reindex.answers import Reason
from reindex.conf import RunConf
from reindex.ledger import ChunkLedger
from reindex.run_ledger import run_ledger
from reindex.verdict import Verdict, run_result
from sandbox.processes import REPOSITORY

INTEGRATION = (REPOSITORY / "docs/integration.md").read_text()
RUNBOOK = (REPOSITORY / "docs/runbook.md").read_text()


def test_every_key_of_a_result_and_of_a_chunk_is_explained() -> None:
    result = run_result("run", run_ledger((), ()), RunConf(doc_types=()), Verdict(()))
    keys = {*result, "job", *(each.name for each in fields(ChunkLedger))}
    assert {key for key in keys if f"`{key}`" not in INTEGRATION} == set()


def test_every_module_has_its_place_in_the_architecture() -> None:
    text = (REPOSITORY / "docs/architecture.md").read_text()
    modules = {path.stem for path in (REPOSITORY / "plugins/reindex").glob("*.py")} - {"__init__"}
    assert {name for name in modules if not re.search(rf"\b{name}\b", text)} == set()


def test_every_reason_of_a_failure_has_its_row() -> None:
    section = RUNBOOK.partition("## Failures by reason")[2].partition("\n## ")[0]
    named = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", section, re.MULTILINE)
    assert {name for row in named for name in re.findall(r"\w+", row)} == set(Reason)
