"""Events that landed and that the gate did not let through: the model saw them live, and no training set will."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from ray_pipeline.features.entity import entity_key
from ray_pipeline.features.events import OURS, event_rows
from ray_pipeline.features.reading import OffsetRange
from ray_pipeline.features.service import Service
from ray_pipeline.features.shape import KeyShape, ValueType
from ray_pipeline.runtime.predictions.landed import read_landed

if TYPE_CHECKING:
    import pyarrow as pa

    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.feast.repo import FeatureRepo
    from ray_pipeline.features.definition import CompiledView

_PLACE = {"_partition": pl.Int32(), "_offset": pl.Int64()}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """One event of a view that the gate kept back."""

    published_us: int
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class KeptView:
    """The kept events of one view."""

    keys: Sequence[tuple[str, KeyShape]]
    """Of a request's value, and what part of the entity it is."""
    events: Mapping[str, Sequence[KeptEvent]]
    """By entity."""


@dataclass(frozen=True, slots=True)
class KeptBack:
    """What the gate kept back of the events behind a service's views, by view as the service calls it."""

    views: Mapping[str, KeptView]

    @property
    def events(self) -> int:
        """How many there are, counted for each view that they would be events of."""
        return sum(len(found) for view in self.views.values() for found in view.events.values())

    def places(self, view: str, event: Mapping[str, Any], ranges: Sequence[OffsetRange]) -> tuple[tuple[int, int], ...]:
        """Return partition and offset of the kept events that a prediction's view rests on.

        They are events of the asked entity, published by the moment asked, within the logged ranges of offsets. Where
        nothing counts any more there are no ranges, and each one that was published by then is meant: that the entity
        was seen at all may rest on it.
        """
        known = self.views.get(view)
        if known is None:
            return ()
        entity = _entity(known.keys, orjson.loads(event["request"]))
        at = _micros(event["occurred_at"])
        return tuple(
            (one.partition, one.offset)
            for one in known.events.get(entity or "", ())
            if one.published_us <= at and (not ranges or any(_holds(each, one) for each in ranges))
        )


def kept_back(config: PipelineConfig, service: Service, repo: FeatureRepo) -> KeptBack:
    """Return what landed for the views of a service and is not in the newest curated snapshots."""
    published = {
        name: _published(config, name) for name in {repo.view(one.view).shape.dataset for one in service.views}
    }
    found: dict[str, dict[str, list[KeptEvent]]] = {}
    views = {}
    for asked in service.views:
        view = repo.view(asked.view)
        if asked.view not in found:
            found[asked.view] = _events(config, view, published[view.shape.dataset])
        keys = [(asked.keys.get(key.name, key.name), key) for key in view.shape.keys]
        views[asked.shown] = KeptView(keys, found[asked.view])
    return KeptBack(views)


def _events(config: PipelineConfig, view: CompiledView, published: pl.DataFrame) -> dict[str, list[KeptEvent]]:
    wanted = tuple(dict.fromkeys((*view.columns, view.event_time, *OURS)))

    def keep(rows: pa.Table) -> pa.Table:
        known = _places_of(rows).with_row_index("#row").join(published, on=list(_PLACE), how="anti")
        return rows.take(known["#row"].sort().to_arrow())

    rows = event_rows(view, read_landed(config, view.shape.dataset, wanted, keep)).frame
    found: dict[str, list[KeptEvent]] = {}
    for entity, at, partition, offset in rows.select("entity", "published", "partition", "offset").iter_rows():
        found.setdefault(entity, []).append(KeptEvent(at, partition, offset))
    return found


def _published(config: PipelineConfig, dataset: str) -> pl.DataFrame:
    """Return partition and offset of the curated rows."""
    from ray_pipeline.connectors.iceberg.pinned import read_columns
    from ray_pipeline.runtime.curated import curated_table

    table = curated_table(config, dataset)
    snapshot = None if table is None else table.info()["snapshot_id"]
    if table is None or snapshot is None:
        return pl.DataFrame(schema=pl.Schema(_PLACE))
    rows = read_columns(table, snapshot, tuple(_PLACE))
    return _places_of(rows)


def _places_of(rows: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(rows.select(list(_PLACE)))
    assert isinstance(frame, pl.DataFrame)
    return frame.cast(pl.Schema(_PLACE))


def _entity(keys: Sequence[tuple[str, KeyShape]], values: Mapping[str, Any]) -> str | None:
    parts: dict[str, Any] = {}
    for name, key in keys:
        value = values.get(name)
        parts[key.name] = _micros(value) if key.type is ValueType.TIMESTAMP and value is not None else value
    return entity_key([key for _, key in keys], parts)


def _holds(span: OffsetRange, event: KeptEvent) -> bool:
    return span.partition == event.partition and span.first <= event.offset <= span.last


def _micros(moment: Any) -> int:
    found = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return int((found - _EPOCH) // _MICROSECOND)
