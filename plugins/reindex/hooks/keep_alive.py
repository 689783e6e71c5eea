"""
Posts over keep-alive connections, as lean as asyncio and httptools (the parser of uvicorn) allow.

A full HTTP client takes more CPU for a post than all the rest of a document's way from Mongo to
the service, and with it the event loop that everything shares. What is left out is what one URL
and one method never need: redirects, cookies, decompression, a timer for every request.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType

import httptools
from yarl import URL

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:
    from async_timeout import timeout

# An idle connection is closed by the platform after 5 s; one second of grace keeps us from
# posting into a connection that is being closed.
IDLE_SECONDS = 4.0
MOST_ANSWER_BYTES = 1_000_000
# The headers that an answer is classified by; the others are not even decoded.
_KEPT = {b"retry-after": "Retry-After", b"content-type": "Content-Type"}
# An answer with one of these says itself where it ends; any other ends with its connection.
_SAYS_ITS_END = (b"content-length", b"transfer-encoding")


@dataclass(frozen=True)
class HttpAnswer:
    """One answer; ``headers`` holds ``Retry-After`` and ``Content-Type`` if they were there."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Connection(asyncio.Protocol):
    """One connection: at most one request at a time, whose answer resolves ``waiter``."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.waiter: asyncio.Future[HttpAnswer] | None = None
        self.deadline = 0.0
        self.idle_since = 0.0
        self.reusable = False
        self.received = 0
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._ends_with_connection = False

    @property
    def alive(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.fail(exc or ConnectionResetError("closed before the answer was complete"))

    def eof_received(self) -> None:
        if self._ends_with_connection:
            self._answered(self._parser.get_status_code())

    def data_received(self, data: bytes) -> None:
        if self.waiter is None:  # nobody asked: not a server to go on talking to
            self.abort()
            return
        self.received += len(data)
        if self.received > MOST_ANSWER_BYTES:
            self.fail(ConnectionError("the answer is too large"))
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.fail(ConnectionError("the answer switches to another protocol"))
        except httptools.HttpParserError:
            self.fail(ConnectionError("the answer is not HTTP"))

    def on_message_begin(self) -> None:
        self._headers = {}
        self._body = bytearray()
        self._says_its_end = self._ends_with_connection = False

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if kept := _KEPT.get(name):
            self._headers[kept] = value.decode("latin-1")
        elif name in _SAYS_ITS_END:
            self._says_its_end = True

    def on_headers_complete(self) -> None:
        self._ends_with_connection = not self._says_its_end

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._ends_with_connection = False
        status = self._parser.get_status_code()
        if status < 200:  # "continue" and the like: the answer is still to come
            return
        if self.waiter is None or self.waiter.done():  # more than was asked for
            self.reusable = False
            return
        self.reusable = self._parser.should_keep_alive()
        self._answered(status)

    def _answered(self, status: int) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(HttpAnswer(status, self._headers, bytes(self._body)))

    def fail(self, error: Exception) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_exception(error)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


@dataclass
class KeepAlivePosts:
    """
    Posts bodies to one URL; an async context manager.

    As many connections as there are posts at a time. ``timeout`` is in seconds, for a whole post.

    :param headers: sent with every post, beside ``Host`` and ``Content-Length``
    :param ssl_context: for an ``https`` URL, and only for one
    """

    url: URL
    headers: Mapping[str, str] = field(repr=False)
    timeout: float
    ssl_context: ssl.SSLContext | None = None
    _idle: list[_Connection] = field(default_factory=list, repr=False)
    _busy: set[_Connection] = field(default_factory=set, repr=False)

    async def __aenter__(self) -> KeepAlivePosts:
        self._loop = asyncio.get_running_loop()
        lines = [f"POST {self.url.raw_path_qs} HTTP/1.1", f"Host: {self.url.raw_authority}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        self._head = ("\r\n".join(lines) + "\r\nContent-Length: ").encode("latin-1")
        self._watch = self._loop.create_task(self._end_late_posts())
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._watch.cancel()
        for connection in (*self._idle, *self._busy):
            connection.abort()
        await asyncio.sleep(0)  # lets the transports close

    async def post(self, body: bytes) -> HttpAnswer:
        """
        Post once.

        :raises asyncio.TimeoutError: no complete answer within the time-out
        :raises OSError: no connection, or one that was lost; ``ssl.SSLError`` is one too
        """
        deadline = self._loop.time() + self.timeout  # connecting is part of it
        connection = self._idle_connection() or await self._connect()
        if connection.transport is None:  # a server that goes down may accept and reset at once
            raise ConnectionResetError("closed before the request was sent")
        connection.reusable, connection.received = False, 0
        connection.waiter = self._loop.create_future()
        connection.deadline = deadline
        self._busy.add(connection)
        try:
            connection.transport.write(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
            return await connection.waiter
        finally:
            self._release(connection)

    def _release(self, connection: _Connection) -> None:
        self._busy.discard(connection)
        connection.waiter = None
        if connection.reusable and connection.alive:
            connection.idle_since = self._loop.time()
            self._idle.append(connection)
        else:
            connection.abort()

    def _idle_connection(self) -> _Connection | None:
        oldest = self._loop.time() - IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.alive and connection.idle_since > oldest:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> _Connection:
        assert self.url.host is not None
        assert self.url.port is not None
        # Not wait_for: before Python 3.12 it loses a cancellation that meets the result.
        async with timeout(self.timeout):
            _, connection = await self._loop.create_connection(
                _Connection,
                self.url.host,
                self.url.port,
                ssl=self.ssl_context,
                happy_eyeballs_delay=0.25,
            )
        return connection

    async def _end_late_posts(self) -> None:
        """One look at all posts now and then, instead of a timer for each."""
        while True:
            await asyncio.sleep(min(0.25, self.timeout / 20))
            now = self._loop.time()
            for connection in self._busy:
                if connection.deadline <= now:
                    connection.fail(asyncio.TimeoutError())
