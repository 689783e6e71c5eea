"""A DAG file is parsed every half minute: nothing heavy, and nothing that is looked up."""

from __future__ import annotations

import pytest

from tests.dags.parsing import parsed

HEAVY = {"pymongo", "bson", "aiohttp", "requests", "jsonschema", "fastapi"}


@pytest.mark.parametrize("dag_file", ["reindex_batch", "reindex_job_worker"])
def test_parsing_looks_nothing_up_and_imports_nothing_heavy(dag_file: str) -> None:
    imported = set(parsed(dag_file)["imported"])
    assert "reindex" in imported
    assert imported.isdisjoint(HEAVY)
