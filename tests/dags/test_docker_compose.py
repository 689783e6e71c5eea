"""docker-compose.yaml, Dockerfile and .env.example, without an engine.

What can be run is run: the script of airflow-init, and the sandbox's subcommands. The schema is
the Compose specification's own (Apache-2.0), as the check-jsonschema package 0.39.0 carries it.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import re
import shlex
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema.validators import validator_for

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yaml"
ONE_SHOT = {"airflow-init", "seed"}
SANDBOX = {"mongo", "platform", "seed"}
CONNECTIONS = {"marketplace_mongo", "discovery_api", "jobs_api"}
# The celery provider is in the official image, not in the project's environment.
CELERY_OPTIONS = {"broker_url", "result_backend", "worker_concurrency"}
SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|KEY|AUTH|CREDENTIAL|CONN_", re.IGNORECASE)
VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z][A-Z0-9_]*)(:[?-])?")
REFERENCE = re.compile(r"\$\{[A-Z][A-Z0-9_]*(:\?[^{}]+|:-)?\}")


@functools.cache
def compose() -> dict[str, Any]:
    loaded = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def services() -> dict[str, dict[str, Any]]:
    found = compose()["services"]
    assert isinstance(found, dict)
    return found


def airflow_services() -> dict[str, dict[str, Any]]:
    return {name: service for name, service in services().items() if name.startswith("airflow-")}


def environment(service: dict[str, Any]) -> dict[str, str]:
    given = service.get("environment", {})
    assert isinstance(given, dict), "write environment as a mapping"
    values = {key: value for key, value in given.items() if value is not None}
    assert all(isinstance(value, str) for value in values.values()), "quote numbers and booleans"
    return values


def passed_on(service: dict[str, Any]) -> set[str]:
    """The variables without a value: .env's when it has them, else unset."""
    return {key for key, value in service.get("environment", {}).items() if value is None}


def every_environment() -> list[tuple[str, str, str]]:
    return [
        (name, key, value)
        for name, service in services().items()
        for key, value in environment(service).items()
    ]


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Mount point → named volume."""
    named = [entry for entry in service.get("volumes", []) if isinstance(entry, str)]
    return {entry.split(":")[1]: entry.split(":")[0] for entry in named}


def words(given: str | list[str]) -> list[str]:
    return shlex.split(given) if isinstance(given, str) else list(given)


def dockerfile() -> list[str]:
    """Its instructions, one a line."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip()]


def pinned_airflow() -> str:
    lock = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    found = re.findall(r"^apache-airflow==(\S+)$", lock, re.MULTILINE)
    assert len(found) == 1, f"constraints.txt pins apache-airflow {len(found)} times"
    return str(found[0])


def test_it_fits_the_compose_specification() -> None:
    schema = json.loads((ROOT / "tests/schemas/compose-spec.json").read_text(encoding="utf-8"))
    validator = validator_for(schema)
    validator.check_schema(schema)
    errors = [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
        for error in validator(schema).iter_errors(compose())
    ]
    assert errors == []
    broken = {**compose(), "services": {"x": {"imagee": "postgres:17.6"}}}
    assert not validator(schema).is_valid(broken), "the schema accepts anything"


def test_the_services_are_the_ones_that_the_package_needs() -> None:
    assert set(services()) == {
        "postgres", "redis", "mongo", "platform", "seed",
        "airflow-init", "airflow-apiserver", "airflow-scheduler", "airflow-dag-processor",
        "airflow-worker", "airflow-triggerer",
    }  # fmt: skip
    with_profile = {name for name, service in services().items() if "profiles" in service}
    assert with_profile == SANDBOX
    assert all(services()[name]["profiles"] == ["sandbox"] for name in SANDBOX)
    for name, service in airflow_services().items():
        assert environment(service)["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor", name


def test_every_long_running_service_has_a_health_check_and_comes_back() -> None:
    for name, service in services().items():
        if name in ONE_SHOT:
            assert "healthcheck" not in service, name
            assert service["restart"] == "no", name
        else:
            assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}, name
            assert not service["healthcheck"].get("disable"), name
            assert service["restart"] == "unless-stopped", name


