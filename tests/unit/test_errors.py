"""The error tree: what Airflow tries again, and what a person reads."""

from __future__ import annotations

import pytest

from reindex import errors
from reindex.errors import (
    InvalidConf,
    InvalidDocType,
    PermanentError,
    ReindexError,
    TransientError,
    shown,
)


@pytest.mark.parametrize(
    "error",
    [
        errors.InvalidConf,
        errors.InvalidDocType,
        errors.UnknownJobType,
        errors.InvalidConnection,
        errors.AuthRefused,
        errors.RunFailed,
    ],
)
def test_what_would_end_the_same_way_is_permanent(error: type[ReindexError]) -> None:
    assert issubclass(error, PermanentError)
    assert not issubclass(error, TransientError)


@pytest.mark.parametrize(
    "error",
    [
        errors.SourceUnavailable,
        errors.ServiceUnavailable,
        errors.ChunkTimedOut,
        errors.TooManyFailures,
        errors.LedgerImbalance,
    ],
)
def test_what_may_pass_is_transient(error: type[ReindexError]) -> None:
    assert issubclass(error, TransientError)
    assert not issubclass(error, PermanentError)


def test_a_conf_error_names_the_field_the_value_and_what_is_right() -> None:
    error = InvalidConf("docIds[3]", "xyz", "an id of 24 hexadecimal characters")
    assert str(error) == "docIds[3]: 'xyz' is not an id of 24 hexadecimal characters"
    assert (error.field, error.value) == ("docIds[3]", "xyz")


def test_an_unknown_doc_type_is_worded_as_the_platform_does() -> None:
    error = InvalidDocType("docType", "invalid", "one of creator, project")
    assert str(error) == "InvalidDocType: invalid (docType must be one of creator, project)"


def test_a_conf_error_survives_being_pickled_between_processes() -> None:
    import pickle

    error = InvalidConf("chunkSize", 0, "a whole number")
    copied = pickle.loads(pickle.dumps(error))
    assert (str(copied), copied.field) == (str(error), "chunkSize")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "'plain'"),
        (None, "None"),
        ("two\nlines", r"'two\nlines'"),
        ({"a": [1, 2]}, "{'a': [1, 2]}"),
        ("x" * 78, "'" + "x" * 78 + "'"),
        ("x" * 79, "'" + "x" * 78 + "…"),
    ],
)
def test_a_value_is_shown_on_one_line_of_at_most_80_characters(value: object, text: str) -> None:
    assert shown(value) == text
    assert len(text) <= 80


def test_a_text_shown_without_quotes_is_still_one_line_and_cut() -> None:
    assert shown("a\n b\t c", quote=False) == "a b c"
    assert shown("x" * 200, quote=False, most=10) == "xxxxxxxxx…"
    assert shown(["a"], quote=False) == "['a']"
