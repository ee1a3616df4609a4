"""Whether online and offline say the same: both are read at one moment, and compared exactly.

Both sides know everything up to some event: the online store by its marks, the offline table by its snapshot. They are
compared at the earlier of the two horizons. What differs because one side has not seen the events of the other is
*behind*, by the offsets that the values rest on; what differs although both have seen the same is *different*. That
includes rows which the gate quarantined or holds: the stream has computed with them, and the offline table has not.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from ray_pipeline.connectors.online.reading import given, rows_of, state_readings
from ray_pipeline.connectors.online.values import plain, unpack
from ray_pipeline.errors import UsageError
from ray_pipeline.features.entity import entity_key, key_parts
from ray_pipeline.features.history import offline_schema
from ray_pipeline.features.reading import OffsetRange, Reading, Status
from ray_pipeline.features.shape import Feed, ValueType, ViewShape
from ray_pipeline.features.training_spec import moment_us
from ray_pipeline.runtime.features.skew import Example, SkewReport, ViewSkew

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.iceberg.feature_table import FeatureTable, FeatureTableInfo
    from ray_pipeline.features.ports import OnlineStore

__all__ = ["SkewReport", "ViewSkew", "verify_features"]

BATCH = 500
EXAMPLES = 5
_ALL = 1 << 31
_OFFSETS = "_offsets"


def verify_features(
    config: PipelineConfig,
    *,
    views: Sequence[str] | None = None,
    sample: int | None = None,
    at: datetime | None = None,
    keys: bool = False,
    values: bool = False,
) -> SkewReport:
    """Compare some views, or all of the repository.

    ``sample``: so many entities of each view, chosen by the hash of their keys and the moment; None: all of them, so
    that no skew can hide. ``at`` is the moment at which both sides are read, instead of the earlier horizon. ``keys``
    and ``values`` put them into the examples, where they are otherwise digests.
    """
    from ray_pipeline.connectors.feast.repo import load_repo
    from ray_pipeline.connectors.iceberg.feature_catalog import open_feature_catalog
    from ray_pipeline.connectors.online import online_settings, open_online

    if sample is not None and sample < 1:
        raise UsageError("sample must be at least 1")
    moment = None if at is None else moment_us(at.isoformat()) if at.tzinfo else None
    if at is not None and moment is None:
        raise UsageError("at needs its offset from UTC: 2013-01-01T00:00:00+00:00")
    repo = load_repo(config)
    chosen = [repo.view(name).shape for name in views] if views else [view.shape for view in repo.views]
    store = open_online(online_settings(repo.folder, config))
    try:
        catalog = open_feature_catalog(config)
        asking = _Asking(sample, moment, keys, values)
        return SkewReport(tuple(verify_view(shape, store, catalog.table(shape.name), asking) for shape in chosen))
    finally:
        store.close()


@dataclass(frozen=True, slots=True)
class _Asking:
    """How to compare."""

    sample: int | None = None
    at_us: int | None = None
    keys: bool = False
    values: bool = False


def verify_view(
    shape: ViewShape, store: OnlineStore, table: FeatureTable | None, asking: _Asking | None = None
) -> ViewSkew:
    """Compare one view, with parts that are at hand."""
    asking = asking or _Asking()
    info = None if table is None else table.info()
    if table is None or info is None or info.snapshot_id is None or info.horizon_us is None:
        return ViewSkew(shape.name, None, None, None, why="it was never built; run `ray-pipeline features build`")
    if info.definition != shape.definition:
        why = "the offline table holds another definition; run `ray-pipeline features build`"
        return ViewSkew(shape.name, None, None, info.horizon_us, why=why)
    marks = [one for one in store.marks(shape.name) if one.definition == shape.definition]
    online_us = max((one.published_us for one in marks), default=0) or None  # 0: of no record with a sound clock
    if shape.feed is Feed.STREAM and online_us is None:
        why = "the online store knows nothing of it; ingest, or run `ray-pipeline features backfill --online`"
        return ViewSkew(shape.name, None, None, info.horizon_us, why=why)
    horizons = [one for one in (online_us, info.horizon_us) if one is not None]
    at = min(horizons) if asking.at_us is None else asking.at_us
    entities = _entities(shape, store, table, info.snapshot_id)
    comparing = _Comparing(shape, at, {_partition(one.source): one.offset for one in marks}, info)
    some = _sampled(entities, asking.sample, at)
    return comparing.run(store, table, some, asking, total=len(entities), online_us=online_us)


@dataclass(frozen=True, slots=True)
class _Comparing:
    shape: ViewShape
    at: int
    marks: Mapping[int, int]
    """Partition → everything before this offset is online."""
    info: FeatureTableInfo

    def run(
        self,
        store: OnlineStore,
        table: FeatureTable,
        entities: Sequence[str],
        asking: _Asking,
        *,
        total: int,
        online_us: int | None,
    ) -> ViewSkew:
        verdicts, features, statuses = Counter[str](), Counter[str](), Counter[str]()
        examples: list[Example] = []
        for start in range(0, len(entities), BATCH):
            some = entities[start : start + BATCH]
            here = list(self._online(store, some))
            for entity, online, offline in zip(some, here, self._offline(table, some, here), strict=True):
                verdict, names = self._verdict(online, offline)
                verdicts[verdict] += 1
                if verdict != "different":
                    continue
                features.update(names)
                statuses[f"{online.status}/{offline.status}"] += 1
                if len(examples) < EXAMPLES:
                    examples.append(self._example(entity, names, online, offline, asking))
        return ViewSkew(
            self.shape.name,
            self.at,
            online_us,
            self.info.horizon_us,
            entities=total,
            compared=len(entities),
            same=verdicts["same"],
            different=verdicts["different"],
            online_behind=verdicts["online"],
            offline_behind=verdicts["offline"],
            features=dict(sorted(features.items())),
            statuses=dict(sorted(statuses.items())),
            examples=tuple(examples),
        )

    def _verdict(self, online: Reading, offline: Reading) -> tuple[str, tuple[str, ...]]:
        pairs = zip(self.shape.features, online.values, offline.values, strict=True)
        names = tuple(one.name for one, here, there in pairs if here != there or (here is None) != (there is None))
        if not names and online.status is offline.status and online.event_us == offline.event_us:
            return "same", ()
        if online.status is Status.INVALID:
            return "offline", ()
        if behind := self._behind(online, offline):
            return behind, ()
        return "different", names

    def _behind(self, online: Reading, offline: Reading) -> str:
        """Say which side has not seen events that the other one rests on."""
        if self.shape.feed is Feed.MATERIALIZED:
            here, there = online.event_us, offline.event_us
            if here == there:
                return ""
            return "online" if here is None or (there is not None and here < there) else "offline"
        if any(one.last >= self.marks.get(one.partition, 0) for one in offline.offsets):
            return "online"
        read = {one.partition: one.last for one in self.info.offsets}
        return "offline" if any(one.last > read.get(one.partition, -1) for one in online.offsets) else ""

    def _online(self, store: OnlineStore, entities: Sequence[str]) -> Iterator[Reading]:
        if self.shape.feed is Feed.STREAM:
            yield from state_readings(store, self.shape, entities, [given(self.at)] * len(entities))
            return
        for row in rows_of(store, self.shape.name, entities):
            if row is None:
                yield Reading(Status.NOT_FOUND, (None,) * len(self.shape.features))
                continue
            held = {name: plain(value) for name, value in unpack(row.values).items()}
            yield self._aged(row.event_us, tuple(held.get(one.name) for one in self.shape.features), ())

    def _offline(self, table: FeatureTable, entities: Sequence[str], online: Sequence[Reading]) -> Iterator[Reading]:
        from ray_pipeline.connectors.feast.ray_join import join_views
        from ray_pipeline.connectors.iceberg.pinned import pinned_plan

        shape, names = self.shape, [key.name for key in self.shape.keys]
        schema = offline_schema(shape)
        parts = pl.DataFrame([key_parts(one) for one in entities], schema=names, orient="row")
        # A materialised row says nothing of moments before its own, which may be later than what was read: an expiry.
        late = self.shape.feed is Feed.MATERIALIZED
        moments = [max(self.at, one.event_us or self.at) if late else self.at for one in online]
        labels = parts.with_columns(pl.Series("#at", moments, pl.Int64)).to_arrow()
        plan = pinned_plan(
            table,
            self.info.snapshot_id or 0,
            name="#",
            keys={name: name for name in names},
            features={one: f"#{one}" for one in (*(one.name for one in shape.features), _OFFSETS)},
            schema=schema,
            ttl_us=None,
            days=None,
        )
        found = join_views(labels, [plan], at="#at", statuses=True)
        for row in found.to_pylist():
            event = row["#__event"]
            if event is None:
                yield Reading(Status.NOT_FOUND, (None,) * len(shape.features))
                continue
            offsets = tuple(OffsetRange(**one) for one in row[f"#{_OFFSETS}"] or ())
            yield self._aged(event, tuple(self._value(row[f"#{one.name}"]) for one in shape.features), offsets)

    def _aged(self, event: int, values: tuple[Any, ...], offsets: tuple[OffsetRange, ...]) -> Reading:
        old = self.shape.ttl is not None and self.at - event > self.shape.ttl
        shown = (None,) * len(values) if old else values
        return Reading(Status.OUTSIDE_MAX_AGE if old else Status.PRESENT, shown, event, None, offsets)

    def _value(self, value: Any) -> Any:
        """A moment as the online side has it: microseconds from the stream, whole seconds from Feast."""
        if not isinstance(value, datetime):
            return value
        us = moment_us(value.isoformat())
        return us // 1_000_000 if self.shape.feed is Feed.MATERIALIZED else us

    def _example(
        self, entity: str, names: tuple[str, ...], online: Reading, offline: Reading, asking: _Asking
    ) -> Example:
        shown = entity if asking.keys else hashlib.sha256(entity.encode()).hexdigest()[:16]
        if not asking.values:
            return Example(shown, names)
        order = {feature.name: i for i, feature in enumerate(self.shape.features)}
        both = {name: (online.values[order[name]], offline.values[order[name]]) for name in names}
        return Example(shown, names, both)


def _entities(shape: ViewShape, store: OnlineStore, table: FeatureTable, snapshot_id: int) -> list[str]:
    """Return the keys of all entities that either side knows, in order."""
    names = [key.name for key in shape.keys]
    rows = pl.from_arrow(table.scan(snapshot_id, columns=names))
    assert isinstance(rows, pl.DataFrame)
    moments = [name for key in shape.keys if key.type is ValueType.TIMESTAMP for name in [key.name]]
    parts = rows.unique().with_columns(pl.col(name).dt.timestamp("us") for name in moments)
    offline = {entity_key(shape.keys, row) for row in parts.iter_rows(named=True)}
    return sorted(one for one in {*offline, *store.entities(shape.name, _ALL)} if one is not None)


def _sampled(entities: Sequence[str], sample: int | None, at: int) -> list[str]:
    """Return so many of them, others at another moment, the same again at this one."""
    if sample is None or sample >= len(entities):
        return list(entities)

    def place(entity: str) -> bytes:
        return hashlib.sha256(f"{at} {entity}".encode()).digest()

    return sorted(entities, key=place)[:sample]


def _partition(source: str) -> int:
    return int(source.rpartition("/")[2])
