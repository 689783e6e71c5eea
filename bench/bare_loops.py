"""What the operator is held against: loops that do nothing but post bodies that are ready."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import aiohttp
import requests

from bench.target import PATH

# Byte for byte what the operator sends with each request.
HEADERS = {"Authorization": "Bearer bench-token", "Content-Type": "application/json"}


def post_concurrently(base_url: str, bodies: Sequence[bytes], concurrency: int) -> None:
    """aiohttp, as plainly as it can be used: so many loops over one session."""
    asyncio.run(_post_concurrently(base_url + PATH, bodies, concurrency))


async def _post_concurrently(url: str, bodies: Sequence[bytes], concurrency: int) -> None:
    connector = aiohttp.TCPConnector(limit=concurrency)
    left = iter(bodies)
    async with aiohttp.ClientSession(connector=connector, headers=HEADERS) as session:
        await asyncio.gather(*(_post_each(session, url, left) for _ in range(concurrency)))


async def _post_each(session: aiohttp.ClientSession, url: str, bodies: Iterator[bytes]) -> None:
    for body in bodies:
        async with session.post(url, data=body) as response:
            await response.read()
            response.raise_for_status()


def post_in_sequence(base_url: str, bodies: Sequence[bytes]) -> None:
    """requests, one after the other over one keep-alive session."""
    with requests.Session() as session:
        session.headers.update(HEADERS)
        for body in bodies:
            session.post(base_url + PATH, data=body, timeout=10).raise_for_status()
