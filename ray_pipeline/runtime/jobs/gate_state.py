"""What a gate knows of a dataset when it begins: the ledger, what landed since, and every state that it asks for."""

from __future__ import annotations

import mmap
import tempfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ray_pipeline.errors import RayPipelineError
from ray_pipeline.gate.entries import GateState, LogPosition, LogRange
from ray_pipeline.gate.manifest import DayManifest, read_manifests
from ray_pipeline.lake.entries import Data, DataFile
from ray_pipeline.lake.history import read_history
from ray_pipeline.lake.keys import LogId
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.read_ahead import read_ahead

from .gate_dataset import GateDataset
from .landed import Landed, LandedFile, Position, microseconds, read_landed
from .measure_pass import REFUSED, Subject, measure_task
from .measuring import Task
from .shelf import Group, StateShelf, group_measures, parse

Content = bytes | mmap.mmap | None
"""An object of the shelf, a view on it, or nothing."""
CACHE_BYTES = 256 << 20
"""Small states that are kept in memory during a run."""
SMALL_BYTES = 64 << 10
"""Keys of more bytes are kept in a temporary file and looked at there."""


@dataclass(frozen=True)
class Known:
    """One dataset at the beginning of a gate."""

    dataset: GateDataset
    store: ObjectStore
    pipeline: str
    state: GateState
    landed: Landed
    """What came since the last decision."""

    @cached_property
    def new(self) -> Mapping[str, tuple[LandedFile, ...]]:
        """Day → its new files, in the order of the logs."""
        days: dict[str, list[LandedFile]] = {}
        for one in self.landed.files:
            days.setdefault(one.file.day or "", []).append(one)
        return {day: tuple(files) for day, files in sorted(days.items())}

    @cached_property
    def manifests(self) -> Mapping[str, DayManifest]:
        """Every day's manifest as of the last decision."""
        return {manifest.day: manifest for manifest in read_manifests(self.store, self.state)}

    @cached_property
    def committed(self) -> Mapping[str, int]:
        """File key → landing time in microseconds, of every landed file: from the whole history, so only if needed."""
        found: dict[str, int] = {}
        for log in [position.log for position in self.state.through]:
            for _, entry in read_history(self.store, log):
                if isinstance(entry, Data):
                    moment = microseconds(entry.committed_at)
                    found.update((file.key, moment) for file in entry.files)
        found.update((one.file.key, one.committed_at) for one in self.landed.files)
        return found

    def landed_of(self, day: str) -> list[DataFile]:
        """Return every landed file of a day: decided ones, then the new."""
        decided = [fate.file for fate in self.manifests[day].files] if day in self.state.days else []
        return [*decided, *(one.file for one in self.new.get(day, ()))]

    def in_table(self) -> Iterator[tuple[str, DataFile]]:
        """Yield (day, file) of every file that the table has, as of the last decision."""
        for day, manifest in self.manifests.items():
            for file in manifest.published_files():
                yield day, file

    def all_landed(self) -> Iterator[tuple[str, DataFile]]:
        """Yield (day, file) of everything that ever landed."""
        for day in sorted({*self.state.days, *self.new}):
            for file in self.landed_of(day):
                yield day, file

    def ranges(self) -> tuple[LogRange, ...]:
        """Return what of each log is new, as the decision says it."""
        return tuple(
            log_range(self.store, log, self.landed.before.get(log), position)
            for log, position in sorted(self.landed.through.items())
            if self.landed.before.get(log) != position
        )


def read_known(dataset: GateDataset, store: ObjectStore, pipeline: str, state: GateState) -> Known:
    """Read what landed of a dataset since the state's last decision."""
    since = {at.log: Position(at.n, at.end) for at in state.through}
    return Known(dataset, store, pipeline, state, read_landed(store, pipeline, dataset.topic, since))


def log_range(store: ObjectStore, log: LogId, before: Position | LogPosition | None, after: Position) -> LogRange:
    """Return the entries of a log after ``before`` up to ``after`` as one range."""
    first = 0 if before is None else before.n + 1
    start = None if before is None else before.end
    rows = 0
    lowest: list[str] = []
    highest: list[str] = []
    for _, entry in read_history(store, log, first=first, through=after.n):
        if start is None:
            start = getattr(entry, "start", 0)
        if isinstance(entry, Data):
            rows += entry.good
            lowest += [entry.event_time_min] if entry.event_time_min is not None else []
            highest += [entry.event_time_max] if entry.event_time_max is not None else []
    return LogRange(
        log, first, after.n, start or 0, after.end, rows, min(lowest, default=None), max(highest, default=None)
    )


