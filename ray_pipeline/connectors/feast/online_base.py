"""What our two online stores are to Feast: newest wins, age judged at the read, and a status for every value.

``push``, ``materialize`` and ``write_to_online_store`` write materialised rows. A stream-fed view is written by the
partition actors alone; it is read here by merging what every partition has written.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from feast import Entity, FeatureView
from feast.infra.online_stores.helpers import compute_versioned_name
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.supported_async_methods import SupportedAsyncMethods
from feast.repo_config import RepoConfig

from ray_pipeline.connectors.feast.entities import Entities, entity_of
from ray_pipeline.connectors.feast.online_response import fill_response, unique_entities
from ray_pipeline.connectors.feast.values import Packer, Value, value_of
from ray_pipeline.connectors.online.opening import open_online
from ray_pipeline.connectors.online.reading import Moment, now, row_status, rows_of, state_readings
from ray_pipeline.connectors.online.redis_limits import expiry
from ray_pipeline.connectors.online.settings import ClockKind, OnlineSettings
from ray_pipeline.connectors.online.values import unpack
from ray_pipeline.errors import UsageError
from ray_pipeline.features.ports import ValueRow, WriteCounts
from ray_pipeline.features.reading import Status
from ray_pipeline.features.shape import FEED_TAG, SHAPE_TAG, FeatureShape, Feed, ValueType, ViewShape

logger = logging.getLogger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE = _EPOCH.replace(tzinfo=None)
"""Feast reads a moment without a zone as UTC."""
_MICROSECOND = timedelta(microseconds=1)
_FIELDS = {
    ValueType.INT64: "int64_val",
    ValueType.FLOAT64: "double_val",
    ValueType.STRING: "string_val",
    ValueType.BOOL: "bool_val",
    ValueType.TIMESTAMP: "unix_timestamp_val",
}

Written = tuple[Any, Mapping[str, Any], datetime, datetime | None]
"""As Feast hands a row over: entity key, values, event time, created time."""
ReadRow = tuple[datetime | None, dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Found:
    """What one view says of one entity; ``values`` is empty unless the status is PRESENT."""

    status: Status
    event_us: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    """Feature → protobuf value; a feature that the row does not have is absent."""


class GuardedOnlineStore(OnlineStore):
    """The common part. A store opens at its first use, once for each setting that Feast hands in."""

    _versioned_read_supported = True

    def __init__(self) -> None:
        self.counts: dict[str, WriteCounts] = {}
        """View → what became of the rows that this client has written."""
        self._stores: dict[OnlineSettings, Any] = {}
        self._lock = threading.Lock()

    @abstractmethod
    def settings(self, config: RepoConfig) -> OnlineSettings:
        """Return which store Feast's configuration means."""

    @property
    def async_supported(self) -> SupportedAsyncMethods:
        return SupportedAsyncMethods(read=True, write=True)

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: Sequence[Written],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write rows in one statement; each is kept only where it is newer than what is there."""
        if table.tags.get(FEED_TAG) == Feed.STREAM:
            raise UsageError(
                f"view {table.name} is stream-fed: its online values come from validated events and from "
                "`ray-pipeline features backfill --online`; nothing else may write them"
            )
        settings, store = self._opened(config)
        name = _stored_name(config, table)
        entities, packer = Entities(), Packer()
        rows = [_row(table.name, number, written, entities, packer) for number, written in enumerate(data)]
        expire = expiry(table.ttl) if settings.clock is ClockKind.WALL else None
        counts = store.write_rows(name, rows, expire_seconds=expire)
        with self._lock:
            self.counts[table.name] = self.counts.get(table.name, WriteCounts()) + counts
        logger.info(
            "view %s: %d rows written, %d as old as what is there, or older", name, counts.written, counts.older
        )
        if progress is not None:
            progress(len(rows))

    async def online_write_batch_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: Sequence[Written],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write as :meth:`online_write_batch` does, in a thread."""
        await asyncio.to_thread(self.online_write_batch, config, table, data, progress)

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: Sequence[Any],
        requested_features: Sequence[str] | None = None,
    ) -> list[ReadRow]:
        """Return event time and values of each entity, now; (None, None) where none may be used.

        What is too old has its event time and no values. :meth:`get_online_features` says more: a status.
        """
        settings, store = self._opened(config)
        keys = [entity_of(key.join_keys[:], key.entity_values[:]) for key in entity_keys]
        found = self._found(config, store, table, keys, requested_features, now(store, settings.clock))
        return [
            (
                None if one.event_us is None else _moment(one.event_us),
                dict(one.values) if one.status is Status.PRESENT else None,
            )
            for one in found
        ]

    async def online_read_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: Sequence[Any],
        requested_features: Sequence[str] | None = None,
    ) -> list[ReadRow]:
        """Read as :meth:`online_read` does, in a thread."""
        return await asyncio.to_thread(self.online_read, config, table, entity_keys, requested_features)

    def read_stored(
        self, config: RepoConfig, table: FeatureView, entity_keys: Sequence[Any]
    ) -> list[tuple[datetime, datetime | None, dict[str, Any]] | None]:
        """Return event time, created time and values of each materialised row, whatever its age."""
        _, store = self._opened(config)
        keys = [entity_of(key.join_keys[:], key.entity_values[:]) for key in entity_keys]
        return [
            None
            if row is None
            else (
                _moment(row.event_us),
                _moment(row.created_us) if row.created_us else None,
                {name: value_of(one) for name, one in unpack(row.values).items()},
            )
            for row in rows_of(store, _stored_name(config, table), keys)
        ]

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],  # noqa: ARG002 - a view needs nothing made for it
        entities_to_delete: Sequence[Entity],  # noqa: ARG002
        entities_to_keep: Sequence[Entity],  # noqa: ARG002
        partial: bool,  # noqa: ARG002
    ) -> None:
        """Forget the views that are gone from the repository."""
        self.teardown(config, tables_to_delete, ())

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:  # noqa: ARG002
        """Forget these views. A SQLite file stays: other projects may be in it."""
        if tables:
            _, store = self._opened(config)
            for table in tables:
                store.drop(_stored_name(config, table))

    async def close(self) -> None:
        """Let connections go."""
        with self._lock:
            stores, self._stores = list(self._stores.values()), {}
        for store in stores:
            store.close()

    def _read_features_per_fv(
        self,
        config: RepoConfig,
        grouped_refs: Sequence[tuple[FeatureView, Sequence[str]]],
        join_key_values: Mapping[str, Sequence[Any]],
        entity_name_to_join_key_map: Mapping[str, str],
        online_features_response: Any,
        full_feature_names: bool,
        include_feature_view_version_metadata: bool,
    ) -> None:
        """Answer every view at one moment, and say for each value what stands behind it."""
        settings, store = self._opened(config)
        moment = now(store, settings.clock)
        for table, requested in grouped_refs:
            keys, places = unique_entities(table, join_key_values, entity_name_to_join_key_map)
            found = self._found(config, store, table, keys, requested, moment)
            fill_response(
                online_features_response,
                table,
                requested,
                [found[place] for place in places],
                full_names=full_feature_names,
                version=include_feature_view_version_metadata,
            )

    async def _read_features_per_fv_async(self, *args: Any, **named: Any) -> None:
        """Answer as :meth:`_read_features_per_fv` does, in a thread."""
        await asyncio.to_thread(self._read_features_per_fv, *args, **named)

    def _opened(self, config: RepoConfig) -> tuple[OnlineSettings, Any]:
        settings = self.settings(config)
        with self._lock:
            if settings not in self._stores:
                self._stores[settings] = open_online(settings)
            return settings, self._stores[settings]

    def _found(
        self,
        config: RepoConfig,
        store: Any,
        table: FeatureView,
        keys: Sequence[str | None],
        requested: Sequence[str] | None,
        moment: Moment,
    ) -> list[Found]:
        wanted = None if requested is None else set(requested)
        if table.tags.get(FEED_TAG) == Feed.STREAM:
            return _streamed(store, _shape(table), keys, wanted, moment)
        ttl = table.ttl // _MICROSECOND if table.ttl else None
        found: list[Found] = []
        for row in rows_of(store, _stored_name(config, table), keys):
            status = row_status(row, moment, ttl)
            if row is None or status is Status.INVALID:
                found.append(Found(status))
                continue
            values = {} if status is not Status.PRESENT else unpack(row.values)
            protos = {name: value_of(one) for name, one in values.items() if wanted is None or name in wanted}
            found.append(Found(status, row.event_us, protos))
        return found


