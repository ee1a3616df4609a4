"""What a training set says of itself: everything that it rests on, and nothing of the run that made it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ray_pipeline.features.content_hash import content_hash
from ray_pipeline.features.requests import feature_definitions
from ray_pipeline.features.training import LABEL, SPLIT
from ray_pipeline.features.training_spec import TrainingSpec, moment_text

if TYPE_CHECKING:
    from ray_pipeline.connectors.iceberg.feature_table import FeatureTableInfo
    from ray_pipeline.connectors.iceberg.table import CuratedSnapshot
    from ray_pipeline.features.definition import RequestDefinition
    from ray_pipeline.features.shape import ViewShape

FORMAT = 1
ROW_GROUP = 65_536
OFFSETS = "ray-pipeline.offsets"
_CONTRACT = "ray-pipeline.contract"


def training_parquet(table: pa.Table) -> bytes:
    """Return the table as one Parquet file: with the same pyarrow always the same bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.combine_chunks(),
        sink,
        row_group_size=ROW_GROUP,
        version="2.6",
        data_page_version="1.0",
        compression="zstd",
        compression_level=3,
        use_dictionary=True,
        write_statistics=True,
        store_schema=True,
    )
    data: bytes = sink.getvalue().to_pybytes()
    return data


def training_manifest(
    spec: TrainingSpec,
    table: pa.Table,
    data: bytes,
    *,
    label_key: str,
    request: RequestDefinition | None,
    questions: int,
    excluded: Mapping[str, int],
    outcomes_replaced: int,
    curated: Mapping[str, tuple[CuratedSnapshot, pa.Table]],
    views: Mapping[str, tuple[ViewShape, FeatureTableInfo]],
    features: Mapping[str, str | None],
) -> dict[str, Any]:
    """Return the manifest. ``views`` by the name that the service gives them; ``features``: column → view or None."""
    return {
        "format": FORMAT,
        "spec": spec.to_json(),
        "label_key": label_key,
        "request": None if request is None else request.name,
        "request_definitions": {} if request is None else feature_definitions(request),
        "file": {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "row_group": ROW_GROUP},
        "content_hash": content_hash(table),
        "columns": {one.name: str(one.type) for one in table.schema},
        "rows": table.num_rows,
        "questions": questions,
        "excluded": dict(sorted(excluded.items())),
        "outcomes_replaced": outcomes_replaced,
        "splits": [_split(table, split.name, split.start_us, split.end_us) for split in spec.splits],
        "curated": {name: _curated(snapshot, rows) for name, (snapshot, rows) in sorted(curated.items())},
        "views": [_view(table, shown, shape, info) for shown, (shape, info) in views.items()],
        "features": [_feature(table, name, view) for name, view in features.items()],
    }


def _split(table: pa.Table, name: str, start_us: int, end_us: int) -> dict[str, Any]:
    labels = table.column(LABEL).filter(pc.equal(table.column(SPLIT), name))
    numbers = [float(value) for value in labels.to_pylist()] if _is_number(labels.type) else []
    rate = math.fsum(numbers) / len(numbers) if numbers else None
    limits = {"from": moment_text(start_us), "to": moment_text(end_us)}
    return {"name": name, **limits, "rows": len(labels), "label_rate": rate}


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _curated(snapshot: CuratedSnapshot, rows: pa.Table) -> dict[str, Any]:
    """The snapshot, the contract of its newest decision, and the offsets of the rows that were looked at."""
    contract = {name: snapshot.summary.get(f"{_CONTRACT}-{name}") for name in ("id", "version", "digest")}
    grouped = rows.select(["_partition", "_offset"]).group_by("_partition").aggregate(
        [("_offset", "min"), ("_offset", "max")]
    ).sort_by("_partition")  # fmt: skip
    return {
        "snapshot": snapshot.snapshot_id,
        "decision": snapshot.decision,
        "contract": contract,
        "rows": rows.num_rows,
        "offsets": [
            {"partition": row["_partition"], "first": row["_offset_min"], "last": row["_offset_max"]}
            for row in grouped.to_pylist()
        ],
    }


def _view(table: pa.Table, shown: str, shape: ViewShape, info: FeatureTableInfo) -> dict[str, Any]:
    counts = table.column(f"{shown}__status").value_counts().to_pylist()
    return {
        "name": shown,
        "view": shape.name,
        "definition": shape.definition,
        "dataset": shape.dataset,
        "snapshot": info.snapshot_id,
        "build": info.build,
        "curated": {name: one.snapshot_id for name, one in sorted(info.inputs.items())},
        "horizon": None if info.horizon_us is None else moment_text(info.horizon_us),
        "offsets": [{"partition": one.partition, "first": one.first, "last": one.last} for one in info.offsets],
        "statuses": {one["values"]: one["counts"] for one in sorted(counts, key=lambda one: str(one["values"]))},
    }


def _feature(table: pa.Table, name: str, view: str | None) -> dict[str, Any]:
    column = table.column(name)
    share = column.null_count / len(column) if len(column) else 0.0
    return {"name": name, "view": view, "type": str(column.type), "nulls": column.null_count, "null_share": share}
