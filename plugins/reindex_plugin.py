"""
What this package adds to Airflow: the run report and the history in the UI, and their data.

Every process of Airflow imports this module, each task's too: so it imports nothing of its own
before the first request for one of the pages.
"""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

# Without a leading slash, as the pages: so they hold below the path of a base_url as well.
ICON = {"icon": "reindex/static/icon.svg", "icon_dark_mode": "reindex/static/icon-dark.svg"}


class LazyApp:
    """The pages' ASGI app, imported at its first request."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from reindex.views.app import app

        await app(scope, receive, send)


class ReindexPlugin(AirflowPlugin):
    """
    The names of the routes are those of ``reindex.views.urls``; a test holds the two together.

    Airflow shows a view of a DAG run on the runs of all DAGs: the page says so on another's.
    """

    name = "reindex"
    fastapi_apps = [{"app": LazyApp(), "url_prefix": "/reindex", "name": "Reindex"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "Run report",
            "href": "reindex/run?dag_id={DAG_ID}&run_id={RUN_ID}",
            "destination": "dag_run",
            "url_route": "reindex-run",
            **ICON,
        },
        {
            "name": "Reindex",
            "href": "reindex/history",
            "destination": "nav",
            "nav_top_level": True,
            "url_route": "reindex-history",
            **ICON,
        },
    ]
