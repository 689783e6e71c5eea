"""Pure: where the pages are found, by what plugin, links and tests all go by."""

from __future__ import annotations

from urllib.parse import quote

# Where Airflow's server mounts the pages and their data.
PREFIX = "/reindex"
# The pages' places in the UI, behind `plugin/`.
RUN_ROUTE = "reindex-run"
HISTORY_ROUTE = "reindex-history"


def run_report_url(base_url: str, dag_id: str, run_id: str) -> str:
    """
    The run's report inside the Airflow UI.

    :param base_url: Airflow's ``[api] base_url``, possibly with a path; empty: a link that holds
        on the server's own pages
    """
    run = f"dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"
    return f"{base_url.rstrip('/')}/{run}/plugin/{RUN_ROUTE}"
