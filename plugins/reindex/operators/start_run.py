"""Airflow's own operator for starting a run, for a conf that somebody else wrote."""

from __future__ import annotations

from collections.abc import Sequence

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator


class StartRunOperator(TriggerDagRunOperator):
    """
    ``TriggerDagRunOperator`` without templates.

    Airflow (3.3.2) renders what ``expand_kwargs`` takes from an XCom. A job's payload is such a
    value, and as a template it could read every Connection and Variable of the deployment.
    """

    template_fields: Sequence[str] = ()
