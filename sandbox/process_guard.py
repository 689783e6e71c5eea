"""Ends one recorded process group when the process that started it dies without doing so.

``python -m sandbox.process_guard RECORD`` reads its standard input; the owner holds the other end.
A line means that the owner has ended the group itself; an end of file without one means that the
owner is gone (SIGKILL, crash). The kernel closes the pipe in every case, which no handler can.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from sandbox.process_records import ProcessRecord, end_group, recorded_process

RELEASE = b"ended\n"


def guard(record_path: Path) -> None:
    """Blocks until the owner releases the guard or dies; in the second case ends the group."""
    record = ProcessRecord(**json.loads(record_path.read_text(encoding="utf-8")))
    if sys.stdin.buffer.readline() == RELEASE:
        return
    leader = recorded_process(record)
    if leader is not None:
        end_group(leader, signal.SIGTERM, 3.0)
    record_path.unlink(missing_ok=True)


if __name__ == "__main__":
    guard(Path(sys.argv[1]))
