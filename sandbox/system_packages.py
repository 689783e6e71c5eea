"""Programs that the system's packages bring, and what to say where they are missing."""

from __future__ import annotations

import shutil
from pathlib import Path


class MissingProgramError(RuntimeError):
    """The message names the Debian packages that would bring what is missing."""


def found_program(name: str, folders: list[Path]) -> Path | None:
    """On the PATH, else in the first of the folders that holds it."""
    places = [shutil.which(name), *(shutil.which(name, path=str(folder)) for folder in folders)]
    return next((Path(place) for place in places if place), None)


def missing_program(program: str, package: str) -> MissingProgramError:
    return MissingProgramError(
        f"there is no {program} on this machine; on Debian and Ubuntu: apt-get install {package}"
    )
