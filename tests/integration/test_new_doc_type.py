"""docs/new-doc-type.md, done word for word on a copy of the package."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from bson import ObjectId
from pymongo import MongoClient

from sandbox.mongo import Mongo, running_mongo
from sandbox.platform import Platform, running_platform
from sandbox.processes import REPOSITORY
from sandbox.seed import DATABASE
from sandbox.stack import connections_of

GUIDE = REPOSITORY / "docs" / "new-doc-type.md"
CHANGED = datetime(2026, 5, 1, 10, tzinfo=timezone.utc)
# What a run of the copy does, and what the trigger form of the copied DAG suggests.
RUN = """
import json, os, sys
from reindex_batch_copy import PARAMS
from tests.integration.in_process_run import InProcessRun
result = InProcessRun({"docType": "agencies"}).go()
print("RESULT", json.dumps({"result": result, "suggested": PARAMS["docType"].schema["examples"]}))
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform whose index takes agencies."""
    folder = tmp_path_factory.mktemp("agencies")
    with running_platform(folder, doc_types=("creator", "project", "agency")) as running:
        yield running


@pytest.fixture(scope="module")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongo]:
    with running_mongo(tmp_path_factory.mktemp("mongo")) as running:
        yield running


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package with the guide's two blocks in `doc_types.py`, and in nothing else."""
    shutil.copytree(REPOSITORY / "plugins", tmp_path / "plugins")
    shutil.copy(REPOSITORY / "dags" / "reindex_batch.py", tmp_path / "reindex_batch_copy.py")
    described, named = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    module = tmp_path / "plugins" / "reindex" / "doc_types.py"
    source = module.read_text()
    (present,) = re.findall(r"^DOC_TYPES: .*\n", source, re.MULTILINE)
    module.write_text(source.replace(present, f"{described}\n\n{named}"))
    return tmp_path


def agencies(mongo: Mongo) -> dict[str, dict[str, object]]:
    """Three agencies in Mongo, one of which cannot be sent; what the index shall hold."""
    client: MongoClient[dict[str, object]] = MongoClient(mongo.uri)
    database = client[DATABASE]
    owner = ObjectId()
    ids = [ObjectId() for _ in range(3)]
    database.users.insert_one({"_id": owner, "fullName": "Ngozi Eze", "email": "n@example.org"})
    common = {"ownerId": owner, "updatedAt": CHANGED, "city": "Lagos"}
    database.agencies.insert_many(
        [
            {"_id": ids[0], "name": "Blue Room", "memberIds": [owner], **common},
            {"_id": ids[1], "memberIds": None, "ownerId": None, "updatedAt": CHANGED},
            {"_id": ids[2], "memberIds": "none yet", **common},
        ]
    )
    client.close()
    return {
        str(ids[0]): {
            "title": "Blue Room",
            "city": "Lagos",
            "ownerName": "Ngozi Eze",
            "memberCount": 1,
        },
        str(ids[1]): {"title": "Untitled", "city": None, "ownerName": None, "memberCount": 0},
    }


def test_an_agency_is_added_by_doc_types_alone(
    package: Path, mongo: Mongo, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = agencies(mongo)
    for conn_id, connection in connections_of(mongo, platform).items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
    monkeypatch.setenv("PYTHONPATH", f"{package / 'plugins'}:{package}:{REPOSITORY}")
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        cwd=package, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    (line,) = re.findall(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    said = json.loads(line)
    result = said["result"]
    row = result["docTypes"]["agency"]
    assert (row["planned"], row["indexed"], row["failed"]) == (3, 2, 1)
    (failure,) = result["failedSample"]
    assert failure["reason"] == "unreadable"
    assert failure["message"] == "memberIds is a str, expected a list"
    with platform.index() as index:
        held = {key: each.payload for key, each in index.documents("agency").items()}
    assert held == expected
    assert {"agency", "agencies"} <= set(said["suggested"])
