"""Posts over keep-alive connections, against servers that answer whatever a test scripts."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from yarl import URL

from reindex.answers import Accepted, Reason, Refused
from reindex.hooks import keep_alive
from reindex.hooks.discovery import DiscoveryHook
from reindex.hooks.endpoint import Endpoint
from reindex.hooks.keep_alive import KeepAlivePosts
from tests.integration.certificates import self_signed

T = TypeVar("T")
Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]
INDEXED = b'{"status": "indexed"}'
BODY = b'{"docId": "1"}'


def answer(body: bytes = INDEXED, head: bytes = b"200 OK", more: bytes = b"") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return b"HTTP/1.1 %b\r\n%b%b\r\n%b" % (head, length, more, body)


def say(*parts: bytes) -> Answering:
    """Answer every request with these bytes, each part in a packet of its own."""

    async def answering(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.005)

    return answering


@dataclass
class Server:
    """Counts its connections and keeps the heads and bodies of its requests."""

    answering: Answering
    connections: int = 0
    requests: list[tuple[bytes, bytes]] = field(default_factory=list)
    url: URL = field(default_factory=URL)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
                body = await reader.readexactly(length)
                self.requests.append((head, body))
                await self.answering(reader, writer, body)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    answering: Answering, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    server = Server(answering)
    listening = await asyncio.start_server(server.serve, host, 0, ssl=tls)
    port = listening.sockets[0].getsockname()[1]
    scheme = "https" if tls else "http"
    server.url = URL.build(scheme=scheme, host=host, port=port, path="/search/index-update")
    try:
        yield server
    finally:
        listening.close()


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 20))


def posts(server: Server, timeout: float = 5, tls: ssl.SSLContext | None = None) -> KeepAlivePosts:
    return KeepAlivePosts(server.url, {"Authorization": "Bearer t"}, timeout, tls)


def test_one_after_the_other_goes_over_one_connection() -> None:
    async def work() -> Server:
        async with serving(say(answer())) as server, posts(server) as session:
            for _ in range(5):
                got = await session.post(BODY)
                assert (got.status, got.body) == (200, INDEXED)
        return server

    server = run(work())
    assert server.connections == 1
    assert [body for _, body in server.requests] == [BODY] * 5
    head = server.requests[0][0]
    assert head.startswith(b"POST /search/index-update HTTP/1.1\r\n")
    assert b"\r\nHost: %b\r\n" % server.url.raw_authority.encode() in head
    assert b"\r\nAuthorization: Bearer t\r\n" in head


def test_as_many_connections_as_posts_at_a_time() -> None:
    async def work() -> int:
        async with serving(say(answer())) as server, posts(server) as session:
            for _ in range(3):
                await asyncio.gather(*(session.post(BODY) for _ in range(8)))
        return server.connections

    assert run(work()) == 8


@pytest.mark.parametrize(
    "parts",
    [
        [b"HTTP/1.1 100 Continue\r\n\r\n", answer()],
        [answer()[:9], answer()[9:30], answer()[30:]],
        [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"5\r\n" + INDEXED[:5] + b"\r\n",
            b"10\r\n" + INDEXED[5:] + b"\r\n0\r\n\r\n",
        ],
    ],
    ids=["after 100 Continue", "in three packets", "chunked"],
)
def test_an_answer_may_come_in_any_form(parts: list[bytes]) -> None:
    async def work() -> tuple[bytes, int]:
        async with serving(say(*parts)) as server, posts(server) as session:
            await session.post(BODY)
            return (await session.post(BODY)).body, server.connections

    assert run(work()) == (INDEXED, 1)


@pytest.mark.parametrize(("head", "body"), [(b"401 Unauthorized", b"who?"), (b"200 OK", INDEXED)])
def test_an_answer_may_end_with_its_connection(head: bytes, body: bytes) -> None:
    """As a simple proxy answers; a refused token must not pass for a connection that was lost."""

    async def work() -> tuple[int, bytes]:
        answering = hang_up(b"HTTP/1.1 %b\r\nContent-Type: text/plain\r\n\r\n%b" % (head, body))
        async with serving(answering) as server, posts(server) as session:
            for _ in range(2):
                got = await session.post(BODY)
        assert server.connections == 2
        return got.status, got.body

    assert run(work()) == (int(head[:3]), body)


def test_only_the_headers_that_matter_are_kept() -> None:
    more = b"retry-after: 7\r\nCONTENT-TYPE: text/html\r\nX-Other: 1\r\n"

    async def work() -> Any:
        answering = say(answer(b"", b"429 Too Many", more))
        async with serving(answering) as server, posts(server) as session:
            return await session.post(BODY)

    got = run(work())
    assert (got.status, got.headers) == (429, {"Retry-After": "7", "Content-Type": "text/html"})


@pytest.mark.parametrize(
    "answering",
    [
        say(answer(more=b"Connection: close\r\n")),
        say(answer() + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ],
    ids=["the server closes", "more than was asked for"],
)
def test_a_connection_that_cannot_be_trusted_is_not_used_again(answering: Answering) -> None:
    async def work() -> int:
        async with serving(answering) as server, posts(server) as session:
            for _ in range(3):
                assert (await session.post(BODY)).status == 200
                await asyncio.sleep(0.02)
        return server.connections

    assert run(work()) == 3


def test_a_connection_that_was_idle_for_long_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keep_alive, "IDLE_SECONDS", 0.05)

    async def work() -> int:
        async with serving(say(answer())) as server, posts(server) as session:
            await session.post(BODY)
            await asyncio.sleep(0.1)
            await session.post(BODY)
        return server.connections

    assert run(work()) == 2


def hang_up(after: bytes) -> Answering:
    async def answering(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
        writer.write(after)
        await writer.drain()
        writer.close()

    return answering


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes) -> None:
    writer.transport.abort()


@pytest.mark.parametrize(
    "answering",
    [
        hang_up(answer()[:-4]),
        hang_up(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n" + INDEXED[:5]),
        hang_up(b"HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain\r\n"),
        hang_up(b"HTTP/1.1 100 Continue\r\n\r\n"),
        reset,
        say(b"SSH-2.0-OpenSSH\r\n"),
        say(answer(b"x" * 1_100_000)),
        say(b"HTTP/1.1 200 OK\r\nX-Endless: " + b"x" * 1_100_000),
        say(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        ),
    ],
    ids=[
        "closed half way",
        "closed between chunks",
        "closed in the head",
        "closed after 100",
        "reset",
        "not HTTP",
        "endless body",
        "endless header",
        "another protocol",
    ],
)
def test_a_broken_answer_is_an_error_of_the_connection(answering: Answering) -> None:
    async def work() -> None:
        async with serving(answering) as server, posts(server) as session:
            for _ in range(2):
                with pytest.raises(ConnectionError):
                    await session.post(BODY)
        assert server.connections == 2

    run(work())


def test_a_connection_that_is_reset_as_soon_as_it_is_accepted_is_an_error_of_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As of a server that is being stopped: it is lost before the post gets hold of it."""
    made = keep_alive._Connection.connection_made

    def lost_at_once(self: keep_alive._Connection, transport: asyncio.Transport) -> None:
        made(self, transport)
        transport.abort()

    monkeypatch.setattr(keep_alive._Connection, "connection_made", lost_at_once)

    async def post() -> None:
        async with serving(say(answer())) as server, posts(server) as session:
            with pytest.raises(ConnectionResetError):
                await session.post(BODY)

    run(post())


