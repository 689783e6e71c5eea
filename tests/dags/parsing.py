"""A DAG file as Airflow gets it, and as a process of its own that parses it and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]

SCRIPT = """
import json, socket, sys
sys.path[:0] = [{plugins!r}, {dags!r}]
from airflow.sdk import DAG, BaseHook, BaseOperator, ExceptionRetryPolicy, Param, Variable
before = set(sys.modules)
def refuse(*args, **kwargs):
    raise AssertionError("the DAG file looked something up")
socket.socket.connect = refuse
BaseHook.get_connection = refuse
Variable.get = refuse
import {dag_file}
print(json.dumps({{
    "imported": sorted({{name.partition(".")[0] for name in set(sys.modules) - before}}),
    "reached": eval({asked!r}, vars({dag_file})),
}}))
"""


def dag_of(dag_id: str) -> Any:
    """The DAG, as the folder's DagBag has it."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(REPOSITORY / "dags"))
    assert bag.import_errors == {}
    return bag.dags[dag_id]


def parsed(dag_file: str, asked: str = "None", **environment: str) -> dict[str, Any]:
    """The packages that parsing imports, and what an expression in the file's names comes to."""
    script = SCRIPT.format(
        plugins=str(REPOSITORY / "plugins"),
        dags=str(REPOSITORY / "dags"),
        dag_file=dag_file,
        asked=asked,
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
