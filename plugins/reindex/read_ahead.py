"""asyncio: pages that are read by a thread while the ones before them are being posted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

from reindex.pages import Page

PAGES_AHEAD = 2


async def read_ahead(pages: Iterator[Page]) -> AsyncIterator[Page]:
    """Read and build pages in a thread of their own while the ones before are being posted."""
    loop = asyncio.get_running_loop()
    thread = ThreadPoolExecutor(1, thread_name_prefix="source")
    coming = [loop.run_in_executor(thread, next, pages, None) for _ in range(PAGES_AHEAD)]
    try:
        while (page := await coming.pop(0)) is not None:
            coming.append(loop.run_in_executor(thread, next, pages, None))
            yield page
    finally:
        # A chunk that gives up does not wait for a read that hangs.
        thread.shutdown(wait=False, cancel_futures=True)
        await asyncio.wait([asyncio.gather(*coming, return_exceptions=True)], timeout=1)
