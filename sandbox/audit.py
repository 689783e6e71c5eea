"""
Are there known vulnerabilities in what constraints.txt installs? `make audit`.

Fails on one that is not in ACCEPTED. When the service that knows them cannot be reached, nothing
was audited: that is said loudly, and is no failure, as it says nothing about the lock.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "constraints.txt"
SECONDS = 240
# Id of a vulnerability → why it does not concern us, or until when it is borne.
ACCEPTED: Mapping[str, str] = {}


def passes(lock: str) -> list[list[str]]:
    """
    Every pin of a lock for all Pythons, without its marker; no list names a package twice.

    pip-audit leaves out what the running interpreter would not install, and refuses a second
    version of the same package.
    """
    versions: dict[str, dict[str, None]] = {}
    for line in lock.splitlines():
        if bare := line.partition("#")[0].strip():
            pin = Requirement(bare)
            versions.setdefault(pin.name, {})[f"{pin.name}{pin.specifier}"] = None
    each = [list(pins) for pins in versions.values()]
    return [
        [pins[number] for pins in each if number < len(pins)]
        for number in range(max(map(len, each), default=0))
    ]


def audited(pins: Sequence[str], *options: str) -> list[Mapping[str, Any]]:
    """What pip-audit reports of each pin; nothing when it came to no report."""
    with TemporaryDirectory() as folder:
        lock, report = Path(folder, "pins.txt"), Path(folder, "report.json")
        lock.write_text("\n".join(pins), encoding="utf-8")
        command = [
            *(sys.executable, "-m", "pip_audit", "--requirement", str(lock), *options),
            *("--no-deps", "--disable-pip", "--timeout", "10", "--progress-spinner", "off"),
            *("--format", "json", "--output", str(report)),
        ]
        try:
            done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return []
        if not report.exists():
            sys.stderr.write(done.stderr.decode(errors="replace")[-2000:])
            return []
        found = json.loads(report.read_text(encoding="utf-8"))["dependencies"]
    assert isinstance(found, list)
    return found


def judged(
    reported: Sequence[Mapping[str, Any]], pinned: int, accepted: Mapping[str, str] = ACCEPTED
) -> tuple[int, list[str]]:
    """Exit code and what to say: 1 only for a vulnerability that nobody accepted."""
    known = [each for each in reported if "skip_reason" not in each]
    if not known:
        return 0, [
            "!!! NOT AUDITED: the service that knows vulnerabilities cannot be reached from here.",
            "!!! Nothing is known about this lock. Run `make audit` where it can be reached.",
        ]
    said = [
        f"{each['name']} {each['version']}: {one['id']}, fixed in "
        f"{', '.join(one.get('fix_versions', ())) or 'no version yet'}"
        for each in known
        for one in each["vulns"]
        if not {one["id"], *one.get("aliases", ())} & set(accepted)
    ]
    counted = f"audited {len(known)} of {pinned} pins: {len(said)} vulnerabilities"
    if unknown := pinned - len(known):
        counted = f"!!! {unknown} PINS COULD NOT BE AUDITED; {counted}"
    return int(bool(said)), [*said, counted]


def main() -> int:
    rounds = passes(LOCK.read_text(encoding="utf-8"))
    reported = [each for pins in rounds for each in audited(pins)]
    code, said = judged(reported, sum(map(len, rounds)))
    loud = code or any(line.startswith("!!!") for line in said)
    print("\n".join(said), file=sys.stderr if loud else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main())
