"""Serving the application by uvicorn with the platform's connection behaviour."""

from __future__ import annotations

import uvicorn
from fastapi import FastAPI

from sandbox.connection import ConnectionInScope

KEEP_ALIVE_SECONDS = 5
# What hangs by a fault must not hold up the end of the server.
SHUTDOWN_SECONDS = 1


def serve(app: FastAPI, host: str, port: int) -> None:
    """Blocks until SIGINT or SIGTERM."""
    uvicorn.run(
        app,
        host=host,
        port=port,
        http=ConnectionInScope,
        ws="none",
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_level="warning",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