def test_what_is_waited_for_can_happen() -> None:
    for name, service in services().items():
        for other, rule in service.get("depends_on", {}).items():
            target = services()[other]
            if rule["condition"] == "service_healthy":
                assert "healthcheck" in target, f"{name} waits for the health of {other}"
            else:
                assert rule["condition"] == "service_completed_successfully", (name, other)
                assert target.get("restart") == "no", f"{name} waits for the end of {other}"
            # Without its profile the dependency is not there.
            if not set(target.get("profiles", [])) <= set(service.get("profiles", [])):
                assert rule.get("required") is False, f"{name} cannot start without {other}"


def test_nothing_starts_before_the_keys_and_the_database_are_there() -> None:
    init = services()["airflow-init"]
    assert init["depends_on"]["postgres"]["condition"] == "service_healthy"
    for name in {*airflow_services(), "platform"} - {"airflow-init"}:
        rule = services()[name]["depends_on"]["airflow-init"]
        assert rule["condition"] == "service_completed_successfully", name


def images() -> set[str]:
    from_lines = {line.split()[1] for line in dockerfile() if line.startswith("FROM ")}
    assert len(from_lines) == 1
    return {service["image"] for service in services().values()} | from_lines


def test_images_are_pinned() -> None:
    for image in images():
        name, _, tag = image.rpartition(":")
        assert name, f"{image} has no tag"
        # A minor release of Postgres is its second number.
        version = r"\d+\.\d+" if name == "postgres" else r"\d+\.\d+\.\d+"
        assert re.match(version + r"(-|$)", tag), f"{image}: the tag must be a whole version"


def test_nothing_runs_as_root() -> None:
    for name, service in services().items():
        user = str(service.get("user", "")).split(":")[0]
        assert user not in {"", "0", "root"}, name
        assert service["cap_drop"] == ["ALL"], name
        assert not service.get("privileged"), name
        assert "no-new-privileges:true" in service["security_opt"], name
    users = [line.split()[1] for line in dockerfile() if line.startswith("USER ")]
    assert users[-1] == "50000"


def test_ports_are_published_on_loopback_only() -> None:
    ports = [str(port) for service in services().values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:${AIRFLOW_PORT:-8080}:8080"]
    assert all("network_mode" not in service for service in services().values())


def test_no_secret_is_written_here() -> None:
    for name, key, value in every_environment():
        if re.search(r"_FILE$|_DIR$|_USERS$", key):
            continue
        if key.endswith("_CMD"):
            assert re.fullmatch(r"cat /secrets/[a-z]+/[a-z_]+", value), (name, key)
        elif "://" in value:
            for password in re.findall(r"://[^/@:]*:(.+)@", value):
                assert REFERENCE.fullmatch(password), (name, key)
                assert ":?" in password, f"{name} {key}: an empty password must stop compose"
        elif SECRET_NAME.search(key.rpartition("__")[2]):
            assert REFERENCE.fullmatch(value), (name, key)
        for embedded in re.findall(r'"(?:password|token)"\s*:\s*"([^"]*)"', value):
            assert embedded == "", (name, key)


def test_a_password_that_is_not_set_stops_compose() -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    for variable, operator in VARIABLE.findall(text):
        if variable.endswith("PASSWORD"):
            assert operator == ":?", variable
        else:
            assert operator == ":-", f"{variable} has no default"


def test_env_example_names_every_variable_and_holds_no_secret() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    lines = re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE)
    used = {name for name, _ in VARIABLE.findall(COMPOSE.read_text(encoding="utf-8"))}
    used |= {name for service in services().values() for name in passed_on(service)}
    assert {name for name, _ in lines} == used
    for name, value in lines:
        if name.endswith("PASSWORD"):
            assert value == "", name
        if name.startswith("AIRFLOW_CONN_"):
            connection = json.loads(value.strip("'"))
            assert connection["password"] == "", name
    set_lines = dict(re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE))
    assert set_lines["COMPOSE_PROFILES"] == "sandbox", "the default runs with the sandbox"


def test_the_image_is_the_airflow_that_the_lock_pins() -> None:
    version = pinned_airflow()
    image = next(line.split()[1] for line in dockerfile() if line.startswith("FROM "))
    assert image == f"apache/airflow:{version}-python3.12"
    for name in {*airflow_services(), "platform", "seed"}:
        assert services()[name]["image"] == f"marketplace-reindex:{version}", name
        assert services()[name]["build"] == {"context": "."}, name


