"""The bad file: refused records as they came, with every reason. A dead letter is durable here first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa

from ray_pipeline.lake.rows import HEADERS, TIMESTAMP, constant, headers_array, timestamps
from ray_pipeline.types import BadRecord, ContractRef, TopicPartition, Violation, json_pointer

_VIOLATION = pa.struct([pa.field(name, pa.string()) for name in ("path", "rule", "schema_path", "message")])
BAD_SCHEMA = pa.schema(
    [
        pa.field("_topic", pa.string()),
        pa.field("_partition", pa.int32()),
        pa.field("_offset", pa.int64()),
        pa.field("_timestamp", TIMESTAMP),
        pa.field("_key", pa.binary()),
        pa.field("_value", pa.binary()),
        pa.field("_headers", HEADERS),
        pa.field("_contract", pa.string()),
        pa.field("_contract_version", pa.string()),
        pa.field("_violations", pa.list_(_VIOLATION)),
    ]
)


def bad_table(tp: TopicPartition, records: Sequence[BadRecord], contract: ContractRef) -> pa.Table:
    """Return the records as rows of a bad file."""
    count = len(records)
    columns = [
        constant(tp.topic, count),
        pa.repeat(pa.scalar(tp.partition, pa.int32()), count),
        pa.array([record.offset for record in records], pa.int64()),
        timestamps(pa.array([record.timestamp for record in records], pa.int64())),
        pa.array([record.key for record in records], pa.binary()),
        pa.array([record.value for record in records], pa.binary()),
        headers_array([record.headers for record in records]),
        constant(contract.id, count),
        constant(contract.version, count),
        _violations_array([record.violations for record in records]),
    ]
    return pa.Table.from_arrays(columns, schema=BAD_SCHEMA)


def bad_records(table: pa.Table) -> list[BadRecord]:
    """Return the rows of a bad file as records again.

    A path comes back from its JSON pointer: a key that looks like a number comes back as one.
    """
    return [_record(row) for row in table.set_column(3, "_timestamp", table["_timestamp"].cast(pa.int64())).to_pylist()]


def _record(row: dict[str, Any]) -> BadRecord:
    return BadRecord(
        offset=row["_offset"],
        timestamp=-1 if row["_timestamp"] is None else row["_timestamp"],
        key=row["_key"],
        value=row["_value"],
        headers=tuple((header["key"], header["value"]) for header in row["_headers"]),
        violations=tuple(
            Violation(_path(v["path"]), v["rule"], v["schema_path"], v["message"]) for v in row["_violations"]
        ),
    )


def _path(pointer: str) -> tuple[str | int, ...]:
    parts = (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
    return tuple(int(part) if part.isascii() and part.isdigit() and str(int(part)) == part else part for part in parts)


def _violations_array(violations: Sequence[tuple[Violation, ...]]) -> pa.Array:
    offsets = [0]
    flat: list[Violation] = []
    for reasons in violations:
        flat.extend(reasons)
        offsets.append(len(flat))
    columns = [
        _texts([_pointer(violation.path) for violation in flat]),
        _texts([violation.rule for violation in flat]),
        _texts([violation.schema_path for violation in flat]),
        _texts([violation.message for violation in flat]),
    ]
    items = pa.StructArray.from_arrays(columns, fields=list(_VIOLATION))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items)


# Bad records come in runs that break the same rule in the same place.
_pointer = lru_cache(maxsize=10_000)(json_pointer)


def _texts(texts: list[str]) -> pa.Array:
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:  # a key of the record may be a lone surrogate, which UTF-8 cannot hold
        return pa.array([text.encode("utf-8", "backslashreplace").decode() for text in texts], pa.string())
