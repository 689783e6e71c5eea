"""Mongo and the Jobs service over TLS, with real handshakes. Discovery: test_keep_alive.py."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest
from airflow.providers.mongo.hooks.mongo import MongoHook

from reindex.conf import JobReference
from reindex.doc_types import DOC_TYPES
from reindex.errors import InvalidConnection, ServiceUnavailable, SourceUnavailable
from reindex.hooks.jobs import JobsHook
from reindex.hooks.source import SourceHook
from tests.integration.certificates import self_signed
from tests.integration.in_process_run import connect

JOB = JobReference("job-1", "worker-1")
TOKEN = "t0k3n-of-the-jobs-service"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Any:
    def defined(conn_id: str, **fields: object) -> None:
        connect(monkeypatch, {conn_id: fields})

    return defined


class Answers(BaseHTTPRequestHandler):
    """Answers every request as the class is told, and keeps what it was sent."""

    heard: ClassVar[list[str]]
    status: ClassVar[int]
    body: ClassVar[bytes]
    headers_sent: ClassVar[dict[str, str]]

    def do_POST(self) -> None:
        self.heard.append(f"{self.path} {self.headers['Authorization']}")
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        for name, value in {**self.headers_sent, "Content-Length": str(len(self.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Not into the tests' output."""


@contextmanager
def answering(
    tls: tuple[Path, Path] | None = None,
    status: int = 200,
    body: str = '{"status": "succeeded"}',
    **headers: str,
) -> Iterator[tuple[str, list[str]]]:
    """A server on loopback: its address, and what it heard."""
    heard: list[str] = []
    told = {"heard": heard, "status": status, "body": body.encode(), "headers_sent": headers}
    with listening(type("Handler", (Answers,), told), tls) as address:
        yield address, heard


@contextmanager
def listening(
    handler: type[BaseHTTPRequestHandler], tls: tuple[Path, Path] | None = None
) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    scheme = "https" if tls else "http"
    try:
        yield f"{scheme}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def test_the_jobs_service_is_verified_before_it_sees_the_token(
    certificate: tuple[Path, Path], connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reindex.hooks.jobs.QUICK_ATTEMPTS", 1)
    with answering(tls=certificate) as (address, heard):
        connection("jobs_api", conn_type="http", host=address, password=TOKEN)
        with pytest.raises(ServiceUnavailable, match="cannot be spoken to over TLS") as refused:
            JobsHook().succeed(JOB, {})
        assert heard == []
        assert TOKEN not in str(refused.value)
        trusted = {"verify": str(certificate[0])}
        connection("jobs_api", conn_type="http", host=address, password=TOKEN, extra=trusted)
        assert JobsHook().succeed(JOB, {}).status == "succeeded"
        assert heard == [f"/jobs/job-1/succeed Bearer {TOKEN}"]


def test_the_jobs_service_is_called_through_the_connections_proxy(connection: Any) -> None:
    with answering() as (proxy, heard):
        extra = {"proxy": proxy}
        connection(
            "jobs_api", conn_type="http", host="http://jobs.test", password=TOKEN, extra=extra
        )
        assert JobsHook().succeed(JOB, {}).status == "succeeded"
    assert heard == [f"http://jobs.test/jobs/job-1/succeed Bearer {TOKEN}"]


class Dribbles(BaseHTTPRequestHandler):
    """Answers a byte at a time: each comes in time, the whole does not."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        with suppress(OSError):
            for _ in range(1000):
                self.wfile.write(b" ")
                time.sleep(0.1)

    def log_message(self, *_: object) -> None:
        """Not into the tests' output."""


def test_a_time_out_holds_for_the_whole_of_a_call(connection: Any) -> None:
    with listening(Dribbles) as address:
        connection(
            "jobs_api", conn_type="http", host=address, password=TOKEN, extra={"timeout": 0.5}
        )
        began = time.monotonic()
        with pytest.raises(ServiceUnavailable, match=r"no whole answer within 0\.5 s"):
            JobsHook().lease(1)
        assert time.monotonic() - began < 3


