"""docs/deploy.md and deploy/helm-values.yaml: what can be done without an engine is done."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
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
TEXT = DEPLOY.read_text(encoding="utf-8")
VALUES: dict[str, Any] = yaml.safe_load((ROOT / "deploy/helm-values.yaml").read_text())


def lines(start: str) -> list[str]:
    return [
        line for block in blocks(DEPLOY) for line in block.text.splitlines()
        if line.startswith(start)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An Airflow with nothing in it; runs one command line, and gives what it printed."""
    home = tmp_path_factory.mktemp("airflow")
    for folder in ("dags", "plugins", "config"):
        (home / folder).mkdir()
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }

    def run(line: str) -> str:
        done = subprocess.run(
            ["sh", "-ec", line], cwd=ROOT, env=environment, capture_output=True, text=True,
            timeout=180, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}: {done.stderr[-2000:]}"
        return done.stdout

    return run


def test_what_is_copied_is_found_by_an_empty_airflow(airflow: Any) -> None:
    copies = lines("cp -r") + lines("cp config")
    assert len(copies) == 3
    for line in copies:
        airflow(line)
    airflow("airflow db migrate")
    airflow("airflow dags reserialize")
    for line in lines("airflow dags unpause"):
        airflow(f"{line} --yes")
    # Warnings may stand in front of the list.
    listed = re.search(r"^\[\{.*", airflow("airflow dags list --output json"), re.M | re.S)
    assert listed
    found = {dag["dag_id"]: dag["is_paused"] for dag in json.loads(listed[0])}
    assert found == {"reindex_batch": "False", "reindex_job_worker": "False"}
    assert "No data found" in airflow("airflow dags list-import-errors")
    assert "reindex" in airflow("airflow plugins")


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


def test_the_bundle_is_json_and_names_our_folder() -> None:
    (text,) = (block.text for block in blocks(DEPLOY) if block.language == "json")
    (bundle,) = json.loads(text)
    assert (ROOT / bundle["kwargs"]["subdir"] / "reindex_batch.py").exists()


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
