"""One landed prediction by its request id: every file is asked, and of most of them only the footer or one column."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ray_pipeline.errors import UsageError
from ray_pipeline.lake.entries import DataFile
from ray_pipeline.lake.read_ahead import read_ahead
from ray_pipeline.lake.safe_parquet import open_verified, read_batches
from ray_pipeline.lake.snapshot import Snapshot
from ray_pipeline.runtime.predictions.landed import predictions_dataset, snapshot_of

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig

ID = "request_id"
_PLACE = ("_timestamp", "_partition", "_offset")
_IS_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")


@dataclass(frozen=True, slots=True)
class FoundPrediction:
    """The first answer to a request."""

    event: dict[str, Any]
    """Its landed row; ours among the columns."""
    file: str
    """URI of the file that it landed in."""
    answers: int
    """All that landed; the first one counts."""


def find_prediction(config: PipelineConfig, request_id: str) -> FoundPrediction:
    """Return the first answer to a request; ``UsageError`` where none has landed."""
    if not _IS_ID.fullmatch(request_id):
        raise UsageError("that is no request id: 1 to 100 letters, digits, '.', '_', ':' and '-'")
    dataset = predictions_dataset(config)
    snapshot = snapshot_of(config, dataset)
    places: list[tuple[tuple[bool, Any, int, int], DataFile]] = []
    for file, (_, content) in zip(
        snapshot.files, read_ahead(snapshot.store, [file.key for file in snapshot.files]), strict=True
    ):
        parquet = open_verified(content, file)
        if _may_hold(parquet, request_id):
            places += [(place, file) for place in _places(parquet, file, request_id)]
    if not places:
        raise UsageError(
            f"no prediction {request_id} has landed in {dataset} (of {snapshot.rows:,}); an answer lands once ingest "
            "has read its event"
        )
    place, file = min(places, key=lambda one: one[0])
    return FoundPrediction(_row(snapshot, file, request_id, place), snapshot.store.uri(file.key), len(places))


def _may_hold(parquet: pq.ParquetFile, request_id: str) -> bool:
    """Say whether some row group can hold the id, going by the least and the greatest one that its footer names."""
    metadata = parquet.metadata
    number = next((i for i in range(metadata.num_columns) if metadata.schema.column(i).path == ID), None)
    if number is None:
        return False
    for group in range(metadata.num_row_groups):
        said = metadata.row_group(group).column(number).statistics
        if said is None or not said.has_min_max or said.min <= request_id <= said.max:
            return True
    return False


def _places(parquet: pq.ParquetFile, file: DataFile, request_id: str) -> list[tuple[bool, Any, int, int]]:
    """Return when and where each answer in a file was published, in the order in which they count."""
    found = []
    for ids in read_batches(parquet, file.key, [ID, *_PLACE]):
        rows = ids.filter(pc.equal(ids.column(ID), request_id))
        for row in rows.select(list(_PLACE)).to_pylist():
            moment, partition, offset = (row[name] for name in _PLACE)
            found.append((moment is None, moment, partition, offset))
    return found


def _row(snapshot: Snapshot, file: DataFile, request_id: str, place: tuple[bool, Any, int, int]) -> dict[str, Any]:
    parquet = open_verified(snapshot.store.get(file.key), file)
    for rows in read_batches(parquet, file.key):
        chosen = pc.and_(pc.equal(rows.column(ID), request_id), pc.equal(rows.column("_offset"), place[3]))
        found = rows.filter(pc.fill_null(chosen, pa.scalar(value=False))).to_pylist()
        if found:
            event: dict[str, Any] = found[0]
            return event
    raise AssertionError("the row was there a moment ago, and files do not change")
