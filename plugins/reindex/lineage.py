"""
What a chunk reads and writes, as OpenLineage names it: no login, no password, no document.

Only Airflow's OpenLineage provider calls what is in here, where it is installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reindex.doc_types import ALL, DOC_TYPES, DocType
from reindex.ledger import Counts

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage

MONGO_PORT = 27017


def lineage_of(
    doc_type: str, mongo_conn_id: str, discovery_conn_id: str, counts: Mapping[str, Counts]
) -> OperatorLineage[Any, Any]:
    """
    The collections that a chunk reads, the users' among them, and the indexes that it writes.

    :param counts: what became of the documents so far; an index is given the number it wrote
    :raises InvalidConnection: when a connection is missing or of the wrong type
    """
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.event_v2 import InputDataset, OutputDataset
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    from reindex.hooks.endpoint import endpoint_of
    from reindex.hooks.source import SourceHook

    conn = SourceHook(mongo_conn_id).connection
    source = source_namespace(conn.host, conn.port, srv=bool(conn.extra_dejson.get("srv")))
    target = endpoint_of(discovery_conn_id).base_url
    types = [DOC_TYPES[name] for name in (DOC_TYPES if doc_type == ALL else (doc_type,))]
    outputs = []
    for each in types:
        written = counts.get(each.name, Counts()).indexed
        facet = statistics.OutputStatisticsOutputDatasetFacet(rowCount=written)
        output = OutputDataset(target, f"search/{each.name}")
        output.outputFacets = {"outputStatistics": facet}
        outputs.append(output)
    read = dict.fromkeys(name for each in types for name in collections_of(each))
    return OperatorLineage(
        inputs=[InputDataset(source, f"{conn.schema}.{name}") for name in read], outputs=outputs
    )


def collections_of(doc_type: DocType) -> list[str]:
    return [doc_type.collection, *(join.collection for join in doc_type.joins)]


def source_namespace(host: str | None, port: int | None, *, srv: bool) -> str:
    """``mongodb://host:port``, as a connection has them; several hosts as they are."""
    name = host or "localhost"  # the hook has refused one with a login in it
    if srv or (port is None and ":" in name):
        return f"mongodb://{name}"
    return f"mongodb://{name}:{port or MONGO_PORT}"
