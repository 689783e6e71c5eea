"""The connection below a request, for the faults that no answer can express."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

EXTENSION = "sandbox.connection"
# Linger for 0 seconds: closing discards what is unsent and sends RST instead of FIN.
NO_LINGER = struct.pack("ii", 1, 0)


class ConnectionInScope(HttpToolsProtocol):
    """uvicorn's protocol, which also puts the transport into each request's scope."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: {"transport": self.transport}}


def transport_of(scope: Scope) -> asyncio.Transport:
    """RuntimeError when the server is not the sandbox's own (``sandbox serve``)."""
    transport = scope.get("extensions", {}).get(EXTENSION, {}).get("transport")
    if transport is None:
        raise RuntimeError("this fault needs the server that `python -m sandbox serve` starts")
    return cast(asyncio.Transport, transport)  # uvloop's has the methods and another base


def reset_connection(scope: Scope) -> None:
    """Ends the connection with a TCP RST; nothing more is sent."""
    transport = transport_of(scope)
    # A duplicate of the descriptor, as uvloop's own socket object has no setsockopt; the option
    # belongs to the connection that both of them name.
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    transport.abort()


def close_connection(scope: Scope) -> None:
    """Sends what was written and ends the connection in the orderly way (FIN)."""
    transport_of(scope).close()
