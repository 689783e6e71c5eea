"""Addresses of the pages, and that the plugin registers what they lead to."""

from __future__ import annotations

import pytest

from reindex.views.urls import HISTORY_ROUTE, PREFIX, RUN_ROUTE, run_report_url

RUN = "manual__2026-11-23T20:22:32.206981+00:00"
QUOTED = "manual__2026-11-23T20%3A22%3A32.206981%2B00%3A00"


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("http://localhost:8080", "http://localhost:8080/dags"),
        ("https://host/airflow/", "https://host/airflow/dags"),
        ("", "/dags"),
    ],
)
def test_run_report_url(base_url: str, expected: str) -> None:
    expected = f"{expected}/reindex_batch/runs/{QUOTED}/plugin/reindex-run"
    assert run_report_url(base_url, "reindex_batch", RUN) == expected


def test_no_run_id_leaves_its_place_in_the_address() -> None:
    assert (
        run_report_url("", "a", "x/../../y?z#")
        == "/dags/a/runs/x%2F..%2F..%2Fy%3Fz%23/plugin/reindex-run"
    )


def test_the_plugin_registers_these_routes() -> None:
    from reindex_plugin import ReindexPlugin

    (app,) = ReindexPlugin.fastapi_apps
    assert app["url_prefix"] == PREFIX
    views = {view["url_route"]: view for view in ReindexPlugin.external_views}
    assert set(views) == {RUN_ROUTE, HISTORY_ROUTE}
    for view in views.values():
        # Without a leading slash: so they hold below the path of a base_url as well.
        assert view["href"].startswith(f"{PREFIX.removeprefix('/')}/")
