"""An Airflow ``http`` Connection, read as the address and the identity of a platform service."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

from reindex.errors import InvalidConnection, shown

log = logging.getLogger(__name__)

DEFAULT_TIMEOUT, MOST_SECONDS = 10.0, 3600
EXTRAS = ("timeout", "verify", "cert", "proxy", "workerId")


@dataclass(frozen=True)
class Endpoint:
    """
    Where a service is and who we are to it.

    ``timeout`` is in seconds, for a whole request. ``verify`` is ``True``, ``False`` or the path
    of a CA bundle; ``cert`` the paths of a client certificate and its key.
    """

    conn_id: str
    base_url: str
    token: str = field(repr=False)
    timeout: float = DEFAULT_TIMEOUT
    verify: bool | str = True
    cert: tuple[str, str | None] | None = None
    proxy: str | None = None
    worker_id: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}

    @property
    def where(self) -> str:
        """For error messages: the address and the connection to look at."""
        return f"{self.base_url} (connection {self.conn_id!r})"

    def ssl_context(self) -> ssl.SSLContext:
        """How to trust the service, and how to show who we are, when it is spoken to over TLS."""
        try:
            return self._ssl_context()
        except OSError as error:  # ssl.SSLError is one
            raise _invalid(
                self.conn_id, f"extras verify and cert cannot be used ({type(error).__name__})"
            ) from None

    def _ssl_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(
            cafile=self.verify if isinstance(self.verify, str) else None
        )
        if self.verify is False:
            log.warning("%s: whose certificate it is goes unchecked, verify is false", self.where)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.cert:
            context.load_cert_chain(*self.cert)
        return context


def endpoint_of(conn_id: str) -> Endpoint:
    """
    Look the connection up and check it.

    :raises InvalidConnection: names the connection, the field and what would be right
    """
    try:
        conn = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise InvalidConnection(
            f"connection {conn_id!r} is not defined: add it with type http, the service's address "
            f"as host and its token as password, or set AIRFLOW_CONN_{conn_id.upper()}"
        ) from None
    if conn.conn_type not in ("http", "https"):
        raise _invalid(conn_id, f"type is {conn.conn_type!r}, expected http")
    if not conn.host:
        raise _invalid(conn_id, "host is empty, expected the service's address")
    if "@" in conn.host:
        # The address stands in logs and messages.
        raise _invalid(conn_id, "host holds an @: credentials go into login and password")
    if not conn.password:
        raise _invalid(conn_id, "password is empty, expected the service's bearer token")
    if not conn.password.isprintable() or not conn.password.isascii():
        raise _invalid(
            conn_id, "password holds a character that no token has, such as a line break"
        )
    return Endpoint(conn_id, _base_url(conn), conn.password, **_extras(conn_id, conn.extra_dejson))


def _base_url(conn: Connection) -> str:
    # As HttpHook reads them, but for one thing: an https:// URI is never taken for plain http.
    host = str(conn.host).rstrip("/")
    scheme = conn.schema or ("https" if conn.conn_type == "https" else "http")
    base = host if "://" in host else f"{scheme}://{host}"
    return f"{base}:{conn.port}" if conn.port else base


def _extras(conn_id: str, extras: Mapping[str, Any]) -> dict[str, Any]:
    for name in extras:
        if name not in EXTRAS:
            raise _invalid(conn_id, f"unknown extra {name!r}; known extras: {', '.join(EXTRAS)}")
    read: dict[str, Any] = {}
    if "timeout" in extras:
        read["timeout"] = _seconds(conn_id, extras["timeout"])
    if "verify" in extras:
        read["verify"] = _verify(conn_id, extras["verify"])
    if "cert" in extras:
        read["cert"] = _cert(conn_id, extras["cert"])
    if "proxy" in extras:
        read["proxy"] = _proxy(extras["proxy"])
    if "workerId" in extras:
        read["worker_id"] = str(extras["workerId"])
    return read


def _proxy(value: object) -> str:
    proxy = str(value)
    # Airflow masks a connection's password and its extra as a whole, not what is inside.
    mask_secret(proxy)
    return proxy


def _seconds(conn_id: str, value: object) -> float:
    try:
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        seconds = 0.0
    if not 0 < seconds <= MOST_SECONDS:
        raise _invalid(
            conn_id,
            f"extra timeout is {shown(value)}, expected seconds above 0, {MOST_SECONDS} at most",
        )
    return seconds


def _verify(conn_id: str, value: object) -> bool | str:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return _existing(conn_id, "verify", value)


def _cert(conn_id: str, value: object) -> tuple[str, str | None]:
    if isinstance(value, list) and len(value) == 2:
        return _existing(conn_id, "cert", value[0]), _existing(conn_id, "cert", value[1])
    return _existing(conn_id, "cert", value), None


def _existing(conn_id: str, name: str, value: object) -> str:
    if isinstance(value, str) and Path(value).is_file():
        return value
    raise _invalid(conn_id, f"extra {name} is {shown(value)}, expected the path of a file")


def _invalid(conn_id: str, what: str) -> InvalidConnection:
    return InvalidConnection(f"connection {conn_id!r}: {what}")