class States:
    """The partials of files, from the shelf; what is not there is measured from the file and put there."""

    def __init__(self, store: ObjectStore, pipeline: str) -> None:
        self._store, self._pipeline = store, pipeline
        self._local = None if "://" in store.url else store.url
        """The store's folder, where it is one."""
        self._mapped: dict[str, dict[str, Any]] = {}
        self._cache: OrderedDict[str, tuple[int, dict[str, Any]]] = OrderedDict()
        self._held = 0

    def get(self, known: Known, file: DataFile, group: Group) -> dict[str, Any]:
        """Return the partials of one group of measures; raise what reading the file raises."""
        shelf = StateShelf(self._store, self._pipeline, known.dataset.name)
        key = shelf.key(file, group)
        if key in self._mapped:
            return self._mapped[key]
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key][1]
        return self._take(known, file, group, key, self._read(key, group))

    def prefetch(self, known: Known, files: Iterable[DataFile], group: Group) -> None:
        """Read the keys of many files, several at a time: on S3 a merge would else wait for each."""
        shelf = StateShelf(self._store, self._pipeline, known.dataset.name)
        wanted = {shelf.key(file, group): file for file in files}
        absent = [key for key in wanted if key not in self._mapped and key not in self._cache]
        if self._local is not None:
            return  # a map costs no waiting
        for key, content in read_ahead(self._store, absent):
            if content is not None:
                self._take(known, wanted[key], group, key, content)

    def _take(self, known: Known, file: DataFile, group: Group, key: str, content: Content) -> dict[str, Any]:
        found = self._parse(content, group)
        if found is None:
            self._measure(known, file, group)
            content = self._read(key, group)
            found = self._parse(content, group)
            if found is None:
                raise FileUnreadableError(file.key, _not_given_back(file.key, key))
        size = len(content or b"")
        if group.is_keys and size > SMALL_BYTES:
            self._mapped[key] = found
        else:
            self._keep(key, size, found)
        return found

    def _read(self, key: str, group: Group) -> Content:
        """Return the object; of keys in a folder a view on the file, which is as good as its bytes and takes none."""
        if self._local is None or not group.is_keys:
            return self._store.get(key)
        try:
            with Path(self._store.uri(key)).open("rb") as file:
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (FileNotFoundError, ValueError):  # absent, or empty
            return None

    def refused(self, known: Known, one: LandedFile) -> dict[str, Any]:
        """Return the partials of a file of refused records."""
        shelf = StateShelf(self._store, self._pipeline, known.dataset.name)
        (group,) = group_measures(REFUSED.measures)
        found = shelf.get(one.file, group)
        if found is None:
            reason = measure_task(
                self._pipeline, self._store, REFUSED, Task(known.dataset.name, one.file, one.committed_at, bad=True)
            )
            if reason is not None:
                raise FileUnreadableError(one.file.key, reason)
            found = shelf.get(one.file, group)
        if found is None:
            raise FileUnreadableError(one.file.key, _not_given_back(one.file.key, shelf.key(one.file, group)))
        return found

    def groups(self, known: Known) -> tuple[Group, ...]:
        """Return the objects that the states of the dataset's files are in."""
        return known.dataset.groups

    def _parse(self, content: Content, group: Group) -> dict[str, Any] | None:
        """Return the partials; those of many keys as views on a file, which the system may drop from memory.

        A merge looks into them many times, and keys of all files together may be more than memory holds.
        """
        if content is None or isinstance(content, mmap.mmap) or not (group.is_keys and len(content) > SMALL_BYTES):
            return parse(content, group)
        with tempfile.TemporaryFile(prefix="ray-pipeline-keys-") as spool:
            spool.write(content)
            spool.flush()
            return parse(mmap.mmap(spool.fileno(), 0, access=mmap.ACCESS_READ), group)

    def _measure(self, known: Known, file: DataFile, group: Group) -> None:
        # A file that the gate wrote itself was never committed by ingest: only its keys are ever asked for.
        committed_at = 0 if group.is_keys else known.committed[file.key]
        subject = Subject(known.dataset.topic, known.dataset.schema, group.measures)
        task = Task(known.dataset.name, file, committed_at)
        reason = measure_task(self._pipeline, self._store, subject, task)
        if reason is not None:
            raise FileUnreadableError(file.key, reason)

    def _keep(self, key: str, size: int, found: dict[str, Any]) -> None:
        self._cache[key] = (size, found)
        self._held += size
        while self._held > CACHE_BYTES and len(self._cache) > 1:
            _, (freed, _) = self._cache.popitem(last=False)
            self._held -= freed


def _not_given_back(file: str, key: str) -> str:
    return f"{file}: what was measured of it cannot be read back from {key}, where it was just written"


class FileUnreadableError(RayPipelineError):
    """A landed file cannot be measured."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(key, reason)
        self.key, self.reason = key, reason

    def __str__(self) -> str:
        return self.reason


def tasks_of(known: Known, store: ObjectStore, days: Iterable[str]) -> list[Task]:
    """Return what the pass has to measure: the new files, and those of the judged days that nobody measured yet."""
    name = known.dataset.name
    tasks = [Task(name, one.file, one.committed_at) for one in known.landed.files]
    tasks += [Task(name, one.file, one.committed_at, bad=True) for one in known.landed.bad_files]
    shelf = StateShelf(store, known.pipeline, name)
    groups = known.dataset.groups
    for day in days:
        if day in known.state.days:
            for fate in known.manifests[day].files:
                if not shelf.has(fate.file, groups):
                    tasks.append(Task(name, fate.file, known.committed[fate.file.key]))
    return tasks
