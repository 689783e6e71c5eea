"""docs/deploy.md and deploy/helm-values.yaml: what can be done without an engine is done."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.dags.test_docker_compose import images, pinned_airflow, services
from tests.docs.documents import DOCUMENTS, blocks

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "docs/deploy.md"
# Compose reads it beside docker-compose.yaml by itself.
OVERRIDE = "docker-compose.override.yaml"
DAGS = {"reindex_batch", "reindex_job_worker"}
TEXT = DEPLOY.read_text(encoding="utf-8")
VALUES: dict[str, Any] = yaml.safe_load((ROOT / "deploy/helm-values.yaml").read_text())


def lines(start: str) -> list[str]:
    return [
        line for block in blocks(DEPLOY) for line in block.text.splitlines()
        if line.startswith(start)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """An Airflow with a database and nothing else; runs one command line, gives what it printed."""
    home = tmp_path_factory.mktemp("airflow")
    for folder in ("dags", "plugins", "config"):
        (home / folder).mkdir()
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }

    def run(line: str, **settings: str) -> str:
        done = subprocess.run(
            ["sh", "-ec", line], cwd=ROOT, env=environment | settings, capture_output=True,
            text=True, timeout=180, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}: {done.stderr[-2000:]}"
        return done.stdout

    run("airflow db migrate")
    for line in lines("cp -r plugins") + lines("cp config"):
        run(line)
    return run


def listed_dags(airflow: Callable[..., str], **settings: str) -> dict[str, dict[str, str]]:
    # Warnings may stand in front of the list.
    found = re.search(
        r"^\[\{.*", airflow("airflow dags list --output json", **settings), re.M | re.S
    )
    assert found
    return {dag["dag_id"]: dag for dag in json.loads(found[0])}


def test_what_is_copied_is_found_and_the_commands_work(airflow: Callable[..., str]) -> None:
    (copy,) = lines("cp -r dags")
    airflow(copy)
    airflow("airflow dags reserialize")
    printed = {line: airflow(line) for line in dict.fromkeys(lines("airflow "))}
    assert "No data found" in printed["airflow dags list-import-errors"]
    assert "reindex" in printed["airflow plugins"]
    found = {dag_id: dag["is_paused"] for dag_id, dag in listed_dags(airflow).items()}
    assert found == dict.fromkeys(DAGS, "False")
    (triggered,) = (text for line, text in printed.items() if " trigger " in line)
    assert "queued" in triggered


def test_the_git_bundle_brings_the_dags(airflow: Callable[..., str], tmp_path: Path) -> None:
    """As documented, with a repository of this machine in place of the address."""
    (text,) = (block.text for block in blocks(DEPLOY) if block.language == "json")
    (bundle,) = json.loads(text)
    bundle["kwargs"]["repo_url"] = str(tmp_path / "reindex")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "dags", tmp_path / "reindex/dags", ignore=ignored)
    who = "-c user.name=reindex -c user.email=reindex@example.com"
    for command in (
        "init --quiet",
        "add dags",
        f"{who} commit --quiet --message=release",
        f"tag {bundle['kwargs']['tracking_ref']}",
        "rm --quiet -r dags",
        f"{who} commit --quiet --message=later",
    ):
        subprocess.run(["git", *command.split()], cwd=tmp_path / "reindex", check=True)
    connection = f"AIRFLOW_CONN_{bundle['kwargs']['git_conn_id'].upper()}"
    settings = {
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
        connection: '{"conn_type": "git"}',
    }
    airflow("airflow dags reserialize", **settings)
    found = listed_dags(airflow, **settings)
    assert {dag_id: dag["bundle_name"] for dag_id, dag in found.items()} == dict.fromkeys(
        DAGS, bundle["name"]
    )


def test_the_housekeeping_of_the_jobs_page_works(airflow: Callable[..., str]) -> None:
    (command,) = re.findall(r"`(airflow db clean [^`]*)`", (ROOT / "docs/jobs.md").read_text())
    assert "…" in command
    printed = airflow(command.replace("…", "2026-01-01") + " --dry-run")
    for table in ("dag_run", "task_instance", "log"):
        assert f"Checking table {table}" in printed


def test_services_and_volumes_that_are_named_exist() -> None:
    named = re.findall(
        r"docker compose (?:exec|cp|up)(?: -[-\w]+)* ((?:airflow-|postgres)[\w-]*)", TEXT
    )
    assert {"airflow-apiserver", "airflow-init", "postgres"} <= set(named)
    assert set(named) <= set(services())
    volumes = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["volumes"]
    in_table = set(re.findall(r"`([a-z]+-(?:keys|server|data|logs))`", TEXT))
    assert {"airflow-keys", "airflow-server", "postgres-data"} <= in_table <= set(volumes)


def test_the_files_of_connections_are_what_the_init_reads() -> None:
    for file, line in re.findall(r"^\| `secrets/(\w+)` \| `(\w+)`", TEXT, re.MULTILINE):
        assert file == line.lower()
        assert line in services()["airflow-init"]["environment"]


def written_files() -> set[str]:
    """What documented commands write into the working tree, or read from it as a secret."""
    shell = "\n".join(
        block.text for path in DOCUMENTS for block in blocks(path)
        if block.language.startswith("sh")
    )  # fmt: skip
    written = set(re.findall(r"> (\S+)", shell))
    written |= set(re.findall(r'\bcp \S+ ([^"\s]+)$', shell, re.MULTILINE))
    written |= set(re.findall(r"--from-file=(?:[\w-]+=)?(\S+)", shell))
    return written | set(re.findall(r"^\| `(secrets/\w+)`", TEXT, re.MULTILINE))


def test_git_ignores_what_documented_commands_write(tmp_path: Path) -> None:
    written = written_files() | {OVERRIDE}
    assert {".env", "backup/airflow.sql", "backup/keys", "secrets/database-url"} < written
    shutil.copy(ROOT / ".gitignore", tmp_path)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    ignored = subprocess.run(
        ["git", "check-ignore", *sorted(written)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert written - set(ignored.stdout.splitlines()) == set()


def test_the_images_of_the_digests_are_ours() -> None:
    """The override names by digest what compose pulls; the image that is built is not among it."""
    (text,) = (block.text for block in blocks(DEPLOY) if block.language == "yaml")
    assert f"`{OVERRIDE}`" in TEXT
    (command,) = re.findall(r"^docker image inspect(?:.*\\\n)*.*", TEXT, re.MULTILINE)
    named = set(re.findall(r"[\w/]+:\d\S+", command))
    assert named == {image for image in images() if not image.startswith("marketplace-reindex:")}
    override = yaml.safe_load(text)["services"]
    assert set(override) == {name for name, each in services().items() if "build" not in each}
    for name, each in override.items():
        repository = services()[name]["image"].partition(":")[0]
        assert each == {"image": f"{repository}@sha256:..."}


def test_the_charts_values_are_of_this_package() -> None:
    assert VALUES["airflowVersion"] == VALUES["images"]["airflow"]["tag"] == pinned_airflow()
    assert VALUES["airflowLocalSettings"] is None, "the chart's would hide the image's"
    assert VALUES["createUserJob"]["defaultUser"]["enabled"] is False
    source = (ROOT / "plugins/reindex/deployment.py").read_text(encoding="utf-8")
    for variable in VALUES["env"]:
        assert f'"{variable["name"]}"' in source
        assert isinstance(variable["value"], str), "Kubernetes takes text only"


def test_the_charts_values_hold_no_secret_and_every_secret_is_made() -> None:
    wanted = {VALUES[f"{each}SecretName"] for each in ("fernetKey", "apiSecretKey", "jwt")}
    wanted |= {VALUES["data"]["metadataSecretName"]}
    wanted |= {each["secretName"] for each in VALUES["secret"]}
    made = set(re.findall(r"create secret generic ([\w-]+)", TEXT))
    assert wanted == made
    for each in VALUES["secret"]:
        assert set(each) == {"envName", "secretName", "secretKey"}
        assert f"--from-file={each['secretKey']}" in TEXT
    for inner in ("fernet-key", "api-secret-key", "jwt-secret"):
        assert f"--from-literal={inner}=" in TEXT
