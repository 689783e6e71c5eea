"""
Are there known vulnerabilities in what constraints.txt installs? `make audit`.

Fails on one that is not in ACCEPTED. When the service that knows them cannot be reached, nothing
was audited: that is said loudly, and is no failure, as it says nothing about the lock.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "constraints.txt"
SECONDS = 240
# Id of a vulnerability → why it does not concern us, or until when it is borne.
ACCEPTED: Mapping[str, str] = {}


def report_of(lock: Path) -> Mapping[str, Any] | None:
    """pip-audit's report, or ``None`` when it came to none."""
    with TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [
            *(sys.executable, "-m", "pip_audit", "--requirement", str(lock)),
            *("--no-deps", "--disable-pip", "--timeout", "10", "--progress-spinner", "off"),
            *("--format", "json", "--output", str(report)),
        ]
        try:
            done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return None
        if not report.exists():
            sys.stderr.write(done.stderr.decode(errors="replace")[-2000:])
            return None
        found = json.loads(report.read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else None


def judged(
    report: Mapping[str, Any] | None, accepted: Mapping[str, str] = ACCEPTED
) -> tuple[int, list[str]]:
    """Exit code and what to say: 1 only for a vulnerability that nobody accepted."""
    packages = report["dependencies"] if report else []
    audited = [each for each in packages if "skip_reason" not in each]
    if not audited:
        return 0, [
            "!!! NOT AUDITED: the service that knows vulnerabilities cannot be reached from here.",
            "!!! Nothing is known about this lock. Run `make audit` where it can be reached.",
        ]
    said = [
        f"{each['name']} {each['version']}: {one['id']}, fixed in "
        f"{', '.join(one.get('fix_versions', ())) or 'no version yet'}"
        for each in audited
        for one in each["vulns"]
        if not {one["id"], *one.get("aliases", ())} & set(accepted)
    ]
    unknown = len(packages) - len(audited)
    counted = f"audited {len(audited)} packages: {len(said)} vulnerabilities"
    return int(bool(said)), [
        *said,
        counted + (f"; !!! {unknown} packages could not be audited" if unknown else ""),
    ]


def main() -> int:
    code, said = judged(report_of(LOCK))
    print("\n".join(said), file=sys.stderr if code or said[0].startswith("!!!") else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main())
