"""A read whose connection or cursor is lost: how often it is done again, and what is said then."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from pymongo.errors import AutoReconnect, CursorNotFound, NetworkTimeout, PyMongoError

from reindex.errors import SourceUnavailable
from reindex.hooks.mongo_connection import is_no_server

log = logging.getLogger(__name__)

# How often a lost cursor is opened again without having brought a single document.
MOST_REOPENS = 5
# One that hangs takes a whole time-out each time.
MOST_REOPENS_AFTER_TIMEOUT = 1

_T = TypeVar("_T")


def most_reopens(lost: PyMongoError) -> int:
    """How often a read that was lost so is done again."""
    return MOST_REOPENS_AFTER_TIMEOUT if isinstance(lost, NetworkTimeout) else MOST_REOPENS


def wait_before(reopen: int) -> None:
    """Before the read is done again for the first, second … time."""
    time.sleep(min(5.0, 0.125 * 2**reopen))


def again_when_lost(read: Callable[[], _T]) -> _T:
    """A read that asks for ids may simply be done again when its cursor is lost."""
    reopens = 0
    while True:
        try:
            return read()
        except (AutoReconnect, CursorNotFound) as error:
            reopens += 1
            if is_no_server(error) or reopens > most_reopens(error):
                raise
            log.warning("a read by ids was lost (%s), done again", type(error).__name__)
            wait_before(reopens)


def lost_repeatedly(
    where: str, collection: str, error: PyMongoError, socket_timeout: object
) -> SourceUnavailable:
    """
    What the read ends with that was lost once more.

    :param socket_timeout: the client's ``socketTimeoutMS``
    """
    why = type(error).__name__
    if isinstance(error, NetworkTimeout):
        why = f"no answer within {socket_timeout} ms (the connection's extra socketTimeoutMS)"
    return SourceUnavailable(f"{where}: reading {collection} was lost repeatedly: {why}")
