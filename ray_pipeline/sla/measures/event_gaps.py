"""The longest time without an event, in each group of rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla import stored
from ray_pipeline.sla.columns import FURTHEST, as_array, as_bytes, as_numpy, measure_id, microseconds, values
from ray_pipeline.sla.measure import Array, State, Where

MAX_GROUPS = 1_000
MAX_BUCKETS = 1_000_000
"""Of all groups together: some 30 MB."""
TOO_MANY = f"more than {MAX_GROUPS} groups, or than {MAX_BUCKETS} occupied buckets"
_DENSE = 1 << 16


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without an event."""

    length: int
    """Microseconds."""
    start: int
    end: int
    """The events before and after it, microseconds since 1970."""
    group: int
    """Its number among the groups in the order of their stored keys, from 0; says nothing of what it is called."""


@dataclass(frozen=True, slots=True)
class Occupied:
    """By group and bucket of time: the first and the last event. Sorted by both; empty where there are too many."""

    bucket: int
    """Microseconds."""
    too_many: bool = False
    """As soon as all the rows together have too many groups or buckets, in whatever order they came."""
    keys: Array = field(default_factory=lambda: np.empty(0, "<u8"))
    """A hash of each group's values, 128 bits as two numbers: of group ``i`` at ``2 i`` and ``2 i + 1``; ascending."""
    groups: Array = field(default_factory=lambda: np.empty(0, np.int32))
    first: Array = field(default_factory=lambda: np.empty(0, np.int64))
    last: Array = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def group_count(self) -> int:
        return len(self.keys) // 2

    def merge(self, other: Occupied) -> Occupied:
        if self.too_many or other.too_many:
            return Occupied(self.bucket, True)
        if not len(other.groups):
            return self
        if not len(self.groups):
            return other
        keys = sorted({*_pairs(self.keys), *_pairs(other.keys)})
        number = {key: i for i, key in enumerate(keys)}
        renumbered = [
            np.array([number[key] for key in _pairs(part.keys)], np.int32)[part.groups] for part in (self, other)
        ]
        return _occupied(
            self.bucket,
            keys,
            np.concatenate(renumbered),
            np.concatenate([self.first, other.first]),
            np.concatenate([self.last, other.last]),
        )

    def value(self, earlier: Occupied | None = None, until: int | None = None) -> Gap | None:
        """Return the longest gap, exact where it is longer than a bucket; else none is longer than a bucket.

        ``earlier`` is what was seen before: a group's gap from then to now counts. With ``until``, every group that
        was seen, now or before, must have gone on to that moment. None where there is nothing between two moments, or
        too many groups (``too_many``). Of gaps of one length it is the earliest, then that of the lowest group.
        """
        before = earlier if earlier is not None and not earlier.too_many else None
        last_before = {} if before is None else _lasts(before)
        keys = sorted({*_pairs(self.keys), *last_before})
        number = {key: i for i, key in enumerate(keys)}
        best: Gap | None = None
        mine = _pairs(self.keys)
        borders = np.searchsorted(self.groups, np.arange(len(mine) + 1))
        lasts = dict(last_before)
        for i, key in enumerate(mine):
            first, last = (part[borders[i] : borders[i + 1]] for part in (self.first, self.last))
            start = last_before.get(key)
            if start is not None and start < first[0]:
                best = _longer(best, Gap(int(first[0]) - start, start, int(first[0]), number[key]))
            if len(first) > 1:
                widest = int(np.argmax(first[1:] - last[:-1]))
                begin, end = int(last[widest]), int(first[widest + 1])
                best = _longer(best, Gap(end - begin, begin, end, number[key]))
            lasts[key] = max(int(last[-1]), lasts.get(key, -FURTHEST))
        if until is not None and not self.too_many:
            for key, start in lasts.items():
                if start < until:
                    best = _longer(best, Gap(until - start, start, until, number[key]))
        return best

    def ends(self) -> Occupied:
        """Return the last bucket of each group alone: all that a later day asks of this one."""
        if self.too_many or not len(self.groups):
            return self
        at = np.searchsorted(self.groups, np.arange(self.group_count), "right") - 1
        return Occupied(self.bucket, False, self.keys, self.groups[at], self.first[at], self.last[at])

    def state(self) -> State:
        moments = {"first": self.first.astype("<i8"), "last": self.last.astype("<i8")}
        arrays = {"keys": self.keys.astype("<u8"), "groups": self.groups.astype("<i4"), **moments}
        return State({"bucket": self.bucket, "too_many": self.too_many}, arrays)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Occupied) and stored.same_state(self.state(), other.state())

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class EventGaps:
    """Finds the gaps between the moments in ``column``, of each group of equal values in ``group_by`` (null is one)."""

    column: Column
    group_by: tuple[Column, ...] = ()
    bucket: int = 60_000_000
    """Microseconds. Gaps that are longer are exact: choose no more than the longest gap that is allowed."""

    def __post_init__(self) -> None:
        if self.bucket < 1:
            raise ValueError("a bucket is at least a microsecond long")

    @property
    def id(self) -> str:
        return measure_id("event_gaps", column=self.column, group_by=self.group_by, bucket=self.bucket)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.column[0], *(path[0] for path in self.group_by))))

    def zero(self) -> Occupied:
        return Occupied(self.bucket)

    def of(self, batch: pa.Table, where: Where) -> Occupied:  # noqa: ARG002
        column = values(batch, self.column)
        moments = microseconds(column)
        if not len(moments):
            return self.zero()
        grouping = [values(batch, path) for path in self.group_by]
        if column.null_count:
            present = column.is_valid()
            grouping = [part.filter(present) for part in grouping]
        found = _group(grouping, len(moments))
        if found is None:
            return Occupied(self.bucket, True)
        keys, groups = found
        return _occupied(self.bucket, keys, groups, moments, moments)

    def load(self, state: State) -> Occupied:
        if stored.whole(state, "bucket") != self.bucket:
            raise ValueError("gaps of another bucket")
        keys = stored.numbers(state, "keys", "<u8")
        groups = stored.numbers(state, "groups", "<i4")
        first, last = (stored.numbers(state, name, "<i8", len(groups)) for name in ("first", "last"))
        occupied = Occupied(self.bucket, stored.flag(state, "too_many"), keys, groups, first, last)
        if occupied.too_many and (len(keys) or len(groups)):
            raise ValueError("groups where there are too many")
        pairs = _pairs(keys)
        numbers = np.unique(groups)
        if len(keys) % 2 or pairs != sorted(set(pairs)) or not np.array_equal(numbers, np.arange(len(pairs))):
            raise ValueError("groups that are not in order")
        buckets = first // self.bucket
        next_group = np.diff(groups)
        in_order = (next_group > 0) | (next_group == 0) & (buckets[1:] > buckets[:-1])
        if np.any(last < first) or np.any(last // self.bucket != buckets) or not np.all(in_order):
            raise ValueError("moments that are not in order")
        if len(pairs) > MAX_GROUPS or len(groups) > MAX_BUCKETS:
            raise ValueError("more groups or buckets than there may be")
        return occupied


Key = tuple[int, int]


def _pairs(keys: Array) -> list[Key]:
    numbers = keys.tolist()
    return list(zip(numbers[::2], numbers[1::2], strict=False))


def _lasts(occupied: Occupied) -> dict[Key, int]:
    ends = np.searchsorted(occupied.groups, np.arange(occupied.group_count), "right") - 1
    return dict(zip(_pairs(occupied.keys), occupied.last[ends].tolist(), strict=True))


def _longer(best: Gap | None, gap: Gap) -> Gap:
    if best is None:
        return gap
    return min(best, gap, key=lambda one: (-one.length, one.start, one.group))


def _group(columns: list[pa.ChunkedArray], rows: int) -> tuple[list[Key], Array] | None:
    """Return the groups' keys, ascending, and each row's group; None where there are too many."""
    codes = np.zeros(rows, np.int64)
    texts: list[tuple[str, ...]] = [()]
    for column in columns:
        encoded = as_array(as_bytes(column)).dictionary_encode("encode")
        distinct = encoded.dictionary
        if len(distinct) > MAX_GROUPS:
            return None
        codes = codes * len(distinct) + as_numpy(encoded.indices)
        present = np.flatnonzero(np.bincount(codes, minlength=len(texts) * len(distinct)))
        if len(present) > MAX_GROUPS:
            return None
        place = np.zeros(len(texts) * len(distinct), np.int64)
        place[present] = np.arange(len(present))
        codes = place[codes]
        written = [_written(value, column.type) for value in distinct.to_pylist()]
        texts = [(*texts[i // len(distinct)], written[i % len(distinct)]) for i in present.tolist()]
    hashed = [_hash(text) for text in texts]
    keys = sorted(hashed)
    number = {key: i for i, key in enumerate(keys)}
    return keys, np.array([number[key] for key in hashed], np.int32)[codes]


def _written(value: Any, kind: pa.DataType) -> str:
    """Write a value so that equal ones are written alike whatever the file's type: int32 as int64, and so on."""
    if value is None:
        return "null"
    if isinstance(value, bytes):
        return f"text:{value.decode('latin-1')}"
    family = "number" if pa.types.is_integer(kind) else type(value).__name__
    return f"{family}:{value}"


def _hash(text: tuple[str, ...]) -> Key:
    digest = hashlib.blake2b("\0".join(f"{len(part)}:{part}" for part in text).encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")


def _occupied(bucket: int, keys: list[Key], groups: Array, first: Array, last: Array) -> Occupied:
    """Bring rows (or buckets that were found before) together by group and bucket."""
    if len(keys) > MAX_GROUPS:
        return Occupied(bucket, True)
    buckets = first // bucket
    lowest = int(buckets.min())
    width = int(buckets.max()) - lowest + 1
    size = width * len(keys)
    if size <= max(_DENSE, 8 * len(first)):
        places = groups * width + (buckets - lowest)
        firsts = np.full(size, FURTHEST + 1)
        lasts = np.full(size, -FURTHEST - 1)
        np.minimum.at(firsts, places, first)
        np.maximum.at(lasts, places, last)
        taken = np.flatnonzero(firsts <= FURTHEST)
        found = (taken // width).astype(np.int32), firsts[taken], lasts[taken]
    else:
        order = np.lexsort((buckets, groups))
        by_group, by_bucket = groups[order], buckets[order]
        starts = np.flatnonzero(np.diff(by_group, prepend=-1) | (np.diff(by_bucket, prepend=lowest - 1) != 0))
        found = by_group[starts], np.minimum.reduceat(first[order], starts), np.maximum.reduceat(last[order], starts)
    if len(found[0]) > MAX_BUCKETS:
        return Occupied(bucket, True)
    return Occupied(bucket, False, np.array(keys, "<u8").reshape(-1), *found)
