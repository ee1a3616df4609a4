"""The offline table of one view: the values of every entity at each moment at which they changed, by day."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ray_pipeline.connectors.iceberg.table import CuratedSnapshot, CuratedTable
from ray_pipeline.errors import FeatureTableError, UsageError
from ray_pipeline.features.reading import OffsetRange

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

__all__ = ["FeatureFile", "FeatureInput", "FeatureTable", "FeatureTableInfo", "build_summary"]

BUILD = "ray-pipeline.features.build"
"""In a snapshot's summary: the number of the build that published it."""
DEFINITION = "ray-pipeline.features.definition"
INPUTS = "ray-pipeline.features.inputs"
HORIZON = "ray-pipeline.features.horizon-us"
OFFSETS = "ray-pipeline.offsets"
RUN_ID = "ray-pipeline.run-id"


@dataclass(frozen=True, slots=True, order=True)
class FeatureFile:
    """One data file of a snapshot."""

    uri: str
    day: int
    """Of ``event_timestamp``, in days since 1970."""
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class FeatureInput:
    """Which state of a curated table the rows were computed from."""

    snapshot_id: int
    decision: int | None
    """The newest decision of the gate in it."""


@dataclass(frozen=True, slots=True)
class FeatureTableInfo:
    """What a snapshot says of itself; where nothing was built everything but the address is empty."""

    view: str
    metadata: str
    """URI of the table's current metadata file."""
    snapshot_id: int | None = None
    build: int = -1
    run_id: str | None = None
    definition: str | None = None
    inputs: Mapping[str, FeatureInput] = field(default_factory=dict)
    """Dataset → what was read of it: everything in that snapshot is in the rows, and nothing else."""
    horizon_us: int | None = None
    """Publication of the newest event that was read."""
    offsets: tuple[OffsetRange, ...] = ()
    """Of the events that count, one range for each partition."""
    rows: int = 0


def build_summary(
    *,
    run_id: str,
    definition: str,
    inputs: Mapping[str, FeatureInput],
    horizon_us: int | None,
    offsets: Sequence[OffsetRange],
) -> dict[str, str]:
    """Return what a build writes into its snapshot's summary; :meth:`FeatureTable.info` reads it.

    Offsets are spelt as the gate spells them: the end is the next one to come.
    """
    named = {name: {"snapshot": one.snapshot_id, "decision": one.decision} for name, one in sorted(inputs.items())}
    said = {
        RUN_ID: run_id,
        DEFINITION: definition,
        INPUTS: json.dumps(named, separators=(",", ":")),
        OFFSETS: ",".join(f"{one.partition}:{one.first}-{one.last + 1}" for one in offsets),
    }
    return said if horizon_us is None else said | {HORIZON: str(horizon_us)}