def test_an_answer_has_a_limit(connection: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reindex.hooks.http_call.MOST_ANSWER_BYTES", 10)
    monkeypatch.setattr("reindex.hooks.jobs.QUICK_ATTEMPTS", 1)
    with answering() as (address, _):
        connection("jobs_api", conn_type="http", host=address, password=TOKEN)
        with pytest.raises(ServiceUnavailable, match="DecodingError"):
            JobsHook().succeed(JOB, {})


def test_a_redirect_does_not_take_the_token_elsewhere(connection: Any) -> None:
    with (
        answering() as (elsewhere, heard_elsewhere),
        answering(status=307, Location=f"{elsewhere}/jobs") as (address, heard),
    ):
        connection("jobs_api", conn_type="http", host=address, password=TOKEN)
        with pytest.raises(ServiceUnavailable, match=r"answered 307 .*: it redirects, is the"):
            JobsHook().succeed(JOB, {})
        assert (len(heard), heard_elsewhere) == (1, [])


@pytest.mark.parametrize("answer", ["[]", "nonsense", '{"jobId": "../x"}', '{"jobId": null}'])
def test_a_job_id_of_the_service_is_checked_before_it_stands_in_an_address(
    connection: Any, answer: str
) -> None:
    with answering(status=201, body=answer) as (address, heard):
        connection("jobs_api", conn_type="http", host=address, password=TOKEN)
        with pytest.raises(InvalidConnection):
            JobsHook().enqueue({"docType": "creator", "docIds": []})
    assert heard == [f"/jobs Bearer {TOKEN}"]


def read_one(**options: object) -> object:
    with SourceHook() as source:
        source.extras |= {"serverSelectionTimeoutMS": 700, **options}
        return source.by_ids(DOC_TYPES["creator"], ["0" * 24])


def test_mongo_over_tls_is_verified(certificate: tuple[Path, Path], connection: Any) -> None:
    """The stand-in is no Mongo: what counts is whether it ever gets behind the handshake."""
    with answering(tls=certificate) as (address, _):
        port = int(address.rpartition(":")[2])
        mongo = {"conn_type": "mongo", "host": "127.0.0.1", "port": port, "schema": "marketplace"}
        connection("marketplace_mongo", **mongo, extra={"tls": True})
        with SourceHook() as source:
            source.extras["serverSelectionTimeoutMS"] = 700
            client = source.get_conn()
            said = why_unreachable(client)
        assert "CERTIFICATE_VERIFY_FAILED" in said
        with pytest.raises(SourceUnavailable, match=r"TLS .* \(CERTIFICATE_VERIFY_FAILED\)"):
            read_one()
        connection(
            "marketplace_mongo", **mongo, extra={"tls": True, "tlsCAFile": str(certificate[0])}
        )
        with SourceHook() as source:
            source.extras["serverSelectionTimeoutMS"] = 700
            said = why_unreachable(source.get_conn())
        assert "CERTIFICATE_VERIFY_FAILED" not in said
        with pytest.raises(SourceUnavailable, match="'marketplace_mongo'"):
            read_one()


def test_a_mongo_that_speaks_no_tls_is_told_from_one_that_is_not_there(connection: Any) -> None:
    with answering() as (address, _):
        port = int(address.rpartition(":")[2])
        mongo = {"conn_type": "mongo", "host": "127.0.0.1", "port": port, "schema": "marketplace"}
        connection("marketplace_mongo", **mongo, extra={"tls": True})
        with pytest.raises(SourceUnavailable, match=r"TLS to it fails .*check the extras tls"):
            read_one()


MONGO = {
    "conn_type": "mongo", "host": "mongo.example", "port": 27017, "schema": "marketplace",
    "login": "reindex", "password": "hidden-password",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"conn_type": "http"}, ["conn_type 'http' not allowed", "must be 'mongo'"]),
        ({"host": None}, ["names no host"]),
        ({"host": "mongo.example:27017"}, ["mongo.example:27017", "':' must be escaped"]),
        ({"port": 70_000}, ["mongo.example:70000", "Port must be an integer"]),
        ({"schema": "my market"}, ["Bad database name", "my market"]),
        ({"schema": "my.market"}, ["database names cannot contain the character '.'"]),
        ({"extra": {"srv": True}}, ["srv URI should not specify a port"]),
        ({"extra": {"tlz": True}}, ["mongo.example:27017", "Unknown option: tlz"]),
        ({"extra": {"tls": "maybe"}}, ["mongo.example:27017", "tls must be 'true' or 'false'"]),
        ({"extra": {"serverSelectionTimeoutMS": "soon"}}, ["serverSelectionTimeoutMS must be"]),
        ({"extra": {"maxPoolSize": []}}, ["Wrong type for maxPoolSize"]),
        ({"extra": {"tls": True, "tlsCAFile": "/no/ca.pem"}}, ["'/no/ca.pem'"]),
    ],
)
def test_an_unusable_mongo_connection_is_named(
    connection: Any, changed: dict[str, object], words: list[str]
) -> None:
    connection("marketplace_mongo", **{**MONGO, **changed})
    reads = [
        lambda source: source.by_ids(DOC_TYPES["creator"], ["0" * 24]),
        lambda source: next(source.ids(DOC_TYPES["creator"])),
        lambda source: next(source.ranges(DOC_TYPES["creator"], "0" * 24, None, None)),
    ]
    for read in reads:
        with pytest.raises(InvalidConnection) as refused, SourceHook() as source:
            read(source)
        for word in ["'marketplace_mongo'", *words]:
            assert word in str(refused.value)
        assert "hidden-password" not in str(refused.value)


