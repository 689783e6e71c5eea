"""An Airflow Connection of type http, read as a service's address and our identity there."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from hypothesis import given
from hypothesis import strategies as st

from reindex.errors import InvalidConnection
from reindex.hooks.endpoint import Endpoint, endpoint_of
from tests.unit.strategies import json_values

TOKEN = "t0k3n"
Define = Callable[..., None]


@pytest.fixture
def define(monkeypatch: pytest.MonkeyPatch) -> Define:
    """Defines the one connection there is; a keyword replaces a field of a valid one."""

    def defined(extra: dict[str, object] | str | None = None, **fields: Any) -> None:
        extra = json.dumps(extra) if isinstance(extra, dict) else extra
        valid: dict[str, Any] = {
            "conn_type": "http",
            "host": "http://search",
            "port": 8080,
            "password": TOKEN,
        }
        connection = Connection(conn_id="api", extra=extra, **valid | fields)
        monkeypatch.setattr(BaseHook, "get_connection", lambda conn_id: connection)

    return defined


def refusal(conn_id: str = "api") -> str:
    with pytest.raises(InvalidConnection) as refused:
        endpoint_of(conn_id)
    message = str(refused.value)
    assert repr(conn_id) in message
    assert TOKEN not in message
    return message


def test_a_connection_is_read_with_safe_defaults(define: Define) -> None:
    define()
    assert endpoint_of("api") == Endpoint(
        conn_id="api",
        base_url="http://search:8080",
        token=TOKEN,
        timeout=10.0,
        verify=True,
        cert=None,
        proxy=None,
        worker_id=None,
    )


@pytest.mark.parametrize(
    ("fields", "base_url"),
    [
        ({"host": "search", "port": None}, "http://search"),
        ({"host": "search", "port": 8080}, "http://search:8080"),
        ({"host": "search", "port": 443, "schema": "https"}, "https://search:443"),
        ({"host": "search", "port": None, "conn_type": "https"}, "https://search"),
        ({"host": "https://search/base/", "port": None}, "https://search/base"),
        ({"host": "https://search", "port": 8443, "schema": "http"}, "https://search:8443"),
    ],
)
def test_the_address_is_read_as_the_http_hook_does(
    define: Define, fields: dict[str, object], base_url: str
) -> None:
    define(**fields)
    assert endpoint_of("api").base_url == base_url


def test_an_undefined_connection_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_found(conn_id: str) -> Connection:
        raise AirflowNotFoundException(conn_id)

    monkeypatch.setattr(BaseHook, "get_connection", not_found)
    message = refusal("discovery_api")
    assert message.startswith("connection 'discovery_api' is not defined: add it with type http")
    assert "AIRFLOW_CONN_DISCOVERY_API" in message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"conn_type": "mongo"}, "type is 'mongo', expected http"),
        ({"host": None}, "host is empty, expected the service's address"),
        ({"host": ""}, "host is empty, expected the service's address"),
        ({"password": None}, "password is empty, expected the service's bearer token"),
        ({"extra": {"timeuot": 5}}, "unknown extra 'timeuot'; known extras: timeout, verify, cert"),
        ({"extra": {"timeout": 0}}, "extra timeout is 0, expected seconds above 0"),
        ({"extra": {"timeout": 3601}}, "extra timeout is 3601, expected seconds above 0"),
        ({"extra": {"timeout": "soon"}}, "extra timeout is 'soon', expected seconds above 0"),
        ({"extra": {"timeout": [1]}}, "extra timeout is [1], expected seconds above 0"),
        ({"extra": {"timeout": None}}, "extra timeout is None, expected seconds above 0"),
        ({"extra": {"verify": "/no/file"}}, "extra verify is '/no/file', expected the path of a"),
        ({"extra": {"verify": 0}}, "extra verify is 0, expected the path of a file"),
        ({"extra": {"cert": "/no/file"}}, "extra cert is '/no/file', expected the path of a file"),
        ({"extra": {"cert": ["/no/file"]}}, "extra cert is ['/no/file'], expected the path"),
        ({"extra": {"cert": [__file__, "/no/key"]}}, "extra cert is '/no/key', expected the path"),
    ],
)
def test_what_cannot_be_used_is_named(define: Define, fields: dict[str, Any], message: str) -> None:
    define(**fields)
    assert refusal().startswith(f"connection 'api': {message}")


def test_an_absurd_timeout_is_named(define: Define) -> None:
    define({"timeout": 10**400})
    assert "extra timeout" in refusal()


@pytest.mark.parametrize(
    ("extra", "field", "value"),
    [
        ({"timeout": 2.5}, "timeout", 2.5),
        ({"timeout": "30"}, "timeout", 30.0),
        ({"timeout": 3600}, "timeout", 3600.0),
        ({"verify": False}, "verify", False),
        ({"verify": "False"}, "verify", False),
        ({"verify": "true"}, "verify", True),
        ({"verify": __file__}, "verify", __file__),
        ({"cert": __file__}, "cert", (__file__, None)),
        ({"cert": [__file__, __file__]}, "cert", (__file__, __file__)),
        ({"proxy": "http://proxy:3128"}, "proxy", "http://proxy:3128"),
        ({"workerId": "worker-7"}, "worker_id", "worker-7"),
    ],
)
def test_an_extra_sets_its_field(
    define: Define, extra: dict[str, object], field: str, value: object
) -> None:
    define(extra)
    assert getattr(endpoint_of("api"), field) == value


@pytest.mark.parametrize("token", [f"{TOKEN}\n", f"{TOKEN}\r\nX-Admin: 1"])
def test_a_token_that_cannot_stand_in_a_header_is_refused(define: Define, token: str) -> None:
    define(password=token)
    assert "password" in refusal()


@given(extra=st.dictionaries(st.sampled_from(["timeout", "verify", "cert", "proxy"]), json_values))
def test_any_extra_is_read_or_refused_by_name(extra: dict[str, object]) -> None:
    connection = Connection(conn_id="api", conn_type="http", host="search", password=TOKEN)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(BaseHook, "get_connection", lambda conn_id: connection)
        patched.setattr(Connection, "extra_dejson", extra)
        try:
            read: Endpoint | InvalidConnection = endpoint_of("api")
        except InvalidConnection as error:
            read = error
    if isinstance(read, Endpoint):
        assert 0 < read.timeout <= 3600
    else:
        assert any(f"extra {name} is" in str(read) for name in extra)


def test_the_token_is_sent_and_never_shown(define: Define) -> None:
    define()
    endpoint = endpoint_of("api")
    assert endpoint.headers == {
        "Authorization": f"Bearer {TOKEN}",
        "Content-Type": "application/json",
    }
    assert TOKEN not in repr(endpoint)
    assert TOKEN not in endpoint.where == "http://search:8080 (connection 'api')"


@pytest.mark.parametrize(("verify", "mode"), [(True, ssl.CERT_REQUIRED), (False, ssl.CERT_NONE)])
def test_a_server_is_verified_unless_told_otherwise(verify: bool, mode: ssl.VerifyMode) -> None:
    context = Endpoint("api", "https://search", TOKEN, verify=verify).ssl_context()
    assert context.verify_mode is mode
    assert context.check_hostname is verify


def test_a_client_certificate_that_cannot_be_read_is_not_passed_over() -> None:
    endpoint = Endpoint("api", "https://search", TOKEN, cert=(__file__, None))
    with pytest.raises(InvalidConnection, match="cert"):
        endpoint.ssl_context()
