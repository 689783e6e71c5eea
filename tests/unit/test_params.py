"""What the trigger form takes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from reindex.conf import parse_conf
from reindex.errors import InvalidConf
from reindex.params import trigger_params
from tests.unit.strategies import confs

PARAMS = trigger_params(5_000)


@given(raw=confs)
def test_whatever_the_plan_takes_the_trigger_takes_too(raw: dict[str, Any]) -> None:
    """A job's conf that the trigger refused would never be reported to the Jobs service."""
    try:
        parse_conf(raw)
    except InvalidConf:
        return
    for key, value in raw.items():
        if key in PARAMS and value is not None:
            PARAMS[key].resolve(value)


@pytest.mark.parametrize("key", ["updatedSince", "redrive", "jobId", "workerId", "docType"])
def test_a_number_is_no_text(key: str) -> None:
    with pytest.raises(InvalidConf) as refused:
        parse_conf({key: 20261120})
    assert (refused.value.field, refused.value.value) == (key, 20261120)