class FeatureTable:
    """Every call asks the catalog anew: what another process published meanwhile is seen."""

    def __init__(
        self, view: str, load: Callable[[], Table], *, catalog: str, store: str, effects: Callable[[str], None]
    ) -> None:
        self.view = view
        self._load, self._catalog, self._store, self._effects = load, catalog, store, effects
        self._plain = CuratedTable(view, load, catalog=catalog, store=store, effects=effects)

    def __repr__(self) -> str:
        return f"FeatureTable({self.view!r}, {self._catalog!r})"

    @property
    def schema(self) -> pa.Schema:
        """The table's columns now."""
        return self._plain.schema

    def info(self, snapshot_id: int | None = None) -> FeatureTableInfo:
        """Return what a snapshot says of itself, by default the newest.

        One that another engine made, which may merge files and change no row, says what the build before it said.
        """
        table = self._table()
        self._known(table, snapshot_id)
        snapshot = table.current_snapshot() if snapshot_id is None else table.snapshot_by_id(snapshot_id)
        return _info(self.view, table, snapshot)

    def find_run(self, run_id: str) -> FeatureTableInfo | None:
        """Return what a run published; None where it published nothing, or that snapshot was expired."""
        table = self._table()
        for snapshot in reversed(table.snapshots()):
            said = _summary(snapshot)
            if said.get(RUN_ID) == run_id and BUILD in said:
                return _info(self.view, table, snapshot)
        return None

    def columns(self, schema: pa.Schema, *, recreate: bool = False) -> pa.Schema:
        """Return the columns that a build of ``schema`` writes, with the field ids that they have in this table.

        What is new gets an id, what is gone loses its own; older snapshots keep theirs and stay readable. A column of
        another type is a :class:`FeatureTableError` unless ``recreate``: then it is another column of the same name.
        """
        from ray_pipeline.connectors.iceberg.feature_publication import evolved

        table = self._table()
        with self._translated("plan its columns"):
            return evolved(self.view, table, schema, recreate=recreate)[1]

    def replace_days(
        self,
        n: int,
        days: Mapping[int, Sequence[str]],
        summary: Mapping[str, str],
        *,
        after: int,
        columns: pa.Schema,
        recreate: bool = False,
    ) -> int | None:
        """Make build ``n`` the table's content, in one snapshot, exactly once; return the snapshot's id.

        Of exactly these days the files are replaced by the given ones (none: the day is empty now), and the columns
        become those of :meth:`columns`. The table must hold build ``after``. Where it holds ``n`` already, published
        by the same run (``summary``), nothing happens; by another one, ``FeatureTableError``: plan again.
        """
        from ray_pipeline.connectors.iceberg.feature_publication import Replacement

        replacement = Replacement(
            n, {day: tuple(uris) for day, uris in days.items()}, dict(summary), after, columns, recreate
        )
        with self._translated(f"publish build {n}"):
            return replacement.run(self.view, self._load, self._catalog, self._store, self._effects)

    def snapshots(self) -> list[CuratedSnapshot]:
        """Return every snapshot that can be read, oldest first."""
        return self._plain.snapshots()

    def files(self, snapshot_id: int | None = None, days: Collection[int] | None = None) -> list[FeatureFile]:
        """Return the data files of a snapshot, the current one where none is named; of some days, or of all."""
        table = self._table()
        wanted = None if days is None else frozenset(days)
        with self._translated("list its files"):
            self._known(table, snapshot_id)
            found = [_file(self.view, task.file) for task in table.scan(snapshot_id=snapshot_id).plan_files()]
        return sorted(one for one in found if wanted is None or one.day in wanted)

    def scan(
        self,
        snapshot_id: int | None = None,
        days: Collection[int] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Return rows of a small table, as of a snapshot or now; of some days, or of all."""
        return self.scan_files([file.uri for file in self.files(snapshot_id, days)], columns, snapshot_id)

    def scan_files(
        self, uris: Sequence[str], columns: Sequence[str] | None = None, snapshot_id: int | None = None
    ) -> pa.Table:
        """Return the rows of some of its files, with the columns of a snapshot, or those that it has now."""
        from ray_pipeline.connectors.iceberg.reading import read_files

        table = self._table()
        with self._translated("be read"):
            return read_files(table, snapshot_id, uris, columns)

    def tag(self, snapshot_id: int, name: str) -> None:
        """Give a snapshot a name that keeps it from being expired. The same again is no error; moving a tag is."""
        self._plain.tag(snapshot_id, name)

    def _table(self) -> Table:
        with self._translated("load"):
            return self._load()

    def _known(self, table: Table, snapshot_id: int | None) -> None:
        if snapshot_id is not None and table.snapshot_by_id(snapshot_id) is None:
            raise UsageError(f"the offline table of view {self.view} has no snapshot {snapshot_id}, or it was expired")

    @contextmanager
    def _translated(self, operation: str) -> Iterator[None]:
        from ray_pipeline.connectors.iceberg.trouble import translated

        with translated(self._catalog, self._store, f"{operation} (offline table of view {self.view})"):
            yield


def _info(view: str, table: Table, snapshot: Snapshot | None) -> FeatureTableInfo:
    if snapshot is None:
        return FeatureTableInfo(view, table.metadata_location)
    built: Snapshot | None = snapshot
    while built is not None and BUILD not in _summary(built):
        built = None if built.parent_snapshot_id is None else table.snapshot_by_id(built.parent_snapshot_id)
    if built is None:
        raise FeatureTableError(view, "no build made its rows; drop the table, and the next build makes it anew")
    said = _summary(built)
    try:
        inputs = {
            name: FeatureInput(int(one["snapshot"]), None if one["decision"] is None else int(one["decision"]))
            for name, one in json.loads(said[INPUTS]).items()
        }
        return FeatureTableInfo(
            view,
            table.metadata_location,
            snapshot.snapshot_id,
            int(said[BUILD]),
            said[RUN_ID],
            said[DEFINITION],
            inputs,
            int(said[HORIZON]) if HORIZON in said else None,
            tuple(_range(text) for text in said[OFFSETS].split(",") if text),
            int(_summary(snapshot).get("total-records", 0)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FeatureTableError(view, f"snapshot {built.snapshot_id} says what no build says ({error})") from None


def _range(text: str) -> OffsetRange:
    partition, _, span = text.partition(":")
    first, _, end = span.partition("-")
    return OffsetRange(int(partition), int(first), int(end) - 1)


def _summary(snapshot: Snapshot) -> dict[str, Any]:
    return {} if snapshot.summary is None else dict(snapshot.summary.additional_properties)


def _file(view: str, file: DataFile) -> FeatureFile:
    day = file.partition[0] if len(file.partition) else None
    if day is None:
        raise FeatureTableError(view, f"{file.file_path} belongs to no day; no build of ours made it")
    return FeatureFile(file.file_path, int(day), file.record_count, file.file_size_in_bytes)
