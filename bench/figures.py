"""What a program measured, and how it is written down."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

REPETITIONS = 5
_T = TypeVar("_T")


@dataclass(frozen=True)
class Spread:
    """The median of some measurements, the least and the most of them, and how many they were."""

    median: float
    least: float
    most: float
    turns: int = 1

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values), len(values))

    def shown(self, digits: int) -> str:
        if self.least == self.most:
            return f"{self.median:.{digits}f}"
        return f"{self.median:.{digits}f} ({self.least:.{digits}f}–{self.most:.{digits}f})"


@dataclass(frozen=True)
class Goal:
    """``bound`` is the least value that is good enough, or the most of it."""

    bound: float
    at_most: bool = False

    def met(self, value: float) -> bool:
        return value <= self.bound if self.at_most else value >= self.bound

    def shown(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.bound:g}"


@dataclass(frozen=True)
class Figure:
    """
    One row of the table.

    :param goal: ``None`` for a figure that only explains another one
    :param command: what measures it again
    :param remark: what stands beside it, such as the rates that the ratio was made of
    """

    what: str
    measured: Spread
    goal: Goal | None
    command: str
    unit: str = "×"
    digits: int = 2
    remark: str = ""
    good: bool = field(init=False)

    def __post_init__(self) -> None:
        met = self.goal is None or self.goal.met(self.measured.median)
        object.__setattr__(self, "good", met)

    @property
    def value(self) -> str:
        return f"{self.measured.shown(self.digits)} {self.unit}".strip()

    def line(self) -> str:
        """For the terminal."""
        goal = f", goal {self.goal.shown()}" if self.goal else ""
        missed = "" if self.good else " MISSED"
        remark = f" [{self.remark}]" if self.remark else ""
        return f"{self.what}: {self.value}{goal}{missed}{remark}"


def interleaved(
    sides: Mapping[str, Callable[[], _T]],
    repetitions: int = REPETITIONS,
    *,
    warm_up: bool = True,
) -> dict[str, list[_T]]:
    """
    Measure every side in turn, A B A B …, so that what else the machine does meets all of them.

    With ``warm_up`` every side is measured once more at the beginning, which does not count.
    """
    measured: dict[str, list[_T]] = {name: [] for name in sides}
    for repetition in range(-int(warm_up), repetitions):
        for name, measure in sides.items():
            gc.collect()
            value = measure()
            if repetition >= 0:
                measured[name].append(value)
    return measured


def ratios(above: Sequence[float], below: Sequence[float]) -> Spread:
    """The ratio of each repetition; the median of these, the least and the most."""
    return Spread.of([a / b for a, b in zip(above, below, strict=True)])