def why_unreachable(client: Any) -> str:
    from pymongo.errors import ServerSelectionTimeoutError

    with pytest.raises(ServerSelectionTimeoutError) as error:
        client.admin.command("ping")
    return str(error.value)


@pytest.mark.parametrize("value", [True, "true", "True"])
def test_the_pair_that_switches_tls_off_is_refused_by_name(connection: Any, value: object) -> None:
    extra = {"ssl": value, "allow_insecure": value}
    fields = {"conn_type": "mongo", "host": "127.0.0.1", "schema": "marketplace"}
    connection("marketplace_mongo", **fields, extra=extra)
    with pytest.raises(InvalidConnection, match="ssl and allow_insecure"):
        SourceHook()
    # What is refused, and why: should the provider mend this, the refusal can go.
    if value is True:
        with MongoHook("marketplace_mongo") as hook:
            assert hook.get_conn().options.pool_options._ssl_context is None


@pytest.mark.parametrize("extra", [{"ssl": True}, {"tls": True}, {"allow_insecure": True}])
def test_each_half_of_the_pair_is_accepted(connection: Any, extra: dict[str, object]) -> None:
    fields = {"conn_type": "mongo", "host": "127.0.0.1", "schema": "marketplace"}
    connection("marketplace_mongo", **fields, extra=extra)
    with SourceHook() as source:
        context = source.get_conn().options.pool_options._ssl_context
        assert (context is None) is (extra == {"allow_insecure": True})
        assert context is None or context.verify_mode == ssl.CERT_REQUIRED


def test_credentials_in_a_host_are_refused_and_not_shown(connection: Any) -> None:
    host = "someone:hidden-password@example.com"
    connection("marketplace_mongo", conn_type="mongo", host=host, schema="marketplace")
    with pytest.raises(InvalidConnection, match="host holds an @") as mongo:
        SourceHook()
    connection("jobs_api", conn_type="http", host=f"https://{host}", password=TOKEN)
    with pytest.raises(InvalidConnection, match="host holds an @") as jobs:
        JobsHook().worker_id()
    assert "hidden-password" not in str(mongo.value) + str(jobs.value)
