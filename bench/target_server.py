"""
The server that is posted to: ``python -m bench.target_server --port 8800``.

Raw asyncio, so that it is never what is measured: any POST is answered with the same 200. On
demand it imitates a server with a limit, which works off so many requests at once and lets the
others wait in line. It ends by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import heapq
import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

BODY = (
    b'{"docId":"65a000000000000000000001","status":"indexed",'
    b'"updatedAt":"2026-01-01T00:00:00.000Z"}'
)
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)
END_OF_HEAD = b"\r\n\r\n"
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
LIFE_SECONDS = 900.0
# The platform's own server as it was measured: about 600 documents a second; 8 requests in flight
# nearly saturate it (14 ms median), 64 only wait longer (95 ms).
PLATFORM_KNEE, PLATFORM_SERVICE_MS, PLATFORM_LATENCY_MS = 1, 1.6, 4.0


@dataclass
class Timing:
    """
    When a request that came in is answered. Times are seconds of one monotonic clock.

    :param latency: the way to the server and back; any number of requests are on it at once
    :param knee: the server works off so many requests at once; ``None``: any number
    :param service: how long it works on one
    :param jitter: sigma of the log-normal factor on ``service``, whose mean is 1; 0 for none
    """

    latency: float = 0.0
    knee: int | None = None
    service: float = 0.0
    jitter: float = 0.0
    _free_at: list[float] = field(default_factory=list)
    _random: random.Random = field(default_factory=lambda: random.Random(56))

    def __post_init__(self) -> None:
        self._free_at = [-math.inf] * (self.knee or 0)

    @property
    def immediate(self) -> bool:
        return not (self.latency or self.knee)

    def answer_at(self, now: float) -> float:
        """Books the request, first come, first served."""
        if self.knee is None:
            return now + self.latency
        done = max(now, self._free_at[0]) + self._service_time()
        heapq.heapreplace(self._free_at, done)
        return done + self.latency

    def _service_time(self) -> float:
        if not self.jitter:
            return self.service
        return self.service * self._random.lognormvariate(-(self.jitter**2) / 2, self.jitter)


class Connection(asyncio.Protocol):
    """One keep-alive connection. Clients here send a request only after the last one's answer."""

    def __init__(self, timing: Timing, loop: asyncio.AbstractEventLoop) -> None:
        self._timing, self._loop = timing, loop
        self._transport: asyncio.Transport | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        while (size := request_size(self._buffer)) is not None and len(self._buffer) >= size:
            self._buffer = self._buffer[size:]
            self._take()

    def _take(self) -> None:
        if self._timing.immediate:
            self._answer()
        else:
            self._loop.call_at(self._timing.answer_at(self._loop.time()), self._answer)

    def _answer(self) -> None:
        if self._transport is not None:
            self._transport.write(ANSWER)


def request_size(buffer: bytes) -> int | None:
    """Bytes of the first request in the buffer, head and body; ``None`` while its head is not in.

    A request without a Content-Length has no body: clients here never send chunks.
    """
    head_ends = buffer.find(END_OF_HEAD)
    if head_ends < 0:
        return None
    found = CONTENT_LENGTH.search(buffer, 0, head_ends)
    return head_ends + len(END_OF_HEAD) + (int(found[1]) if found else 0)


async def serve(port: int, timing: Timing, life: float) -> None:
    """Serve on the loopback for so many seconds."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(timing, loop), "127.0.0.1", port, backlog=2048
    )
    try:
        await asyncio.sleep(life)
    finally:
        server.close()


def timing_of(options: argparse.Namespace) -> Timing:
    """What the command line asks for."""
    latency_ms, knee, service_ms = options.latency_ms, options.knee, options.service_ms
    if options.platform:
        latency_ms, knee, service_ms = PLATFORM_LATENCY_MS, PLATFORM_KNEE, PLATFORM_SERVICE_MS
    seconds = 1000 * options.faster
    return Timing(latency_ms / seconds, knee, service_ms / seconds, options.jitter)


def options_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.target_server", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--knee", type=int, help="requests that are worked off at once")
    parser.add_argument("--service-ms", type=float, default=10.0, help="with --knee")
    parser.add_argument("--jitter", type=float, default=0.0, help="with --knee: sigma, 0 to 1")
    parser.add_argument("--platform", action="store_true", help="600 documents/s, one thread")
    parser.add_argument("--faster", type=float, default=1.0, help="divides all times")
    parser.add_argument("--life", type=float, default=LIFE_SECONDS, help="seconds until it ends")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until its time is over or it is interrupted."""
    options = options_parser().parse_args(arguments)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(options.port, timing_of(options), options.life))


if __name__ == "__main__":
    main()
