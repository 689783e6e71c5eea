"""What the documentation says, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sandbox.processes import REPOSITORY

DOCUMENTS = sorted(
    [*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")], key=lambda path: path.name
)


@dataclass(frozen=True)
class Block:
    """A fenced block; ``language`` is what stands behind the fence (``sh``, ``sh not-here``)."""

    document: str
    language: str
    text: str


def blocks(path: Path) -> list[Block]:
    found = re.findall(r"^```([^\n]*)\n(.*?)^```$", path.read_text(), re.DOTALL | re.MULTILINE)
    return [Block(str(path.relative_to(REPOSITORY)), language, text) for language, text in found]


def commands(path: Path) -> list[str]:
    """The command lines of its ``sh`` blocks, without comments, continued lines joined."""
    lines: list[str] = []
    for block in blocks(path):
        if block.language == "sh":
            lines += re.sub(r"\\\n\s*", "", block.text).splitlines()
    bare = [re.sub(r"(^|\s)# .*$", "", line).strip() for line in lines]
    return [line for line in bare if line]


def inline_commands(path: Path) -> list[str]:
    """What stands in backticks within the text and is typed into a shell; each once."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    spans = [" ".join(each.split()) for each in re.findall(r"`([^`]+)`", text)]
    typed = ("make ", "python ", "python3 ", "sh ", "airflow ", ".venv/bin/", ".ci/run")
    return sorted({each for each in spans if each.startswith(typed)})


def anchors(path: Path) -> set[str]:
    """The anchors of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}
