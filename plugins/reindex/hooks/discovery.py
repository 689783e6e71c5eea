"""The Discovery indexing API, over one keep-alive session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from airflow.sdk import BaseHook
from yarl import URL

from reindex import connection_ids
from reindex.answers import Answer, Reason, Refused, answer_of
from reindex.hooks.endpoint import Endpoint, endpoint_of

INDEX_UPDATE = "/search/index-update"
# The platform closes an idle connection after 5 s; one second of grace keeps us from posting
# into a connection that is being closed.
KEEP_ALIVE_SECONDS = 4.0


class DiscoverySession:
    """Posts index requests; every way that a post can end is an :data:`Answer`, never a raise."""

    def __init__(self, session: aiohttp.ClientSession, url: URL, proxy: str | None) -> None:
        self._session, self._url, self._proxy = session, url, proxy

    async def post(self, body: bytes) -> Answer:
        """Post one request's JSON, once."""
        try:
            async with self._session.post(
                self._url, data=body, proxy=self._proxy, allow_redirects=False
            ) as response:
                return answer_of(response.status, response.headers, await response.read())
        except asyncio.TimeoutError:
            return Refused(Reason.TIMEOUT, "no answer in time")
        except (aiohttp.ClientError, OSError) as error:
            # Its text may hold the URL with a proxy's credentials: the class says enough.
            return Refused(Reason.CONNECTION, type(error).__name__)


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
        """One keep-alive session; the number of connections is left to the caller's limit."""
        connector = aiohttp.TCPConnector(
            limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS, ssl=endpoint.ssl_context()
        )
        async with aiohttp.ClientSession(
            connector=connector,
            headers=endpoint.headers,
            timeout=aiohttp.ClientTimeout(total=endpoint.timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
        ) as session:
            yield DiscoverySession(session, URL(endpoint.base_url + INDEX_UPDATE), endpoint.proxy)
