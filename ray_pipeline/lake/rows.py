"""Landed rows: the contract's columns, then ours, which lead back to the record in Kafka."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ray_pipeline.contracts.model import DataContract
from ray_pipeline.types import Headers, RecordBatch

HEADERS = pa.list_(pa.struct([pa.field("key", pa.string()), pa.field("value", pa.binary())]))
TIMESTAMP = pa.timestamp("ms", tz="UTC")
OUR_FIELDS = (
    pa.field("_topic", pa.string()),
    pa.field("_partition", pa.int32()),
    pa.field("_offset", pa.int64()),
    pa.field("_timestamp", TIMESTAMP),
    pa.field("_key", pa.binary()),
    pa.field("_contract", pa.string()),
    pa.field("_contract_version", pa.string()),
)
HEADERS_FIELD = pa.field("_headers", HEADERS)


def landed_schema(contract: DataContract) -> pa.Schema:
    """Return the schema of every file that lands under the contract; always exactly this one."""
    ours = [*OUR_FIELDS, HEADERS_FIELD] if contract.land_headers else list(OUR_FIELDS)
    return pa.schema([*contract.landing_schema, *ours])


def landed_table(contract: DataContract, batch: RecordBatch, rows: Sequence[int], table: pa.Table) -> pa.Table:
    """Return ``table``, whose row ``i`` is record ``rows[i]`` of the batch, with our columns beside it."""
    everything = len(rows) == len(batch)
    taken = None if everything else pa.array(rows, pa.int64())

    def column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
        array = pa.array(values, kind)
        return array if taken is None else array.take(taken)

    ours: list[pa.Array] = [
        constant(batch.topic_partition.topic, len(rows)),
        pa.repeat(pa.scalar(batch.topic_partition.partition, pa.int32()), len(rows)),
        column(batch.offsets, pa.int64()),
        timestamps(column(batch.timestamps, pa.int64())),
        column(batch.keys, pa.binary()),
        constant(contract.id, len(rows)),
        constant(contract.version, len(rows)),
    ]
    if contract.land_headers:
        ours.append(headers_array([batch.headers(i) for i in rows]))
    return pa.Table.from_arrays([*table.columns, *ours], schema=landed_schema(contract))


def constant(text: str, count: int) -> pa.Array:
    """Return the text, ``count`` times."""
    return pa.repeat(pa.scalar(text, pa.string()), count)


def timestamps(milliseconds: pa.Array) -> pa.Array:
    """Return Kafka's milliseconds as moments; -1, which means none, as null."""
    known = pc.if_else(pc.less(milliseconds, 0), pa.scalar(None, pa.int64()), milliseconds)
    return known.cast(TIMESTAMP)


def headers_array(headers: Sequence[Headers]) -> pa.Array:
    """Return headers as a column: order and repeated names are kept."""
    offsets = [0]
    keys: list[str] = []
    values: list[bytes | None] = []
    for one in headers:
        if one:
            keys.extend([key for key, _ in one])
            values.extend([value for _, value in one])
        offsets.append(len(keys))
    pairs = pa.StructArray.from_arrays([pa.array(keys, pa.string()), pa.array(values, pa.binary())], ["key", "value"])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pairs)
