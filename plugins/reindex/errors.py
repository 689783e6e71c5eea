"""
What can go wrong, as one tree. The class decides what Airflow does with it.

    ReindexError
    ├── PermanentError              no retry: the next attempt would end the same way
    │   ├── InvalidConf             a conf key or a job payload breaks its rule; names the field
    │   │   ├── InvalidDocType
    │   │   └── InvalidKey          the key itself is wrong: unknown, missing, at odds with another
    │   ├── UnknownJobType
    │   ├── InvalidConnection       an Airflow Connection that cannot be used as it is
    │   ├── AuthRefused             the service refused the token
    │   └── RunFailed               the run's verdict, raised by the report after it was posted
    └── TransientError              worth another attempt, after Airflow's back-off
        ├── SourceUnavailable       Mongo is not there, or stopped answering
        ├── ServiceUnavailable      the Discovery or the Jobs service is not there
        ├── ChunkKilled             Airflow asked the task to end
        ├── ChunkTimedOut           the task's execution_timeout is as good as over
        ├── TooManyFailures         a chunk failed more documents than the run tolerates
        └── LedgerImbalance         what was read, settled and held by the source does not add up
"""

from __future__ import annotations


class ReindexError(Exception):
    """Any error of this package. Its text says what is wrong, where, and what would be right."""


class PermanentError(ReindexError):
    """Another attempt would end the same way: Airflow fails the task at once."""


class InvalidConf(PermanentError):
    """
    A value that the run was given breaks its rule.

    :param field: the conf key, as the platform spells it (``docIds[3]``)
    :param value: what was given; shortened in the message
    :param expected: what would be right
    """

    def __init__(self, field: str, value: object, expected: str) -> None:
        super().__init__(field, value, expected)
        self.field, self.value, self.expected = field, value, expected

    def __str__(self) -> str:
        return f"{shown(self.field, quote=False)}: {shown(self.value)} is not {self.expected}"


class InvalidDocType(InvalidConf):
    """An unknown ``docType``; worded as the platform's own handler words it."""

    def __str__(self) -> str:
        return f"InvalidDocType: {shown(self.value, quote=False)} (docType must be {self.expected})"


class InvalidKey(InvalidConf):
    """
    The key itself is wrong, whatever its value.

    :param wrong: what is wrong with it (``is not given: …``)
    """

    def __init__(self, field: str, wrong: str) -> None:
        super().__init__(field, None, wrong)
        self.args = (field, wrong)

    def __str__(self) -> str:
        return f"{shown(self.field)} {self.expected}"


class UnknownJobType(PermanentError):
    """A job type that the registry does not hold."""


class InvalidConnection(PermanentError):
    """An Airflow Connection that is missing, of the wrong type, or has an unusable extra."""


class AuthRefused(PermanentError):
    """401, or the service's own 403: the token of the connection was refused."""


class RunFailed(PermanentError):
    """The run's verdict is bad. Raised after the result was stored and reported."""


class TransientError(ReindexError):
    """Worth another attempt."""


class SourceUnavailable(TransientError):
    """Mongo cannot be reached or read."""


class ServiceUnavailable(TransientError):
    """The Discovery or the Jobs service cannot be reached, or answers nothing but errors."""


class ChunkKilled(TransientError):
    """Airflow asked the task to end: it was cleared, or its run was marked as ended."""


class ChunkTimedOut(TransientError):
    """The attempt's time was up before the chunk was done."""


class TooManyFailures(TransientError):
    """More documents of a chunk failed than the run tolerates."""


class LedgerImbalance(TransientError):
    """Documents that were read, or that the source holds, are in none of the ledger's columns."""


def shown(value: object, *, quote: bool = True, most: int = 80) -> str:
    """A value as an error message may show it: one line, at most ``most`` characters."""
    try:
        text = repr(value) if quote or not isinstance(value, str) else value
    except ValueError:  # an int of thousands of digits
        text = f"a very large {type(value).__name__}"
    text = writable(" ".join(text.split()))
    return text if len(text) <= most else text[: most - 1] + "…"


def named(error: BaseException) -> str:
    """The error's class and text; the platform's own wording begins with the class already."""
    name, text = type(error).__name__, str(error)
    return text if text.startswith(f"{name}: ") else f"{name}: {text}"


def writable(text: str) -> str:
    """The text without lone surrogates, which no UTF-8 log, XCom or report can hold."""
    return text.encode("utf-8", "replace").decode()
