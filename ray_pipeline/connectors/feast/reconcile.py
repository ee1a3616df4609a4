"""What a materialisation wrote, compared with what the online store then holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import python_values_to_proto_values
from feast.utils import make_tzaware

from ray_pipeline.connectors.feast.entities import entity_of
from ray_pipeline.connectors.feast.online_base import GuardedOnlineStore, _stored_name
from ray_pipeline.connectors.feast.values import value_of
from ray_pipeline.connectors.online.reading import rows_of
from ray_pipeline.connectors.online.values import unpack
from ray_pipeline.errors import MaterializationError
from ray_pipeline.features.ports import ValueRow
from ray_pipeline.text import count

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
BATCH = 1_000
"""Entities that are read back at a time."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was found online for the rows that were written; there is no third kind."""

    same: int
    newer: int
    """The guard kept what it had: a newer row, or of equally new ones the greater."""

    def __str__(self) -> str:
        return f"{count(self.same, 'row')} online as offline, {self.newer:,} newer online"


@dataclass(frozen=True, slots=True)
class Stored:
    """A row as the online store holds it, whatever its age."""

    event: datetime
    created: datetime | None
    """None: the store does not keep it."""
    values: dict[str, Value]


@dataclass(frozen=True, slots=True)
class _Row:
    event: datetime
    created: datetime | None
    values: dict[str, Value]


class Counting:
    """An online store that counts the rows it is given."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.rows = 0

    def online_write_batch(
        self, config: Any, table: Any, data: list[Any], progress: Callable[[int], Any] | None
    ) -> None:
        """Write, and count."""
        self._store.online_write_batch(config, table, data, progress)
        self.rows += len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def reconcile(config: Any, store: Any, view: Any, rows: pa.Table, written: int) -> Reconciled:
    """Compare every entity of ``rows``, the offline side; raise ``MaterializationError`` where online is not the same.

    A moment is compared as far as Feast's own types carry it: features that are timestamps in whole seconds.
    """
    if written != rows.num_rows:
        raise MaterializationError(
            view.name, f"{written:,} of {count(rows.num_rows, 'row')} reached the online store; run it again"
        )
    same = newer = 0
    wrong: list[str] = []
    for keys, offline in _batches(config, view, rows):
        for expected, online in zip(offline, read_stored(store, config, view, keys), strict=True):
            what = _difference(expected, online)
            same += what == "same"
            newer += what == "newer"
            if what not in ("same", "newer"):
                wrong.append(what)
    if wrong:
        kinds = ", ".join(f"{wrong.count(kind):,} {kind}" for kind in sorted(set(wrong)))
        all_of_them = count(same + newer + len(wrong), "entity", "entities")
        raise MaterializationError(view.name, f"{len(wrong):,} of {all_of_them} are not online as written ({kinds})")
    return Reconciled(same, newer)


def read_stored(store: Any, config: Any, view: Any, keys: Sequence[EntityKey]) -> list[Stored | None]:
    """Return what the store holds for each key. Ours is asked itself: Feast's read leaves out what is old."""
    if isinstance(store, GuardedOnlineStore):
        _, opened = store._opened(config)
        names = [entity_of(key.join_keys, key.entity_values) for key in keys]
        return [None if row is None else _stored(row) for row in rows_of(opened, _stored_name(config, view), names)]
    wanted = [feature.name for feature in view.features]
    found = store.online_read(config, view, list(keys), wanted)
    return [
        None if event is None or values is None else Stored(_aware(event), None, dict(values))
        for event, values in found
    ]


def _stored(row: ValueRow) -> Stored:
    values = {name: value_of(one) for name, one in unpack(row.values).items()}
    return Stored(_EPOCH + row.event_us * _MICROSECOND, _EPOCH + row.created_us * _MICROSECOND, values)


def _batches(config: Any, view: Any, rows: pa.Table) -> Iterator[tuple[list[EntityKey], list[_Row]]]:
    """Yield entities, each once, with its newest row; the values go their own way from Arrow to Feast's."""
    source = view.batch_source
    event, created = source.timestamp_field, source.created_timestamp_column
    keys = {one.name: one.dtype.to_value_type() for one in view.entity_columns}
    kinds = {one.name: one.dtype.to_value_type() for one in view.features}
    newest: dict[bytes, tuple[EntityKey, _Row]] = {}
    for batch in rows.to_batches(max_chunksize=BATCH):
        columns = {
            name: python_values_to_proto_values(batch.column(name).to_pylist(), kind)
            for name, kind in (keys | kinds).items()
        }
        events = batch.column(event).to_pylist()
        known = batch.column(created).to_pylist() if created else [None] * batch.num_rows
        for i in range(batch.num_rows):
            key = EntityKey(join_keys=list(keys), entity_values=[columns[name][i] for name in keys])
            row = _Row(
                _aware(events[i]),
                None if known[i] is None else _aware(known[i]),
                {name: columns[name][i] for name in kinds},
            )
            at = serialize_entity_key(key, config.entity_key_serialization_version)
            if at not in newest or _order(row) > _order(newest[at][1]):
                newest[at] = (key, row)
    found = list(newest.values())
    for start in range(0, len(found), BATCH):
        some = found[start : start + BATCH]
        yield [key for key, _ in some], [row for _, row in some]


def _difference(offline: _Row, online: Stored | None) -> str:
    """Name what is online: ``same``, ``newer``, or what is wrong with it."""
    if online is None:
        return "absent"
    whole_seconds = online.created is None and online.event.microsecond == 0
    event = offline.event.replace(microsecond=0) if whole_seconds else offline.event
    if online.event != event:
        return "newer" if online.event > event else "older"
    if online.created is not None and offline.created is not None and online.created != offline.created:
        return "newer" if online.created > offline.created else "older"
    names = offline.values.keys()
    return "same" if all(offline.values[name] == online.values.get(name, Value()) for name in names) else "different"


def _order(row: _Row) -> tuple[datetime, datetime]:
    return row.event, row.created or datetime.min.replace(tzinfo=UTC)


def _aware(moment: Any) -> datetime:
    found: datetime = make_tzaware(moment)
    return found.astimezone(UTC)
