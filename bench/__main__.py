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

Written by `make bench`: {cpus} CPUs, {system}, Python {python}. Each row says on which day its
program was run last: one alone, as with `.venv/bin/python -m bench knee`, writes its own rows anew.

A ratio (×) is one within a run of its program: its sides are measured in turns (A B A B …), and the
table shows the median of the turns' ratios with the least and the most of them. So a slow machine,
or one that does other things, changes the rates beside a ratio more than the ratio. What is counted
and not timed, such as bytes, has one turn.

"Recorded Mongo": the embedded Mongo needs several times more CPU for a document than the
operator, and would be what is measured. Its answers are recorded once, as the bytes that they were,
and given again in the same order: the operator decodes, joins and builds everything as ever. The
figures with the embedded Mongo running stand beside these without a goal.

"Generated Mongo": a small server that speaks MongoDB's wire protocol and answers from a formula,
with batches of BSON that are ready; ids and documents by the million come from there.

"Pages → payloads": a bare cursor does nothing but decode BSON, in C, into dicts that nobody looks
at. Beside that the operator decodes the joined documents, builds the payload, finds the newest
`updatedAt`, checks every value for what JSON cannot say and encodes the body, in Python. The
bound on that is "these cursors and the encoding of payloads that are there already": what is C
whoever calls it, the two decodings and the encoding, with nothing of the Python between them. It is
a part of "CPU per document", and posting is the larger one.

"Bytes that a mapped task pulls": Airflow gives each of them the whole list of chunks. It cannot be
constant, as a run of one chunk has one and a large one many; it is bounded, as the chunks grow once
there would be more than `max_map_length` (1024) of them, and so does the list.

| figure | goal | measured: median (least–most) | | turns | on | command |
| --- | --- | --- | --- | --- | --- | --- |
"""
TABLE_BEGINS = HEAD.splitlines(keepends=True)[-1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(PROGRAMS)}; default: all")
    names = parser.parse_args(arguments).names
    if unknown := [name for name in names if name not in PROGRAMS]:
        parser.error(f"no program {unknown[0]!r}, only {', '.join(PROGRAMS)}")
    figures = list(measured(names or PROGRAMS))
    text = with_rows_of(figures, TABLE.read_text(encoding="utf-8")) if names else table(figures)
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
    """
    The page with these figures in the place of what their programs wrote, else at its end; what
    stands above the table is written anew as well.
    """
    by_command: dict[str, str] = {}
    for figure in figures:
        command = f"`{figure.command}`"
        by_command[command] = by_command.get(command, "") + _row(figure)
    text = _head()
    for line in page.partition(TABLE_BEGINS)[2].splitlines(keepends=True):
        command = line.split("|")[-2].strip() if line.startswith("|") else ""
        if command not in by_command:
            text += line
        elif by_command[command]:
            # The first of the program's rows becomes all of its new ones.
            text, by_command[command] = text + by_command[command], ""
    return text + "".join(by_command.values())


def table(figures: Iterable[Figure]) -> str:
    """The whole page."""
    return _head() + "".join(map(_row, figures))


def _head() -> str:
    return HEAD.format(
        cpus=os.cpu_count(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
    )


def _row(figure: Figure) -> str:
    goal = figure.goal.shown() if figure.goal else "–"
    value = figure.value if figure.good else f"{figure.value}, **missed**"
    today, turns = datetime.now(timezone.utc).date(), figure.measured.turns
    cells = (figure.what, goal, value, figure.remark, turns, today, f"`{figure.command}`")
    return f"| {' | '.join(map(str, cells))} |\n"


if __name__ == "__main__":
    sys.exit(main())
