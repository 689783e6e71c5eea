"""Every link of the documentation leads somewhere; every Python block is Python."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from sandbox.processes import REPOSITORY
from tests.docs.documents import DOCUMENTS, Block, anchors, blocks

README = REPOSITORY / "README.md"
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


def test_the_readme_leads_to_every_page() -> None:
    linked = {link.values[1].partition("#")[0] for link in LINKS if link.values[0] == README}
    pages = {str(path.relative_to(README.parent)) for path in DOCUMENTS} - {README.name}
    assert {"docs/runbook.md", "CHANGELOG.md"} <= pages <= linked
