"""A ``mongo`` Connection that cannot be used, and a Mongo that does not answer, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk import Connection
from bson.errors import BSONError
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    ConnectionFailure,
    CursorNotFound,
    OperationFailure,
    PyMongoError,
)

from reindex.errors import InvalidConnection, SourceUnavailable

_REFUSED_LOGIN = {13, 18, 8000}


def check_connection(mongo_conn_id: str, connection: Connection) -> None:
    """
    What can be seen to be wrong without asking the server.

    :raises InvalidConnection: it names the connection, the field and what would be right
    """
    if not connection.host:
        raise InvalidConnection(f"connection {mongo_conn_id!r} names no host")
    if not connection.schema:
        raise InvalidConnection(
            f"connection {mongo_conn_id!r} names no database: put it into its schema field"
        )
    if "@" in connection.host:
        raise InvalidConnection(
            f"connection {mongo_conn_id!r}: host holds an @: credentials go into login and "
            "password, as the host stands in logs and messages"
        )
    if _is_set(connection, "ssl") and _is_set(connection, "allow_insecure"):
        # The provider (5.5.1) takes this pair as "no TLS at all", without a word.
        raise InvalidConnection(
            f"connection {mongo_conn_id!r}: extras ssl and allow_insecure together would send "
            'everything in the clear; use {"tls": true}, with tlsCAFile for a CA of your own'
        )


def _is_set(connection: Connection, extra: str) -> bool:
    # As the provider reads them: a form and a URI give text.
    return str(connection.extra_dejson.get(extra, "false")).lower() == "true"


@contextmanager
def errors_named(where: str) -> Iterator[None]:
    """
    Pymongo's errors get the name and the host of the connection.

    A lost connection or cursor passes as it is: whoever reads may open it again.

    :param where: such as ``Mongo at db:27017 (connection 'reindex_mongo')``
    :raises SourceUnavailable, InvalidConnection: instead of whatever else pymongo raises
    """
    try:
        yield
    except (AutoReconnect, CursorNotFound) as error:
        if not is_no_server(error):
            raise
        if "SSL" in str(error):
            raise SourceUnavailable(
                f"{where} is there, and TLS to it fails ({_tls_failure(error)}): check "
                "the extras tls and tlsCAFile, and the server's certificate"
            ) from None
        raise SourceUnavailable(
            f"{where} cannot be reached: is it running, and are host and port right?"
        ) from None
    except ConfigurationError as error:
        raise InvalidConnection(f"{where}: {error}") from None
    except OperationFailure as error:
        if error.code in _REFUSED_LOGIN:
            raise InvalidConnection(
                f"{where} refused the login: check the connection's login, password and authSource"
            ) from None
        raise SourceUnavailable(f"{where} failed: code {error.code}") from None
    except (BSONError, ConnectionFailure, PyMongoError) as error:
        raise SourceUnavailable(f"{where} failed: {type(error).__name__}") from None


def is_no_server(error: PyMongoError) -> bool:
    """Whether no server was found at all: nothing that opening a cursor again would cure."""
    return type(error).__name__ == "ServerSelectionTimeoutError"


def _tls_failure(error: PyMongoError) -> str:
    """OpenSSL's name for it, such as CERTIFICATE_VERIFY_FAILED."""
    named = re.search(r"SSL: (\w+)", str(error))
    return named[1] if named else "in the handshake"
