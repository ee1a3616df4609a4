"""Landed predictions: the columns that are needed, and of each request the first answer.

A client that was not answered in time asks again with the same id: that is one question, and its first answer counts,
by publication, partition and offset. The others are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from ray_pipeline.contracts.load import load_contract
from ray_pipeline.errors import UsageError
from ray_pipeline.features.training_spec import moment_us
from ray_pipeline.lake.entries import DataFile
from ray_pipeline.lake.read_ahead import read_ahead
from ray_pipeline.lake.rows import landed_schema
from ray_pipeline.lake.safe_parquet import open_verified, read_batches
from ray_pipeline.lake.schema_union import conform, unite
from ray_pipeline.lake.snapshot import Snapshot, take_snapshot
from ray_pipeline.runtime.wiring import open_lake

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig

COLUMNS = (
    "request_id",
    "occurred_at",
    "model",
    "label_key",
    "probability",
    "complete",
    "_timestamp",
    "_partition",
    "_offset",
)
Moment = datetime | str | None
"""A moment, or a day's midnight in UTC."""
_PLACE = ("#published", "_partition", "_offset")


@dataclass(frozen=True, slots=True, eq=False)
class LandedPredictions:
    """First answers to requests, in the order of their publication."""

    frame: pl.DataFrame
    """``request_id``, ``asked_us``, ``model``, ``version``, ``label_key``, ``probability``, ``complete``, and where it
    landed: ``_partition`` and ``_offset``."""
    repeated: int
    """Answers to a request that had one already."""


def landed_predictions(
    config: PipelineConfig,
    name: str | None,
    *,
    version: int | None = None,
    since: Moment = None,
    until: Moment = None,
) -> LandedPredictions:
    """Return the landed answers of a model (None: of all), or of one version, asked at ``since <= t < until``."""
    since_us, until_us = _us(since, "since"), _us(until, "until")
    frame = _plain(read_landed(config, predictions_dataset(config), COLUMNS))
    order = frame.sort(*_PLACE, nulls_last=True)
    first = order.with_columns(pl.col("request_id").is_first_distinct().alias("#first"))
    chosen = pl.lit(value=True) if name is None else pl.col("model") == name
    if version is not None:
        chosen &= pl.col("version") == version
    if since_us is not None:
        chosen &= pl.col("asked_us") >= since_us
    if until_us is not None:
        chosen &= pl.col("asked_us") < until_us
    found = first.filter(chosen)
    kept = found.filter(pl.col("#first")).drop("#first", "#published")
    return LandedPredictions(kept, found.height - kept.height)


def predictions_dataset(config: PipelineConfig) -> str:
    """Return the dataset that answers land in; ``UsageError`` where it is another kind of dataset."""
    dataset = config.serve.predictions
    settings = config.dataset(dataset)
    there = landed_schema(load_contract(settings.contract, object_name=settings.object)).names
    if lacking := [name for name in COLUMNS if name not in there]:
        raise UsageError(
            f"dataset {dataset} holds no predictions: its contract has no {lacking[0]}; serve.predictions names a "
            "dataset under contracts/flights/predictions.odcs.yaml, or one with the same columns"
        )
    return dataset


def snapshot_of(config: PipelineConfig, dataset: str) -> Snapshot:
    """Return what is committed of a dataset now."""
    return take_snapshot(open_lake(config), config.pipeline, config.dataset(dataset).topic)


def read_landed(
    config: PipelineConfig,
    dataset: str,
    columns: Sequence[str],
    keep: Callable[[pa.Table], pa.Table] | None = None,
) -> pa.Table:
    """Read some columns of what landed, as far as ``keep`` leaves rows of a part; columns that there are nowhere are
    left out.

    Every file is checked against its SHA-256, and only what is kept stays in memory. Where nothing landed yet the
    columns are those of the contract.
    """
    settings = config.dataset(dataset)
    schema = landed_schema(load_contract(settings.contract, object_name=settings.object))
    snapshot = snapshot_of(config, dataset)
    parts: list[pa.Table] = []
    for file, batches in landed_batches(snapshot, columns):
        for part in batches:
            schema = unite(schema, part.schema, file.key)
            parts.append(part if keep is None else keep(part))
    wanted = pa.schema([schema.field(name) for name in columns if name in schema.names])
    return pa.concat_tables([conform(part, wanted) for part in parts]) if parts else wanted.empty_table()


def landed_batches(snapshot: Snapshot, columns: Sequence[str] | None) -> Iterator[tuple[DataFile, Iterator[pa.Table]]]:
    """Yield each file of a snapshot with its rows, some at a time; a column that it lacks is left out."""
    keys = [file.key for file in snapshot.files]
    for file, (_, content) in zip(snapshot.files, read_ahead(snapshot.store, keys), strict=True):
        parquet = open_verified(content, file)
        there = None if columns is None else [name for name in columns if name in parquet.schema_arrow.names]
        yield file, read_batches(parquet, file.key, there)


def _plain(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    model = pl.col("model").struct
    return frame.select(
        "request_id",
        pl.col("occurred_at").dt.timestamp("us").alias("asked_us"),
        model.field("name").alias("model"),
        model.field("version").cast(pl.Int64).alias("version"),
        "label_key",
        "probability",
        "complete",
        pl.col("_timestamp").dt.timestamp("us").alias("#published"),
        "_partition",
        "_offset",
    )


def _us(moment: Moment, what: str) -> int | None:
    """Return a moment, or midnight UTC of a day, in microseconds."""
    if moment is None:
        return None
    text = moment.isoformat() if isinstance(moment, datetime) else moment
    try:
        return moment_us(f"{text}T00:00:00Z" if len(text) == len("2013-02-04") else text)
    except ValueError as error:
        raise UsageError(f"{what} {error}; a day is midnight UTC, as in 2013-02-04") from None
