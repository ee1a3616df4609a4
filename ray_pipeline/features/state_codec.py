"""A state as bytes: JSON in columns behind a mark and a checksum. The same state is the same bytes.

Moments count from the first cell's, so that they are short without being compressed: zlib would take as long to
unpack a state as reading it takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import orjson

from ray_pipeline.features.accumulators import Packed
from ray_pipeline.features.cells import EntityState, accumulators, eviction_due
from ray_pipeline.features.shape import ViewShape

MAGIC = b"rpstate1 "
"""The mark of this format, with its version."""
_HEAD = len(MAGIC) + 9
_FIELDS = 11
_NONE = type(None)


@dataclass(frozen=True, slots=True)
class Columns:
    """A state as it is read: one entry for each cell, in the order of their keys."""

    partition: int | None
    exact_from: int | None
    evicted: int | None
    evicted_published: int | None
    base: int
    """The number of the first cell's hop: its end divided by the hop."""
    hops: list[int]
    """Number of each cell's hop, counted from ``base``."""
    since: list[int]
    """The second part of its key, from the end of the first cell's hop."""
    published: list[int]
    """The newest publication, from there too."""
    first: list[int]
    last: list[int]
    packed: list[Packed]


def encode_state(shape: ViewShape, state: EntityState) -> bytes:
    """Return the state's bytes."""
    keys = sorted(state.cells)
    cells = [state.cells[key] for key in keys]
    hop = shape.hop
    base = keys[0][0] // hop if keys else 0
    origin = base * hop
    first, last, published, parts = zip(*cells, strict=True) if cells else ((),) * 4
    columns = zip(*parts, strict=True) if parts else ((),) * len(shape.features)
    document = [
        state.partition,
        state.exact_from,
        state.evicted,
        state.evicted_published,
        base,
        [key[0] // hop - base for key in keys],
        [key[1] - origin for key in keys],
        [moment - origin for moment in published],
        first,
        last,
        [each.pack(column) for each, column in zip(accumulators(shape), columns, strict=True)],
    ]
    body = orjson.dumps(document)
    return b"%s%08x %s" % (MAGIC, crc32(body), body)


def decode_state(shape: ViewShape, data: bytes) -> EntityState:
    """Return the state; raise ``ValueError`` where the bytes are not one of this view, byte for byte."""
    found = columns_of(shape, data)
    try:
        state = _state(shape, found)
        same = encode_state(shape, state) == data
    except (TypeError, AttributeError, OverflowError, orjson.JSONEncodeError):
        same = False
    if not same:
        raise ValueError("not a feature state of this view")
    return state


def columns_of(shape: ViewShape, data: bytes) -> Columns:
    """Return the columns of a state; raise ``ValueError`` where the bytes are not one of so many features.

    What the columns hold is not looked at: their reader does, or :func:`decode_state`.
    """
    if data[: len(MAGIC)] != MAGIC:
        raise ValueError("not a feature state of this format")
    body = data[_HEAD:]
    if data[len(MAGIC) : _HEAD] != b"%08x " % crc32(body):
        raise ValueError("a feature state whose bytes changed")
    document = orjson.loads(body)
    if type(document) is not list or len(document) != _FIELDS:
        raise ValueError("not a feature state")
    found = Columns(*document)
    _check(shape, found)
    return found


def _check(shape: ViewShape, found: Columns) -> None:
    numbers = (found.partition, found.exact_from, found.evicted, found.evicted_published)
    if type(found.base) is not int or not {type(number) for number in numbers} <= {int, _NONE}:
        raise ValueError("a feature state whose moments are no numbers")
    if (found.evicted is None) != (found.evicted_published is None):
        raise ValueError("a feature state that evicted half of a cell")
    columns = (found.hops, found.since, found.published, found.first, found.last)
    if {type(column) for column in columns} != {list} or len({len(column) for column in columns}) != 1:
        raise ValueError("a feature state whose columns differ in length")
    if type(found.packed) is not list or len(found.packed) != len(shape.features):
        raise ValueError("the feature state of another view")
    if found.hops and found.partition is None:
        raise ValueError("a feature state of no partition")


def _state(shape: ViewShape, found: Columns) -> EntityState:
    columns = (found.hops, found.since, found.published, found.first, found.last)
    if not {type(number) for column in columns for number in column} <= {int}:
        raise ValueError("a feature state whose moments are no numbers")
    hop, origin = shape.hop, found.base * shape.hop
    keys = [((found.base + hops) * hop, since + origin) for hops, since in zip(found.hops, found.since, strict=True)]
    parts = [each.unpack(one, len(keys)) for each, one in zip(accumulators(shape), found.packed, strict=True)]
    rows = zip(*parts, strict=True) if parts else [()] * len(keys)
    published = [moment + origin for moment in found.published]
    cells = dict(zip(keys, zip(found.first, found.last, published, rows, strict=True), strict=True))
    state = EntityState(found.partition, found.exact_from, found.evicted, found.evicted_published, cells)
    state.due = eviction_due(shape, state)
    return state
