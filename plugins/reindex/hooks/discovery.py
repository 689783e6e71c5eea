"""The Discovery indexing API, over keep-alive connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
from airflow.sdk import BaseHook
from airflow.sdk._shared.secrets_masker import redact
from yarl import URL

from reindex import connection_ids
from reindex.answers import Answer, Reason, Refused, answer_of
from reindex.hooks.endpoint import Endpoint, endpoint_of
from reindex.hooks.keep_alive import HttpAnswer, KeepAlivePosts

INDEX_UPDATE = "/search/index-update"

PostOnce = Callable[[bytes], Awaitable[HttpAnswer]]


class DiscoverySession:
    """Posts index requests; every way that a post can end is an :data:`Answer`, never a raise."""

    def __init__(self, post_once: PostOnce) -> None:
        self._post_once = post_once

    async def post(self, body: bytes) -> Answer:
        """Post one request's JSON, once."""
        try:
            answer = await self._post_once(body)
        except asyncio.TimeoutError:
            return Refused(Reason.TIMEOUT, "no answer in time")
        except (aiohttp.ClientError, OSError) as error:
            # Its text may hold the URL with a proxy's credentials: the class says enough.
            return Refused(Reason.CONNECTION, type(error).__name__)
        return _without_secrets(answer_of(answer.status, answer.headers, answer.body))


def _without_secrets(answer: Answer) -> Answer:
    """A service that echoes our headers must not put the token into XComs and reports."""
    if isinstance(answer, Refused):
        return replace(answer, message=str(redact(answer.message)))
    return answer


class DiscoveryHook(BaseHook):
    """
    Opens sessions to the Discovery service.

    :param discovery_conn_id: a connection of type ``http``; its password is the bearer token
    """

    conn_name_attr = "discovery_conn_id"
    default_conn_name = connection_ids.DISCOVERY

    def __init__(self, discovery_conn_id: str = connection_ids.DISCOVERY) -> None:
        super().__init__()
        self.discovery_conn_id = discovery_conn_id

    def endpoint(self) -> Endpoint:
        """The service's address. A lookup: call it outside the event loop."""
        return endpoint_of(self.discovery_conn_id)

    @asynccontextmanager
    async def session(self, endpoint: Endpoint) -> AsyncIterator[DiscoverySession]:
        """One session; how many posts are in flight is left to the caller's limit."""
        url = URL(endpoint.base_url + INDEX_UPDATE)
        if endpoint.proxy is None:
            context = endpoint.ssl_context() if url.scheme == "https" else None
            async with KeepAlivePosts(url, endpoint.headers, endpoint.timeout, context) as posts:
                yield DiscoverySession(posts.post)
        else:
            async with _through_proxy(url, endpoint, endpoint.proxy) as post_once:
                yield DiscoverySession(post_once)


@asynccontextmanager
async def _through_proxy(url: URL, endpoint: Endpoint, proxy: str) -> AsyncIterator[PostOnce]:
    """A proxy is spoken to by a full client; the CPU that it takes is then not what counts."""
    connector = aiohttp.TCPConnector(limit=0, ssl=endpoint.ssl_context())
    async with aiohttp.ClientSession(
        connector=connector,
        headers=endpoint.headers,
        timeout=aiohttp.ClientTimeout(total=endpoint.timeout),
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:

        async def post_once(body: bytes) -> HttpAnswer:
            async with session.post(url, data=body, proxy=proxy, allow_redirects=False) as answer:
                return HttpAnswer(answer.status, answer.headers, await answer.read())

        yield post_once
