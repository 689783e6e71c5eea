"""What a machine without some program leaves untested: said loudly here, a failure where it counts.

`tests/conftest.py` shows it at the very end of pytest's output.
"""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

NOT_TESTED = "NOT TESTED"


def not_tested(what: str, why: str) -> NoReturn:
    """Skip the test; fail it in the CI (``CI=true``), which has to test everything."""
    message = f"{NOT_TESTED}: {what}: {why}"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
