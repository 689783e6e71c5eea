"""The Airflow Connections that the package looks for when nobody names others."""

from __future__ import annotations

MONGO = "marketplace_mongo"
DISCOVERY = "discovery_api"
JOBS = "jobs_api"
