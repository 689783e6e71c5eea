"""`make audit` on the lock as it is, with pip-audit as it is, up to the question to its service."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

from sandbox import audit
from sandbox.audit import LOCK, passes


def test_every_line_of_the_lock_is_asked_about_and_pip_audit_takes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = ""
    run = subprocess.run

    def listened(*arguments: Any, **options: Any) -> subprocess.CompletedProcess[bytes]:
        nonlocal said
        done: subprocess.CompletedProcess[bytes] = run(*arguments, **options)
        said += done.stderr.decode()
        return done

    monkeypatch.setattr(audit.subprocess, "run", listened)
    for pins in passes(LOCK.read_text()):
        audit.audited(pins, "--dry-run")
    counted = [int(each) for each in re.findall(r"would have audited (\d+) packages", said)]
    lines = [line for line in LOCK.read_text().splitlines() if re.match(r"\w", line)]
    assert sum(counted) == len(lines) > 200
