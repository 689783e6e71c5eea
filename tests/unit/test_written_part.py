"""What a program writes into a document, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.written_part import END, WrittenPart

PART = WrittenPart(Path("docs/some.md"), "python -m bench.some")


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    once = PART.put_into(f"head\n{PART.begin}\nold\n{END}\nrest\n", "new")
    assert once == f"head\n{PART.begin}\n\nnew\n\n{END}\nrest\n"
    assert PART.put_into(once, "new") == once


@pytest.mark.parametrize("text", ["nothing", f"only the end {END}", f"no end {PART.begin}"])
def test_a_document_without_the_markers_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"some\.md has no <!-- written by python -m bench\.some"):
        PART.put_into(text, "new")


def test_the_document_is_written(tmp_path: Path) -> None:
    part = WrittenPart(tmp_path / "some.md", PART.command)
    part.document.write_text(f"Köpfe\n{part.begin}\n{END}\n", encoding="utf-8")
    part.write("ÄÖ")
    assert "ÄÖ" in part.document.read_text(encoding="utf-8")
