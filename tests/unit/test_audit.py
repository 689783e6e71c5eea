"""What `make audit` makes of pip-audit's report."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.audit import judged

FINE: dict[str, Any] = {"name": "aiohttp", "version": "3.14.5", "vulns": []}
SKIPPED: dict[str, Any] = {"name": "uvicorn", "skip_reason": "not found"}
BAD: dict[str, Any] = {
    "name": "jinja2",
    "version": "3.0",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-2026-1"], "fix_versions": ["3.1"]}],
}


def test_a_vulnerability_fails_and_is_named_with_its_fix() -> None:
    code, said = judged({"dependencies": [FINE, BAD]})
    assert code == 1
    assert said == [
        "jinja2 3.0: PYSEC-1, fixed in 3.1",
        "audited 2 packages: 1 vulnerabilities",
    ]


@pytest.mark.parametrize("accepted", ["PYSEC-1", "CVE-2026-1"])
def test_one_that_was_accepted_does_not_fail(accepted: str) -> None:
    assert judged({"dependencies": [BAD]}, {accepted: "why"})[0] == 0
    assert judged({"dependencies": [BAD]}, {"CVE-2026-2": "why"})[0] == 1


def test_a_clean_lock_passes() -> None:
    assert judged({"dependencies": [FINE]}) == (0, ["audited 1 packages: 0 vulnerabilities"])


@pytest.mark.parametrize("report", [None, {"dependencies": []}, {"dependencies": [SKIPPED]}])
def test_nothing_audited_is_never_taken_for_nothing_found(report: Any) -> None:
    code, said = judged(report)
    assert code == 0
    assert said[0].startswith("!!! NOT AUDITED")
    assert not any("0 vulnerabilities" in line for line in said)


def test_packages_that_were_left_out_are_counted() -> None:
    assert "!!! 1 packages could not be audited" in judged({"dependencies": [FINE, SKIPPED]})[1][0]
