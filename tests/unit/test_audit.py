"""What `make audit` asks pip-audit, and what it makes of the answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox import audit
from sandbox.audit import judged, passes

FINE: dict[str, Any] = {"name": "aiohttp", "version": "3.14.5", "vulns": []}
SKIPPED: dict[str, Any] = {"name": "uvicorn", "skip_reason": "not found"}
BAD: dict[str, Any] = {
    "name": "jinja2",
    "version": "3.0",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-2026-1"], "fix_versions": ["3.1"]}],
}


def test_a_vulnerability_fails_and_is_named_with_its_fix() -> None:
    code, said = judged([FINE, BAD], 2)
    assert code == 1
    assert said == [
        "jinja2 3.0: PYSEC-1, fixed in 3.1",
        "audited 2 of 2 pins: 1 vulnerabilities",
    ]


@pytest.mark.parametrize("accepted", ["PYSEC-1", "CVE-2026-1"])
def test_one_that_was_accepted_does_not_fail(accepted: str) -> None:
    assert judged([BAD], 1, {accepted: "why"})[0] == 0
    assert judged([BAD], 1, {"CVE-2026-2": "why"})[0] == 1


def test_a_clean_lock_passes() -> None:
    assert judged([FINE], 1) == (0, ["audited 1 of 1 pins: 0 vulnerabilities"])


@pytest.mark.parametrize("reported", [[], [SKIPPED]])
def test_nothing_audited_is_never_taken_for_nothing_found(reported: Any) -> None:
    code, said = judged(reported, 3)
    assert code == 0
    assert said[0].startswith("!!! NOT AUDITED")
    assert not any("0 vulnerabilities" in line for line in said)


@pytest.mark.parametrize("reported", [[FINE, SKIPPED], [FINE]])
def test_pins_that_were_left_out_are_counted(reported: Any) -> None:
    assert judged(reported, 3)[1][0].startswith(
        "!!! 2 PINS COULD NOT BE AUDITED; audited 1 of 3 pins"
    )


def test_the_pins_of_every_python_are_asked_about_and_none_twice_at_once() -> None:
    lock = """
# made by uv
old==1.0 ; python_full_version < '3.11'
both==1.0 ; python_full_version < '3.11'
both==2.0 ; python_full_version >= '3.11'
plain==3.0
both==2.0 ; sys_platform == 'win32'  # the same pin
"""
    assert passes(lock) == [["old==1.0", "both==1.0", "plain==3.0"], ["both==2.0"]]


def test_a_pip_audit_that_does_not_run_is_no_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(broken))
    assert audit.audited(["jinja2==3.0"]) == []
