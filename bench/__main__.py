"""
``python -m bench``: measures everything and writes ``docs/performance.md``.

With names (``python -m bench operator_rate knee``) only these are measured, and only their rows are
written anew: a row is always of one run of its program.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone

from bench import (
    REPOSITORY,
    against_sequential,
    celery_workers,
    chunk_memory,
    descriptor_bytes,
    knee,
    many_chunks,
    operator_rate,
    plan_time,
    read_side,
    task_rate,
    whole_run,
)
from bench.figures import Figure
from sandbox.system_packages import MissingProgramError

PROGRAMS: Mapping[str, Callable[[], list[Figure]]] = {
    "operator_rate": operator_rate.measure,
    "against_sequential": against_sequential.measure,
    "read_side": read_side.measure,
    "plan_time": plan_time.measure,
    "chunk_memory": chunk_memory.measure,
    "descriptor_bytes": descriptor_bytes.measure,
    "many_chunks": many_chunks.measure,
    "whole_run": whole_run.measure,
    "task_rate": task_rate.measure,
    "knee": knee.measure,
    "celery_workers": celery_workers.measure,
}
TABLE = REPOSITORY / "docs" / "performance.md"
HEAD = """# Performance

Written by `make bench` on {date}: {cpus} CPUs, {system}, Python {python}; {minutes:.0f} minutes.

Every figure is a ratio within one run of its program: its sides are measured in turns (A B A B …),
and the table shows the median of the turns' ratios with the least and the most of them. So a slow
machine, or one that does other things, changes the rates beside a ratio more than the ratio. Each
program runs alone too: `.venv/bin/{command}`.

"Recorded Mongo": the embedded Mongo needs several times more CPU for a document than the
operator, and would be what is measured. Its answers are recorded once, as the bytes that they were,
and given again in the same order: the operator decodes, joins and builds everything as ever. The
figures with the embedded Mongo running stand beside these without a goal.

"Generated Mongo": a small server that speaks MongoDB's wire protocol and answers from a formula,
with batches of BSON that are ready; ids and documents by the million come from there.

| figure | goal | measured: median (least–most) | | command |
| --- | --- | --- | --- | --- |
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(PROGRAMS)}; default: all")
    names = parser.parse_args(arguments).names
    if unknown := [name for name in names if name not in PROGRAMS]:
        parser.error(f"no program {unknown[0]!r}, only {', '.join(PROGRAMS)}")
    started = time.monotonic()
    figures = list(measured(names or PROGRAMS))
    if names:
        text = with_rows_of(figures, TABLE.read_text(encoding="utf-8"))
    else:
        text = table(figures, (time.monotonic() - started) / 60)
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(text, encoding="utf-8")
    print(f"written to {TABLE}")
    return 0 if all(figure.good for figure in figures) else 1


def measured(names: Iterable[str]) -> Iterator[Figure]:
    """Each program's figures, printed as they come; one that cannot run here is left out."""
    for name in names:
        try:
            figures = PROGRAMS[name]()
        except MissingProgramError as error:
            print(f"{name} is not measured: {error}", file=sys.stderr, flush=True)
            continue
        for figure in figures:
            print(figure.line(), flush=True)
            yield figure


def with_rows_of(figures: Iterable[Figure], page: str) -> str:
    """The page with these figures' rows in the place of their earlier ones, else at its end."""
    rows = {_row(figure).split("|")[1]: _row(figure) for figure in figures}
    lines = page.splitlines(keepends=True)
    text = "".join(rows.pop(line.split("|")[1], line) if "|" in line else line for line in lines)
    return text + "".join(rows.values())


def table(figures: Iterable[Figure], minutes: float) -> str:
    """The whole page."""
    head = HEAD.format(
        date=datetime.now(timezone.utc).date(),
        cpus=os.cpu_count(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        minutes=minutes,
        command=operator_rate.COMMAND,
    )
    return head + "".join(map(_row, figures))


def _row(figure: Figure) -> str:
    goal = figure.goal.shown() if figure.goal else "–"
    value = figure.value if figure.good else f"{figure.value}, **missed**"
    return f"| {figure.what} | {goal} | {value} | {figure.remark} | `{figure.command}` |\n"


if __name__ == "__main__":
    sys.exit(main())
