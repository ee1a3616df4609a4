"""A batch of events as cells: grouped by polars, so that Python touches cells and never events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import polars as pl

from ray_pipeline.features.accumulators import FLOAT_UNIT, Part
from ray_pipeline.features.aggregates import DEFAULT_CAP, Kind
from ray_pipeline.features.cells import Cell, CellKey
from ray_pipeline.features.exact import whole
from ray_pipeline.features.shape import FeatureShape, ViewShape

CELL = ("entity", "_end", "_from")
"""Columns of an event that say which cell it is in."""
_SUMMED = (Kind.SUM, Kind.MEAN, Kind.SHARE)


@dataclass(frozen=True, slots=True)
class _Column:
    """How one feature's parts come out of a grouping."""

    made: tuple[pl.Series, ...]
    """Columns that the events need for it."""
    grouped: tuple[pl.Expr, ...]
    parts: Callable[[pl.DataFrame], Iterable[Part]]


def batch_cells(shape: ViewShape, events: pl.DataFrame) -> Iterator[tuple[str, dict[CellKey, Cell]]]:
    """Yield each entity's cells, in the order of their keys.

    Events have the columns of :data:`CELL`, and come from the oldest to the newest.
    """
    if events.is_empty():
        return
    columns = [_column(i, feature, events) for i, feature in enumerate(shape.features)]
    grouped = (
        events.with_columns(*(one for column in columns for one in column.made))
        .group_by(CELL)
        .agg(
            pl.col("offset").last().alias("_newest"),
            pl.col("offset").min().alias("_first"),
            pl.col("offset").max().alias("_last"),
            pl.col("published").max().alias("_published"),
            pl.len().alias("_events"),
            *(one for column in columns for one in column.grouped),
        )
        .sort(CELL)
    )
    first, last = ("_newest", "_newest") if shape.window is None else ("_first", "_last")
    keys = list(zip(grouped["_end"].to_list(), grouped["_from"].to_list(), strict=True))
    offsets = (grouped[first].to_list(), grouped[last].to_list(), grouped["_published"].to_list())
    cells = list(zip(*offsets, zip(*(column.parts(grouped) for column in columns), strict=True), strict=True))
    yield from _by_entity(grouped["entity"], keys, cells)


def _by_entity(
    entities: pl.Series, keys: Sequence[CellKey], cells: Sequence[Cell]
) -> Iterator[tuple[str, dict[CellKey, Cell]]]:
    runs = entities.rle().struct.unnest()
    start = 0
    for entity, stop in zip(runs["value"].to_list(), accumulate(runs["len"].to_list()), strict=True):
        yield entity, dict(zip(keys[start:stop], cells[start:stop], strict=True))
        start = stop


def _column(i: int, feature: FeatureShape, events: pl.DataFrame) -> _Column:
    name, value = f"v{i}", _value(f"v{i}", feature)
    if feature.kind is Kind.COUNT:
        if not feature.value_type:
            return _Column((), (), lambda cells: cells["_events"].to_list())
        return _Column((), (pl.col(name).count(),), lambda cells: cells[name].to_list())
    if feature.kind in _SUMMED:
        return _sums(name, feature, events)
    if feature.kind is Kind.LAST:
        return _last(name, value, events)
    if feature.kind is Kind.COUNT_DISTINCT:
        least = value.drop_nulls().unique().sort().head(feature.cap or DEFAULT_CAP)
        return _Column((), (least.alias(name),), lambda cells: map(tuple, cells[name].to_list()))
    grouped = {Kind.MIN: value.min(), Kind.MAX: value.max(), None: value.last()}[feature.kind]
    return _Column((), (grouped.alias(name),), lambda cells: cells[name].to_list())


def _value(name: str, feature: FeatureShape) -> pl.Expr:
    if feature.value_type.startswith("decimal:"):
        return pl.col(name).to_physical()
    return pl.col(name) + 0.0 if feature.value_type == "float" else pl.col(name)  # one zero


def _sums(name: str, feature: FeatureShape, events: pl.DataFrame) -> _Column:
    numbers = whole(events[name].fill_null(value=False if feature.value_type == "bool" else 0))
    limbs = [pl.Series(f"_{name}_{place}", limb) for place, limb in enumerate(numbers.limbs)]
    sums = [_sum(limb) for limb in limbs]
    unit = numbers.power + FLOAT_UNIT if feature.value_type == "float" else 0

    def parts(cells: pl.DataFrame) -> Iterable[Part]:
        totals: list[Any] = cells[limbs[0].name].to_list()
        for place, limb in enumerate(limbs[1:], 1):
            more = cells[limb.name].to_list()
            totals = [total + (one << 32 * place) for total, one in zip(totals, more, strict=True)]
        if unit:
            totals = [total << unit for total in totals]
        return zip(cells[name].to_list(), totals, strict=True)

    return _Column(tuple(limbs), (pl.col(name).count(), *sums), parts)


def _sum(numbers: pl.Series) -> pl.Expr:
    """Return the sum, in as many bits as it may need."""
    largest = max(-int(numbers.min() or 0), int(numbers.max() or 0))  # type: ignore[arg-type]
    column = pl.col(numbers.name)
    return (column if largest * len(numbers) < 1 << 63 else column.cast(pl.Int128)).sum()


def _last(name: str, value: pl.Expr, events: pl.DataFrame) -> _Column:
    partition = int(events["partition"][0])
    there = pl.col(name).is_not_null()
    places = ("event", "published", "offset")
    newest = [pl.col(place).filter(there).last().alias(f"_{name}_{place}") for place in places]

    def parts(cells: pl.DataFrame) -> Iterable[Part]:
        columns = [cells[f"_{name}_{place}"].to_list() for place in places]
        for event, published, offset, found in zip(*columns, cells[name].to_list(), strict=True):
            yield None if event is None else (event, published, partition, offset, found)

    return _Column((), (*newest, value.filter(there).last().alias(name)), parts)