def test_a_post_that_is_not_answered_ends_in_time_and_its_connection_with_it() -> None:
    silent = [True]

    async def at_first_nothing(
        _: asyncio.StreamReader, writer: asyncio.StreamWriter, __: bytes
    ) -> None:
        if not silent:
            writer.write(answer())
        silent.clear()

    async def work() -> tuple[float, int]:
        async with serving(at_first_nothing) as server, posts(server, timeout=0.3) as session:
            began = asyncio.get_running_loop().time()
            with pytest.raises(asyncio.TimeoutError):
                await session.post(BODY)
            took = asyncio.get_running_loop().time() - began
            assert (await session.post(BODY)).body == INDEXED
        return took, server.connections

    took, connections = run(work())
    assert 0.25 < took < 1
    assert connections == 2


def test_connecting_takes_its_time_from_the_whole_posts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> None:
        await asyncio.sleep(60)

    async def work() -> float:
        loop = asyncio.get_running_loop()
        connect = loop.create_connection

        async def slowly(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0.4)
            return await connect(*args, **kwargs)

        async with serving(never) as server, posts(server, timeout=0.6) as session:
            monkeypatch.setattr(loop, "create_connection", slowly)
            began = loop.time()
            with pytest.raises(asyncio.TimeoutError):
                await session.post(BODY)
            return loop.time() - began

    assert 0.55 < run(work()) < 0.9


