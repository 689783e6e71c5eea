"""
Pure: the pages that are on their way, and how they get into the ledger.

Answers come in any order, pages are folded in theirs: so the ledger's position is always a place
up to which everything is accounted for.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from reindex.folding import Result, folded
from reindex.ledger import ChunkLedger
from reindex.pages import Page


@dataclass
class OpenPage:
    """A page on its way: its items' results so far, and how many of its items are folded."""

    page: Page
    results: list[Result | None]
    waiting: int
    folded: int = 0

    def settle(self, place: int, result: Result) -> None:
        """What the page's item at this place came to."""
        self.results[place] = result
        self.waiting -= 1

    def settled_up_to(self) -> int:
        """How many of the items, from the first on, have a result without a gap."""
        done = self.folded
        while done < len(self.results) and self.results[done] is not None:
            done += 1
        return done


@dataclass
class OpenPages:
    """The pages that are not wholly folded yet, in their order."""

    _pages: deque[OpenPage] = field(default_factory=deque)

    def add(self, page: Page) -> OpenPage:
        """A page none of whose items is settled."""
        opened = OpenPage(page, [None] * len(page.items), len(page.items))
        self._pages.append(opened)
        return opened

    @property
    def unsettled(self) -> int:
        """Items without a result."""
        return sum(opened.waiting for opened in self._pages)

    def folded_into(
        self, ledger: ChunkLedger, requests: int, *, also_begun: bool = False
    ) -> ChunkLedger:
        """
        The ledger with the pages that are done in it; the same object when there is none.

        :param requests: so many were posted since the last fold
        :param also_begun: with the done beginning of the page after these, too
        """
        while self._pages and (also_begun or not self._pages[0].waiting):
            opened = self._pages[0]
            begin, done = opened.folded, opened.settled_up_to()
            part = Page(opened.page.items[begin:done], opened.page.positions[begin:done])
            ledger = folded(ledger, part, opened.results[begin:done], requests)
            requests, opened.folded = 0, done
            if opened.waiting:
                break
            self._pages.popleft()
        return ledger
