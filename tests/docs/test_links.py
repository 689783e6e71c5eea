"""Every link of the documentation leads somewhere; every Python block is Python."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.docs.documents import DOCUMENTS, Block, anchors, blocks

NAMED = [path.name for path in DOCUMENTS]
LINKS = [
    pytest.param(path, link, id=f"{path.name}: {link}")
    for path in DOCUMENTS
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text())
    if "://" not in link
]
PYTHON = [block for path in DOCUMENTS for block in blocks(path) if block.language == "python"]


@pytest.mark.parametrize(("document", "link"), LINKS)
def test_link_leads_somewhere(document: Path, link: str) -> None:
    name, _, anchor = link.partition("#")
    target = (document.parent / name).resolve() if name else document
    assert target.exists()
    if anchor:
        assert anchor in anchors(target)


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.document)
def test_python_block_is_python(block: Block) -> None:
    ast.parse(block.text)


def test_the_four_readers_find_their_page() -> None:
    assert {
        "README.md", "runbook.md", "integration.md", "architecture.md", "CONTRIBUTING.md",
        "CHANGELOG.md", "new-doc-type.md",
    } <= set(NAMED)  # fmt: skip
