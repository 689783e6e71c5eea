"""
The index as Airflow Assets, one for each document type, for other DAGs to be scheduled on.

The report names them through an alias, and only those that a run has verified: with the assets
themselves as outlets, every successful run would update every one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import Asset, AssetAlias

from reindex.conf import RunConf
from reindex.doc_types import DOC_TYPES

GROUP = "search-index"
# The scheme is our own, which Airflow leaves as it is when it begins with x-.
SEARCH_INDEX: Mapping[str, Asset] = {
    name: Asset(name=f"search_index_{name}", uri=f"x-reindex://discovery/{name}", group=GROUP)
    for name in DOC_TYPES
}
VERIFIED = AssetAlias(name="search_index_verified", group=GROUP)


def verified(conf: RunConf, result: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """
    The document types that a run brought up to date, each with its row of the run's ledger.

    That is, a full run in earnest that succeeded, in which every document of the type was reached.

    :param result: of :func:`reindex.verdict.run_result`
    """
    if not conf.full or result["state"] != "success":
        return {}
    rows = result["docTypes"]
    whole = [name for name in conf.doc_types if name in rows and not rows[name]["notReached"]]
    return {name: {"runId": result["runId"], **rows[name]} for name in whole}
