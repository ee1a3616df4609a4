"""Where the states of landed files are kept, so that no gate reads a file again that an earlier one measured.

A state is a cache: it belongs to the bytes of one file (it lies under their SHA-256) and to the measures in it (their
ids are in its name). One that is absent, or that cannot be read, is measured again from the file.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ray_pipeline.gate.keys import state_key
from ray_pipeline.lake.entries import DataFile
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.sla.keys.key_runs import KeyRuns
from ray_pipeline.sla.measure import Measure
from ray_pipeline.sla.state_codec import decode, encode


@dataclass(frozen=True, slots=True)
class Group:
    """Measures whose states lie in one object: keys are large and read by few, so each has an object of its own."""

    name: str
    measures: tuple[Measure, ...]

    @property
    def is_keys(self) -> bool:
        """Whether it holds the keys of the rows."""
        return isinstance(self.measures[0], KeyRuns)


def group_measures(measures: Iterable[Measure]) -> tuple[Group, ...]:
    """Return the objects that a file's states are kept in."""
    small = tuple(measure for measure in measures if not isinstance(measure, KeyRuns))
    keys = tuple(measure for measure in measures if isinstance(measure, KeyRuns))
    groups = [Group(f"k-{_digest([key.id])}", (key,)) for key in keys]
    return (*groups, *([Group(f"v-{_digest([one.id for one in small])}", small)] if small else []))


@dataclass(frozen=True, slots=True)
class StateShelf:
    """The states of one dataset's files."""

    store: ObjectStore
    pipeline: str
    dataset: str

    def key(self, file: DataFile, group: Group) -> str:
        """Return where the states of a file are."""
        return state_key(self.pipeline, self.dataset, file.sha256, group.name)

    def put(self, file: DataFile, group: Group, partials: Mapping[str, Any]) -> None:
        """Keep what was measured."""
        states = {measure.id: partials[measure.id].state() for measure in group.measures}
        self.store.put(self.key(file, group), encode(states))

    def get(self, file: DataFile, group: Group) -> dict[str, Any] | None:
        """Return the partials by measure id; None where they have to be measured."""
        return parse(self.store.get(self.key(file, group)), group)

    def has(self, file: DataFile, groups: Sequence[Group]) -> bool:
        """Say whether everything was measured before. Reads the objects: one that is broken does not count."""
        return all(self.get(file, group) is not None for group in groups)


def parse(content: bytes | mmap.mmap | None, group: Group) -> dict[str, Any] | None:
    """Return the partials in an object; None where it is absent or not to be read."""
    if content is None:
        return None
    try:
        states = decode(cast(bytes, content))  # of a view on a file it needs no more
        return {measure.id: measure.load(states[measure.id]) for measure in group.measures}
    except (ValueError, KeyError, TypeError):
        return None


def merged(measures: Iterable[Measure], parts: Iterable[Mapping[str, Any]], *, of_files: bool = True) -> dict[str, Any]:
    """Merge partials, measure by measure; across files row positions are left out, for they count within one."""
    found = {measure.id: measure.zero() for measure in measures}
    for part in parts:
        for name, total in found.items():
            one = part[name]
            counts: Callable[[], Any] | None = getattr(one, "counts", None) if of_files else None
            found[name] = total.merge(counts() if counts else one)
    return found


def _digest(ids: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()[:16]
