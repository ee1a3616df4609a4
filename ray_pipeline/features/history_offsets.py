"""Which offsets of which partitions a row rests on."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from ray_pipeline.features import spans
from ray_pipeline.features.spans import Array


def offset_lists(name: str, events: pl.DataFrame, places: int, begin: Array, end: Array) -> pl.Series:
    """Return at each place the first and last offset, by partition, of the events that count there."""
    covers = end > begin
    partition = events["partition"].to_numpy()[covers].astype(np.int64)
    offset = events["offset"].to_numpy()[covers]
    # Each partition has a line of its own, of the few places at which one of its events begins or ceases to count.
    line = partition * (places + 1)
    begin, end = line + begin[covers], line + end[covers]
    marks = spans.places_of(begin, end)
    begin, end = np.searchsorted(marks, begin), np.searchsorted(marks, end)
    first = spans.least(len(marks), begin, end, offset)
    last = spans.greatest(len(marks), begin, end, offset)
    held = np.flatnonzero(last != spans.NOTHING)
    lengths = (marks[held + 1] - marks[held]) if len(held) else np.zeros(0, np.int64)
    of, at = np.divmod(marks[held], places + 1)
    where = _ranges(at, lengths)
    order = np.argsort(where, kind="stable")  # the partitions come in their order: so do those of a place
    which = np.repeat(held, lengths)[order]
    bounds = np.concatenate(([0], np.cumsum(np.bincount(where, minlength=places))))
    return _lists(name, bounds, np.repeat(of, lengths)[order], first[which], last[which])


def own_offsets(name: str, events: pl.DataFrame) -> pl.Series:
    """Return each event's own offset, as a list of one."""
    offset = events["offset"].to_numpy()
    return _lists(name, np.arange(len(offset) + 1), events["partition"].to_numpy(), offset, offset)


def _lists(name: str, bounds: Array, partition: Array, first: Array, last: Array) -> pl.Series:
    fields = [pa.array(partition, pa.int32()), pa.array(first, pa.int64()), pa.array(last, pa.int64())]
    ranges = pa.StructArray.from_arrays(fields, ["partition", "first", "last"])
    lists = pa.LargeListArray.from_arrays(pa.array(bounds, pa.int64()), ranges)
    return pl.Series(name, pl.from_arrow(lists))


def _ranges(begin: Array, lengths: Array) -> Array:
    """Return ``begin, begin + 1, …`` of each, one after another."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(begin - before, lengths) + np.arange(int(lengths.sum()))
