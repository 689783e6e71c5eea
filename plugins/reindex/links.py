"""What the UI shows under "Extra Links" of a task: the way to the run's report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

from reindex.views.urls import run_report_url

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey


class RunReportLink(BaseOperatorLink):
    """Made in the worker once a task has ended; Airflow keeps it as an XCom."""

    name = "Run report"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        from airflow.sdk.configuration import conf  # at run time: it reads files

        base_url = conf.get("api", "base_url", fallback="") or ""
        return run_report_url(base_url, ti_key.dag_id, ti_key.run_id)


RUN_LINKS = (RunReportLink(),)
