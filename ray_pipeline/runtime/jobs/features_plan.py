"""Which days of which views a build computes, and which curated files each part of the work reads. Pure.

A day of an offline table is a function of the curated events whose changes can fall on it. So an event's file touches
its own day and those that its window reaches, and a day needs the files as far back as its window looks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ray_pipeline.connectors.iceberg.table import CuratedFile
from ray_pipeline.features.shape import ViewShape

DAY = 86_400_000_000
UNIT_BYTES = 32 << 20
"""Parquet that one part of the work reads, roughly: its rows, and what becomes of them, lie in memory at once."""


@dataclass(frozen=True, slots=True)
class ViewDays:
    """What a build does for one view."""

    days: tuple[int, ...]
    """To compute, and to replace in the table; in order."""
    changed: tuple[CuratedFile, ...] = ()
    """The curated files that are new, or gone, since the table was built."""
    why: str = ""
    """For people: why all of it is built; empty where only what changed is."""


NOTHING = ViewDays(())


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of the work that nobody shares: some days, of some entities."""

    dataset: str
    files: tuple[CuratedFile, ...]
    days: Mapping[str, tuple[int, ...]]
    """View → the days to compute, in order."""
    bucket: int = 0
    buckets: int = 1
    """Where the days' events are too many for one: only entities whose hash falls into ``bucket``."""

    @property
    def bytes(self) -> int:
        """What it reads."""
        return sum(file.bytes for file in self.files)


def reach(shape: ViewShape) -> int:
    """Return how many days after its own an event may change: it ceases to count ``window`` after it, at the latest.

    However late it is published, it counts from then on only as long as the window holds its own time.
    """
    return -(-(shape.window or 0) // DAY)


def look_back_days(shape: ViewShape) -> int:
    """Return how many days before a day its events begin; the mirror image of :func:`reach`."""
    return reach(shape)


def plan_view(
    shape: ViewShape,
    now: Sequence[CuratedFile],
    before: Sequence[CuratedFile] | None,
    table_days: Collection[int],
    *,
    why: str = "",
    forced: tuple[int, int] | None = None,
) -> ViewDays:
    """Return the days to compute: those that changed files touch, and ``forced`` ones, first and last.

    ``before`` are the files that the table rests on; None, or ``why``: every day is computed that has events or rows.
    """
    touched = _spread(shape, now)
    if before is None or why:
        return ViewDays(tuple(sorted(touched | set(table_days))), tuple(now), why)
    changed = tuple(sorted(set(now) ^ set(before)))
    days = _spread(shape, changed)
    if forced is not None:
        days |= {day for day in touched | set(table_days) if forced[0] <= day <= forced[1]}
    return ViewDays(tuple(sorted(days)), changed)


def plan_units(
    dataset: str,
    files: Sequence[CuratedFile],
    shapes: Sequence[ViewShape],
    wanted: Mapping[str, ViewDays],
    unit_bytes: int = UNIT_BYTES,
) -> list[Unit]:
    """Return the parts of the work for the views of one dataset; each day of each view is in one of them.

    Neighbouring days are done together until they read ``unit_bytes``, or twice what the first looks back on, so that
    long windows do not have everything read once for each day. What is still too much is dealt out by entity.
    """
    chosen = [shape for shape in shapes if shape.name in wanted]
    by_day: dict[int, list[CuratedFile]] = {}
    for file in files:
        if file.day is not None:
            by_day.setdefault(file.day, []).append(file)
    sizes = {day: sum(file.bytes for file in found) for day, found in by_day.items()}
    units = []
    for days, read in _groups(_needs(chosen, wanted), sizes, unit_bytes):
        units += _units(dataset, chosen, wanted, days, [file for day in read for file in by_day[day]], unit_bytes)
    return units + _without_day(dataset, chosen, wanted, files)


def _groups(
    needs: Mapping[int, set[int]], sizes: Mapping[int, int], unit_bytes: int
) -> list[tuple[list[int], list[int]]]:
    """Return neighbouring days that are done together, each time with the days whose events they read."""
    groups: list[tuple[list[int], list[int]]] = []
    days: list[int] = []
    read: set[int] = set()
    limit = unit_bytes
    for day, need in needs.items():
        there = need & sizes.keys()
        if days and sum(sizes[one] for one in read | there) > limit:
            groups.append((days, sorted(read)))
            days, read = [], set()
        if not days:
            limit = max(unit_bytes, 2 * sum(sizes[one] for one in there))
        days.append(day)
        read |= there
    return [*groups, (days, sorted(read))] if days else groups


def _spread(shape: ViewShape, files: Iterable[CuratedFile]) -> set[int]:
    days = {file.day for file in files if file.day is not None}
    return {day + after for day in days for after in range(reach(shape) + 1)}


def _needs(shapes: Sequence[ViewShape], wanted: Mapping[str, ViewDays]) -> dict[int, set[int]]:
    """Return for each day, in order, the days whose events it is computed from."""
    needs: dict[int, set[int]] = {}
    for shape in shapes:
        for day in wanted[shape.name].days:
            needs.setdefault(day, set()).update(range(day - look_back_days(shape), day + 1))
    return dict(sorted(needs.items()))


def _units(
    dataset: str,
    shapes: Sequence[ViewShape],
    wanted: Mapping[str, ViewDays],
    days: Sequence[int],
    files: Sequence[CuratedFile],
    unit_bytes: int,
) -> list[Unit]:
    if not files:  # rows that are in the table, and no events any more: there is nothing to compute
        return []
    chosen = set(days)
    of_views = {shape.name: tuple(day for day in wanted[shape.name].days if day in chosen) for shape in shapes}
    of_views = {name: found for name, found in of_views.items() if found}
    buckets = max(1, -(-sum(file.bytes for file in files) // unit_bytes))
    return [Unit(dataset, tuple(files), of_views, bucket, buckets) for bucket in range(buckets)]


def _without_day(
    dataset: str, shapes: Sequence[ViewShape], wanted: Mapping[str, ViewDays], files: Sequence[CuratedFile]
) -> list[Unit]:
    """Files whose rows have no event time make no row anywhere; new ones are read once, so that they are counted."""
    there = {file for file in files if file.day is None}
    new = {shape.name: there & set(wanted[shape.name].changed) for shape in shapes}
    every = sorted(set().union(*new.values())) if new else []
    return [Unit(dataset, (file,), {name: () for name, found in new.items() if file in found}) for file in every]