def _streamed(
    store: Any, shape: ViewShape, keys: Sequence[str | None], wanted: set[str] | None, moment: Moment
) -> list[Found]:
    found: list[Found] = []
    for reading in state_readings(store, shape, keys, [moment] * len(keys)):
        present = zip(shape.features, reading.values, strict=True) if reading.status is Status.PRESENT else ()
        values = {
            feature.name: _value(feature, value)
            for feature, value in present
            if wanted is None or feature.name in wanted
        }
        found.append(Found(reading.status, reading.event_us, values))
    return found


def _value(feature: FeatureShape, value: Any) -> Any:
    if value is None:
        return Value()
    if feature.type is ValueType.TIMESTAMP:
        value //= 1_000_000  # Feast's moments are whole seconds
    return Value(**{_FIELDS[feature.type]: value})


def _shape(table: FeatureView) -> ViewShape:
    text = table.tags.get(SHAPE_TAG)
    try:
        return ViewShape.from_json(text or "")
    except ValueError:
        raise UsageError(
            f"view {table.name} is stream-fed and its tag {SHAPE_TAG} does not say how to read it; apply the "
            "repository again"
        ) from None


def _row(view: str, number: int, written: Written, entities: Entities, packer: Packer) -> ValueRow:
    key, values, event, created = written
    entity = entities(key.join_keys[:], key.entity_values[:])
    if entity is None:
        raise UsageError(f"view {view}, row {number}: a part of its entity is null; nothing of the batch was written")
    if _missing(event):
        raise UsageError(f"view {view}, row {number}: it has no event time; nothing of the batch was written")
    created_us = 0 if created is None or _missing(created) else _micros(created)
    return ValueRow(entity, _micros(event), created_us, packer(values))


def _missing(moment: Any) -> bool:
    return moment is None or moment != moment  # pandas' missing moment equals nothing


def _micros(moment: datetime) -> int:
    return (moment - (_EPOCH if moment.tzinfo is not None else _NAIVE)) // _MICROSECOND


def _moment(micros: int) -> datetime:
    return _EPOCH + micros * _MICROSECOND


def _stored_name(config: RepoConfig, table: FeatureView) -> str:
    return str(compute_versioned_name(table, config.registry.enable_online_feature_view_versioning))
