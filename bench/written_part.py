"""The part of a document that a program writes, between two markers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

END = "<!-- end of what is written -->"


@dataclass(frozen=True)
class WrittenPart:
    """``command`` writes one part of ``document``; everything around it stays."""

    document: Path
    command: str

    @property
    def begin(self) -> str:
        """The line before the part; :data:`END` is the one behind it."""
        return f"<!-- written by {self.command} -->"

    def put_into(self, text: str, part: str) -> str:
        """The document's text with this part in it. ValueError when it has no markers."""
        before, begin, rest = text.partition(self.begin)
        _, end, after = rest.partition(END)
        if not (begin and end):
            raise ValueError(f"{self.document.name} has no {self.begin} … {END}")
        return f"{before}{begin}\n\n{part}\n\n{end}{after}"

    def write(self, part: str) -> None:
        text = self.document.read_text(encoding="utf-8")
        self.document.write_text(self.put_into(text, part), encoding="utf-8")
        print(f"written to {self.document}")
