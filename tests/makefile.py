"""The Makefile's recipes as somebody types them, in the environment that the tests run in."""

from __future__ import annotations

import sys


def make(target: str, **variables: object) -> list[str]:
    """
    The command line for ``make TARGET NAME=value …``.

    The environment is taken as it is: made anew in the middle of the tests, it would take away the
    ground that they stand on.
    """
    environment = [f"--old-file={sys.prefix}/.ready", f"VENV={sys.prefix}"]
    return ["make", *environment, target, *(f"{name}={value}" for name, value in variables.items())]