def test_the_image_installs_the_lock_and_holds_the_package() -> None:
    lines = dockerfile()
    install = next(line for line in lines if "pip install" in line)
    assert '"apache-airflow==${AIRFLOW_VERSION}"' in install
    assert re.search(r"-r \S*/requirements\.txt -c /tmp/lock\b", re.sub(r"\s+", " ", install))
    copied = {
        source.strip("/"): line.split()[-1]
        for line in lines
        if line.startswith("COPY ")
        for source in line.split()[2:-1]
    }
    for folder in ("config", "plugins", "dags", "sandbox"):
        assert copied[folder] == f"/opt/airflow/{folder}/", folder
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert "*" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == set(copied)
    assert all((ROOT / source).exists() for source in copied)


def test_the_image_keeps_what_it_has_and_pins_what_it_lacks(tmp_path: Path) -> None:
    """The step before the installation, with a pip that lists a few packages."""
    install = next(line for line in dockerfile() if "pip install" in line)
    step = install.removeprefix("RUN ").partition("&& pip install")[0]
    # In this order: the repository may lie below /tmp.
    step = step.replace("/tmp/", f"{tmp_path}/").replace("/opt/airflow/", f"{ROOT}/")
    there = ("SQLAlchemy", "typing_extensions", "python-dateutil", "msgspec")
    pip = tmp_path / "pip"
    pip.write_text(f"#!/bin/sh\nprintf '%s==1.0\\n' {' '.join(there)}\n")
    pip.chmod(0o700)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["sh", "-ec", step], check=True, env={"PATH": path})
    whole = re.findall(r"^([^=#]+)==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    pinned = re.findall(r"^([^=#]+)==", (tmp_path / "lock").read_text(), re.MULTILINE)
    kept = {"sqlalchemy", "typing-extensions", "python-dateutil", "msgspec"}
    assert kept < set(whole)
    assert pinned == [name for name in whole if name not in kept]


def test_a_volume_of_the_image_belongs_to_airflow_from_the_start() -> None:
    made = next(line for line in dockerfile() if "install -d" in line).split()
    assert made[made.index("-o") + 1] == "airflow"
    ours = {*airflow_services(), "platform", "seed"}
    points = {point for name in ours for point in mounts(services()[name])}
    # The official image owns its logs folder already.
    assert points - {"/opt/airflow/logs"} == {word for word in made if word.startswith("/")}
    named = {volume for service in services().values() for volume in mounts(service).values()}
    assert named == set(compose()["volumes"])


def test_every_service_sees_the_files_that_it_reads_and_no_others() -> None:
    for name, service in services().items():
        text = json.dumps([environment(service), service.get("command", "")])
        # SECRETS_DIR is the folder above them all
        read = {"/secrets/" + folder for folder in re.findall(r"/secrets/([a-z]+)/[a-z_]+", text)}
        mounted = {point for point in mounts(service) if point.startswith("/secrets/")}
        if name == "airflow-init":
            assert read <= mounted == {"/secrets/keys", "/secrets/server", "/secrets/sandbox"}
        else:
            assert read == mounted, name
    worker = services()["airflow-worker"]
    assert "AIRFLOW__API_AUTH__JWT_SECRET_CMD" not in environment(worker)
    assert set(mounts(worker)) == {"/secrets/keys", "/opt/airflow/logs"}


def test_only_the_init_and_the_login_write_secrets() -> None:
    for name, service in services().items():
        for entry in service.get("volumes", []):
            if ":/secrets/" in entry and name != "airflow-init":
                writes = (name, entry.split(":")[1]) == ("airflow-apiserver", "/secrets/server")
                assert entry.endswith(":ro") is not writes, (name, entry)


def test_airflow_knows_every_setting() -> None:
    import airflow

    path = Path(airflow.__path__[0], "config_templates", "config.yml")
    known: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    checked = 0
    for name, key, _ in every_environment():
        if not key.startswith("AIRFLOW__"):
            continue
        section, _, option = key.removeprefix("AIRFLOW__").lower().partition("__")
        checked += 1
        if section == "celery":
            assert option in CELERY_OPTIONS, (name, key)
        elif option.endswith("_cmd"):
            described = known[section]["options"][option.removesuffix("_cmd")]
            assert described.get("sensitive") is True, f"{key}: Airflow would not read it"
        else:
            assert option in known[section]["options"], (name, key)
    assert checked > 50


def test_every_airflow_service_runs_with_the_measured_heartbeat_and_without_examples() -> None:
    for name, service in airflow_services().items():
        given = environment(service)
        assert given["AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL"] == "1", name
        assert given["AIRFLOW__CORE__LOAD_EXAMPLES"] == "false", name
        assert given["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"].startswith(
            "http://airflow-apiserver:8080/"
        ), name


def test_the_package_gets_its_own_settings_from_env() -> None:
    source = (ROOT / "plugins/reindex/deployment.py").read_text(encoding="utf-8")
    known = set(re.findall(r'"(REINDEX_[A-Z_]+)"', source))
    # The ids of the connections are the ones that airflow-init writes.
    expected = {name for name in known if not name.endswith("_CONN_ID")}
    assert "REINDEX_SCHEDULE" in expected
    for name, service in airflow_services().items():
        assert passed_on(service) == expected, name


def sandbox_calls() -> Iterator[tuple[str, list[str]]]:
    """The subcommand and the options of every `python -m sandbox …`, wherever it stands."""
    for service in services().values():
        whole = words(service.get("entrypoint", [])) + words(service.get("command", []))
        if "sandbox" in whole:
            call = whole[whole.index("sandbox") :]
            assert whole[: -len(call)][-2:] == ["python", "-m"]
            yield call[1], [word.split("=")[0] for word in call if word.startswith("--")]
        for part in whole:
            for inner in re.findall(r'"-m", "sandbox", (.+?)\]', part, re.DOTALL):
                quoted = re.findall(r'"([^"]*)"', inner)
                yield quoted[0], [word for word in quoted if word.startswith("--")]


def test_the_sandbox_has_the_subcommands_and_options_that_are_called() -> None:
    calls = dict(sandbox_calls())
    assert set(calls) == {"serve", "seed", "token"}
    for subcommand, options in calls.items():
        asked = subprocess.run(
            [sys.executable, "-m", "sandbox", subcommand, "--help"],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert asked.returncode == 0, asked.stderr
        for option in options:
            assert re.search(rf"{option}\b", asked.stdout), f"sandbox {subcommand} has no {option}"


class Init:
    """airflow-init's script, run on this machine as it stands in the file."""

    def __init__(self, folder: Path) -> None:
        self.secrets = folder / "secrets"
        self.given = folder / "given"
        for name in ("keys", "server", "sandbox"):
            (self.secrets / name).mkdir(parents=True)
        # In place of `airflow db migrate`, which the script ends in.
        self.ran = folder / "airflow-ran"
        stub = folder / "bin" / "airflow"
        stub.parent.mkdir()
        stub.write_text(f'#!/bin/sh\necho "$@" >> {shlex.quote(str(self.ran))}\n')
        stub.chmod(0o755)

    def run(self, **settings: str) -> subprocess.CompletedProcess[str]:
        service = services()["airflow-init"]
        assert service["entrypoint"] == ["python", "-c"]
        [script] = service["command"]
        script = script.replace("$$", "$")
        path = f"{self.secrets.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
            env={
                "PATH": path,
                "SECRETS_DIR": str(self.secrets),
                "GIVEN_DIR": str(self.given),
                "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
                **settings,
            },
        )  # fmt: skip

    def files(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.secrets)): path.read_text()
            for path in sorted(self.secrets.rglob("*"))
            if path.is_file()
        }

    def connections(self) -> dict[str, Any]:
        found = json.loads((self.secrets / "server/connections.json").read_text())
        assert isinstance(found, dict)
        return found


@pytest.fixture
def init(tmp_path: Path) -> Init:
    return Init(tmp_path)


def test_the_first_start_makes_keys_that_only_their_owner_reads(init: Init) -> None:
    done = init.run(COMPOSE_PROFILES="sandbox")
    assert done.returncode == 0, done.stderr
    files = init.files()
    assert set(files) == {
        "keys/fernet_key", "keys/api_secret_key", "server/jwt_secret", "server/passwords.json",
        "server/connections.json", "sandbox/jwt_secret",
    }  # fmt: skip
    from cryptography.fernet import Fernet

    Fernet(files["keys/fernet_key"].encode())
    assert len(files["server/jwt_secret"]) >= 64
    assert all(text == text.strip() for text in files.values()), "Airflow keeps a line's end"
    for name in files:
        assert stat.S_IMODE((init.secrets / name).stat().st_mode) == 0o600, name
    # what services read is what is made
    text = COMPOSE.read_text(encoding="utf-8")
    assert set(re.findall(r"/secrets/([a-z]+/[a-z_.]+)", text)) == set(files)
    # no secret in what `docker compose logs` shows
    shown = done.stdout + done.stderr
    passwords = json.loads(files["server/passwords.json"]).values()
    token = init.connections()["discovery_api"]["password"]
    for value in [*files.values(), *passwords, token]:
        assert value not in shown
    assert init.ran.read_text() == "db migrate\n"


def test_a_later_start_keeps_them_and_gives_a_new_user_a_password(init: Init) -> None:
    assert init.run(COMPOSE_PROFILES="sandbox").returncode == 0
    before = init.files()
    users = "admin:admin,bob:viewer"
    done = init.run(COMPOSE_PROFILES="sandbox", AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS=users)
    assert done.returncode == 0, done.stderr
    after = init.files()
    for name in set(before) - {"server/passwords.json", "server/connections.json"}:
        assert after[name] == before[name], name
    old, new = (json.loads(files["server/passwords.json"]) for files in (before, after))
    assert set(old) == {"admin"}
    assert set(new) == {"admin", "bob"}
    assert new["admin"] == old["admin"]
    assert init.ran.read_text() == "db migrate\n" * 2


def test_two_deployments_share_no_key(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        init = Init(tmp_path / name)
        assert init.run(COMPOSE_PROFILES="sandbox").returncode == 0
        made.append(init.files())
    assert all(made[0][name] != made[1][name] for name in set(made[0]))


def test_the_sandbox_is_reached_with_a_token_that_it_accepts(init: Init) -> None:
    done = init.run(COMPOSE_PROFILES="sandbox")
    assert done.returncode == 0, done.stderr
    connections = init.connections()
    assert set(connections) == CONNECTIONS
    assert connections["marketplace_mongo"] == {
        "conn_type": "mongo", "host": "mongo", "port": 27017, "schema": "marketplace",
    }  # fmt: skip
    api = connections["discovery_api"]
    assert connections["jobs_api"] == api
    assert (api["conn_type"], api["host"], api["port"]) == ("http", "http://platform", 8000)
    import jwt

    secret = (init.secrets / "sandbox/jwt_secret").read_text()
    claims = jwt.decode(api["password"], secret, algorithms=["HS256"])
    assert "admin" in claims["permissions"]
    year = 365 * 86400
    assert claims.get("exp", float("inf")) > time.time() + year, "it must outlive a night"


def test_a_real_platform_is_named_by_env_in_place_of_the_sandbox(init: Init) -> None:
    mongo = {"conn_type": "mongo", "host": "db.example.com", "extra": {"tls": True}}
    api = {"conn_type": "http", "host": "https://platform.example.com", "password": "t-1"}
    done = init.run(
        COMPOSE_PROFILES="",
        AIRFLOW_CONN_MARKETPLACE_MONGO=json.dumps(mongo),
        AIRFLOW_CONN_DISCOVERY_API=json.dumps(api),
    )
    assert done.returncode == 0, done.stderr
    assert init.connections() == {"marketplace_mongo": mongo, "discovery_api": api, "jobs_api": api}
    jobs = "http://:t-2@jobs.example.com:443/https"
    done = init.run(COMPOSE_PROFILES="sandbox", AIRFLOW_CONN_JOBS_API=jobs)
    assert done.returncode == 0, done.stderr
    assert init.connections()["jobs_api"] == jobs, ".env goes before the sandbox"
    assert init.connections()["discovery_api"]["host"] == "http://platform"


def test_a_connection_may_stand_in_a_file(init: Init) -> None:
    init.given.mkdir()
    api = {"conn_type": "http", "host": "https://platform.example.com", "password": "t-3"}
    (init.given / "airflow_conn_discovery_api").write_text(json.dumps(api) + "\n")
    done = init.run(
        COMPOSE_PROFILES="",
        AIRFLOW_CONN_MARKETPLACE_MONGO="mongodb://db.example.com/marketplace",
        AIRFLOW_CONN_DISCOVERY_API="http://:t-1@elsewhere",
    )
    assert done.returncode == 0, done.stderr
    assert init.connections()["discovery_api"] == api, "a file goes before .env"
    assert init.connections()["jobs_api"] == api
    assert "t-3" not in done.stdout + done.stderr


def test_only_the_init_sees_the_folder_of_files() -> None:
    bound = {
        name: [entry for entry in service.get("volumes", []) if isinstance(entry, dict)]
        for name, service in services().items()
    }
    (folder,) = bound.pop("airflow-init")
    assert folder["target"] == environment(services()["airflow-init"])["GIVEN_DIR"]
    assert folder["read_only"] is True
    assert not any(bound.values())
    assert folder["source"] == "${SECRETS_FOLDER:-./secrets}"


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="requirements-dev.txt has a hadolint for Linux on x86_64 only",
)
def test_the_dockerfile_has_nothing_to_be_told() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    said = subprocess.run([hadolint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True)
    assert (said.returncode, said.stdout) == (0, "")


def test_airflow_reads_the_connections_and_the_keys(init: Init) -> None:
    assert init.run(COMPOSE_PROFILES="sandbox").returncode == 0
    # The settings of a service as they stand, with this machine's folder for the volumes.
    settings = {
        key: value.replace("/secrets", str(init.secrets))
        for key, value in environment(services()["airflow-scheduler"]).items()
        if re.search(r"__SECRETS__|_CMD$|PASSWORDS_FILE$", key)
    }
    assert len(settings) == 6
    # As the API server and the scheduler name themselves.
    settings |= {"AIRFLOW_HOME": str(init.secrets.parent), "_AIRFLOW_PROCESS_CONTEXT": "server"}
    ask = """
import json
from airflow.configuration import conf
from airflow.models.connection import Connection
found = {i: Connection.get_connection_from_secrets(i) for i in %r}
print("ANSWER" + json.dumps({
    "connections": {
        i: [c.conn_type, c.host, c.port, c.password, c.schema] for i, c in found.items()
    },
    "keys": [conf.get("core", "fernet_key"), conf.get("api", "secret_key"),
             conf.get("api_auth", "jwt_secret")],
    "passwords": conf.get("core", "simple_auth_manager_passwords_file"),
}))
""" % (sorted(CONNECTIONS),)  # noqa: UP031
    done = subprocess.run(
        [sys.executable, "-c", ask],
        capture_output=True, text=True, timeout=120, check=False,
        env={"PATH": os.environ["PATH"], **settings},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.partition("ANSWER")[2].splitlines()[0])
    files = init.files()
    token = init.connections()["discovery_api"]["password"]
    assert answer["connections"] == {
        "marketplace_mongo": ["mongo", "mongo", 27017, None, "marketplace"],
        "discovery_api": ["http", "http://platform", 8000, token, None],
        "jobs_api": ["http", "http://platform", 8000, token, None],
    }
    assert answer["keys"] == [
        files["keys/fernet_key"], files["keys/api_secret_key"], files["server/jwt_secret"],
    ]  # fmt: skip
    assert answer["passwords"] == str(init.secrets / "server/passwords.json")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ["AIRFLOW_CONN_MARKETPLACE_MONGO", "AIRFLOW_CONN_DISCOVERY_API", "COMPOSE_PROFILES"]),
        ({"AIRFLOW_CONN_DISCOVERY_API": '{"conn_type": '}, ["AIRFLOW_CONN_DISCOVERY_API", "JSON"]),
    ],
)
def test_a_platform_that_is_not_named_stops_the_start(
    init: Init, settings: dict[str, str], expected: list[str]
) -> None:
    done = init.run(**settings)
    assert done.returncode == 1
    assert all(word in done.stderr for word in expected), done.stderr
    assert "Traceback" not in done.stderr
    assert not init.ran.exists()
    assert not (init.secrets / "server/connections.json").exists()
