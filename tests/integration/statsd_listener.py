"""A StatsD server for tests: a UDP socket on loopback that writes down what it is sent."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

SAMPLE = re.compile(r"(?P<name>[^:]+):(?P<value>[-+]?[0-9.e-]+)\|(?P<kind>c|g|ms)")


@dataclass
class StatsdListener:
    port: int
    lines: list[str] = field(default_factory=list)

    def samples(self, prefix: str = "airflow.reindex.") -> list[tuple[str, str, float]]:
        """Name, kind (c, g, ms) and value of each that begins so."""
        found = [SAMPLE.fullmatch(line) for line in self.lines if line.startswith(prefix)]
        return [(m["name"], m["kind"], float(m["value"])) for m in found if m]

    def total(self, name: str) -> float:
        """The sum of a counter."""
        return sum(value for each, _, value in self.samples() if each == name)

    def names(self) -> set[str]:
        return {name for name, _, _ in self.samples()}


@contextmanager
def statsd_listener() -> Iterator[StatsdListener]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(0.05)
        listener = StatsdListener(udp.getsockname()[1])
        ended = threading.Event()
        thread = threading.Thread(target=_listen, args=(udp, listener, ended), daemon=True)
        thread.start()
        try:
            yield listener
        finally:
            ended.set()
            thread.join(5)


def _listen(udp: socket.socket, listener: StatsdListener, ended: threading.Event) -> None:
    while not ended.is_set():
        try:
            packet = udp.recv(65536)
        except TimeoutError:
            continue
        listener.lines += packet.decode().splitlines()
