"""What OpenLineage calls the places where data lies: a namespace and a name, by its naming rules.

Two systems that tell of the same topic, folder or table must give it the same name, or their graphs do not meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from ray_pipeline.lake.keys import quote

KAFKA_PORT = 9092


@dataclass(frozen=True, slots=True, order=True)
class DatasetName:
    """One dataset, as every producer of OpenLineage events names it."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Places:
    """Where the rows of one dataset come from, lie, and go."""

    landed: DatasetName
    """The folder of the files that are judged."""
    topic: DatasetName | None = None
    """None for files that our ingest did not write."""
    table: DatasetName | None = None
    """The curated table; None where nothing is published."""
    quarantine: DatasetName | None = None


def name_topic(bootstrap_servers: str, topic: str) -> DatasetName:
    """Return the name of a topic; of several brokers the first one names the cluster.

    >>> name_topic("SSL://kafka-1:9093, kafka-2:9093", "departures")
    DatasetName(namespace='kafka://kafka-1:9093', name='departures')
    """
    broker = bootstrap_servers.split(",")[0].strip().rpartition("://")[2]
    has_port = broker.rpartition(":")[2].isdecimal() and not broker.endswith("]")
    return DatasetName(f"kafka://{broker}" if has_port else f"kafka://{broker}:{KAFKA_PORT}", topic)


def name_location(address: str) -> DatasetName:
    """Return the name of a folder, an object's prefix or a table's location; no credential and no query is kept.

    >>> name_location("s3://bucket/lake/flights")
    DatasetName(namespace='s3://bucket', name='lake/flights')
    >>> name_location("file:///srv/lake") == name_location("/srv/lake/") == DatasetName("file", "/srv/lake")
    True
    """
    if "://" not in address and not address.startswith("file:"):
        return DatasetName("file", address.rstrip("/") or "/")
    parts = urlsplit(address)
    if parts.scheme == "file":
        return DatasetName("file", unquote(parts.path).rstrip("/") or "/")
    authority = parts.netloc.rpartition("@")[2]
    return DatasetName(f"{parts.scheme}://{authority}", parts.path.strip("/") or "/")


def name_places(
    *, bootstrap_servers: str, topic: str, store: str, pipeline: str, dataset: str, table: str | None = None
) -> Places:
    """Return the places of a dataset that our ingest lands.

    ``table`` is the location of the curated table, or the URI of one of its metadata files.

    >>> name_places(bootstrap_servers="k:9092", topic="t", store="s3://b/lake", pipeline="p", dataset="d").landed.name
    'lake/p/data/t'
    """
    below = f"{store.rstrip('/')}/{quote(pipeline)}"
    return Places(
        landed=name_location(f"{below}/data/{quote(topic)}"),
        topic=name_topic(bootstrap_servers, topic),
        table=name_location(table_location(table)) if table else None,
        quarantine=name_location(f"{below}/_gate/{quote(dataset)}/quarantine"),
    )


def table_location(uri: str) -> str:
    """Return the location of an Iceberg table, given it or one of its metadata files.

    >>> table_location("s3://b/warehouse/flights/departures/metadata/00003-ab.metadata.json")
    's3://b/warehouse/flights/departures'
    """
    return uri.rpartition("/metadata/")[0] if uri.endswith(".metadata.json") and "/metadata/" in uri else uri