def test_a_cancelled_post_takes_its_connection_with_it() -> None:
    async def work() -> None:
        arrived = asyncio.Event()

        async def never(*_: object) -> None:
            arrived.set()
            await asyncio.sleep(60)

        async with serving(never) as server, posts(server) as session:
            post = asyncio.create_task(session.post(BODY))
            await arrived.wait()
            post.cancel()
            with pytest.raises(asyncio.CancelledError):
                await post
            assert not session._busy
            assert not session._idle

    run(work())


@pytest.mark.parametrize("ticks", range(5))
def test_a_cancellation_that_meets_the_end_of_connecting_is_not_lost(
    monkeypatch: pytest.MonkeyPatch, ticks: int
) -> None:
    """A worker whose chunk gives up then would post on for ever."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        connected: asyncio.Future[Any] = loop.create_future()

        async def create_connection(*_: object, **__: object) -> Any:
            return await connected

        monkeypatch.setattr(loop, "create_connection", create_connection)
        async with KeepAlivePosts(URL("http://127.0.0.1:1/"), {}, 5) as session:
            post = asyncio.create_task(session.post(BODY))
            await asyncio.sleep(0.01)
            connected.set_exception(ConnectionRefusedError())
            for _ in range(ticks):
                await asyncio.sleep(0)
            too_late = post.done()
            post.cancel()
            with pytest.raises(ConnectionRefusedError if too_late else asyncio.CancelledError):
                await post

    run(work())


def test_ipv6() -> None:
    async def work() -> bytes:
        async with serving(say(answer()), host="::1") as server, posts(server) as session:
            return (await session.post(BODY)).body

    assert run(work()) == INDEXED


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return self_signed(tmp_path_factory.mktemp("tls"))


def tls_post(certificate: tuple[Path, Path], verify: bool | str, host: str) -> object:
    """One post through the hook to a server with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    async def work() -> object:
        async with serving(say(answer()), tls=context) as server:
            base_url = f"https://{host}:{server.url.port}"
            endpoint = Endpoint("discovery_api", base_url, "t", verify=verify)
            async with DiscoveryHook().session(endpoint) as session:
                return await session.post(BODY)

    return run(work())


def test_tls_is_verified_unless_told_otherwise(certificate: tuple[Path, Path]) -> None:
    refused = tls_post(certificate, True, "127.0.0.1")
    assert refused == Refused(Reason.CONNECTION, "SSLCertVerificationError")
    assert tls_post(certificate, str(certificate[0]), "127.0.0.1") == Accepted(indexed=True)
    assert tls_post(certificate, False, "127.0.0.1") == Accepted(indexed=True)


def test_tls_for_another_host_is_refused(certificate: tuple[Path, Path]) -> None:
    refused = tls_post(certificate, str(certificate[0]), "localhost")
    assert refused == Refused(Reason.CONNECTION, "SSLCertVerificationError")


def test_a_base_url_may_have_a_path_and_a_proxy_is_used() -> None:
    async def work() -> tuple[object, list[tuple[bytes, bytes]]]:
        async with serving(say(answer())) as proxy:
            endpoint = Endpoint(
                "discovery_api",
                "http://search.invalid/api/v1",
                "t",
                proxy=str(proxy.url.origin()),
            )
            async with DiscoveryHook().session(endpoint) as session:
                return await session.post(BODY), proxy.requests

    said, requests = run(work())
    assert said == Accepted(indexed=True)
    head = requests[0][0]
    assert head.startswith(b"POST http://search.invalid/api/v1/search/index-update HTTP/1.1\r\n")
    assert b"Authorization: Bearer t" in head


def test_without_a_proxy_the_base_urls_path_is_kept() -> None:
    async def work() -> bytes:
        async with serving(say(answer())) as server:
            endpoint = Endpoint("discovery_api", f"{server.url.origin()}/api/v1", "t")
            async with DiscoveryHook().session(endpoint) as session:
                await session.post(BODY)
        return server.requests[0][0]

    assert run(work()).startswith(b"POST /api/v1/search/index-update HTTP/1.1\r\n")
