"""What the states of one entity answer at a moment: the cells of every partition that count then, merged.

Only bytes are needed, and no engine. Reading touches columns, not cells, because a store answers for hundreds of
entities within some milliseconds.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import compress

from ray_pipeline.features.accumulators import Part, Pick
from ray_pipeline.features.cells import Cell, EntityState, accumulators, gone
from ray_pipeline.features.reading import OffsetRange, Reading, Status
from ray_pipeline.features.shape import ViewShape
from ray_pipeline.features.state_codec import Columns, columns_of, decode_state, encode_state

__all__ = ["Cell", "Decode", "EntityState", "decode_state", "encode_state", "read_states"]


Decode = Callable[[ViewShape, bytes], Columns]
"""What :func:`~ray_pipeline.features.state_codec.columns_of` does, from its bytes or from memory."""


def read_states(shape: ViewShape, states: Sequence[bytes], at_us: int, decode: Decode = columns_of) -> Reading:
    """Return what the states of all partitions say of one entity at a moment.

    INVALID where the moment is before what one of them still holds, or a sum is beyond what its type can hold. Raises
    ``ValueError`` where the bytes are no state of this view.
    """
    sources = [decode(shape, data) for data in states]
    if any(source.exact_from is not None and at_us < source.exact_from for source in sources):
        return _without(shape, Status.INVALID)
    try:
        if shape.window is None:
            return _newest(shape, sources, at_us)
        return _window(shape, sources, at_us)
    except OverflowError:
        return _without(shape, Status.INVALID)
    except (TypeError, IndexError, AttributeError) as error:
        raise ValueError("not a feature state of this view") from error


@dataclass(frozen=True, slots=True)
class _Live:
    """The cells of one source that count, and what else changes at the moment of the last change."""

    source: Columns
    pick: Pick
    changed: int | None
    """The last moment of change, as far as this source knows."""
    published: int | None
    """The newest publication among the cells that count."""
    offsets: OffsetRange | None
    gone: tuple[int, int] | None
    """When the last hop went away that did, and the newest publication in it."""


def _window(shape: ViewShape, sources: Iterable[Columns], at: int) -> Reading:
    lives = [_live(shape, source, at) for source in sources]
    changed = max((live.changed for live in lives if live.changed is not None), default=None)
    if changed is None:
        return _without(shape, Status.NOT_FOUND)
    published = max((moment for live in lives for moment in _published(live, changed)), default=None)
    offsets = _ranges(live.offsets for live in lives if live.offsets is not None)
    if shape.ttl is not None and at - changed > shape.ttl:
        return _without(shape, Status.OUTSIDE_MAX_AGE, changed, published, offsets)
    counting = [live for live in lives if live.offsets is not None]
    values = []
    for number, each in enumerate(accumulators(shape)):
        part: Part = each.empty
        for live in counting:
            part = each.merge(part, each.total(live.source.packed[number], len(live.source.hops), live.pick))
        values.append(each.value(part))
    return Reading(Status.PRESENT, tuple(values), changed, published, offsets)


def _published(live: _Live, changed: int) -> Iterable[int]:
    """Yield the publications that a row at the moment of the last change rests on."""
    if live.published is not None:
        yield live.published
    if live.gone is not None and live.gone[0] == changed:
        yield live.gone[1]
    if live.source.evicted == changed and live.source.evicted_published is not None:
        yield live.source.evicted_published


def _live(shape: ViewShape, source: Columns, at: int) -> _Live:
    assert shape.window is not None
    hop, base = shape.hop, source.base
    start = bisect_left(source.hops, -(-(at + hop - shape.window) // hop) - base)
    stop = bisect_right(source.hops, at // hop - base)
    origin, now = base * hop, at - base * hop
    while stop > start and source.since[stop - 1] > now:  # mostly the newest ones count not yet
        stop -= 1
    ended = _gone(shape, source, start)
    moments = [moment for moment in (source.evicted, None if ended is None else ended[0]) if moment is not None]

    def every(column: list[int]) -> list[int]:
        return column[start:stop]

    pick: Pick = every
    known = every(source.since)
    if known and max(known) > now:
        counts = [moment <= now for moment in known]

        def some(column: list[int]) -> list[int]:
            return list(compress(column[start:stop], counts))

        pick = some
        known = some(source.since)
    if not known:
        return _Live(source, pick, max(moments, default=None), None, None, ended)
    assert source.partition is not None
    offsets = OffsetRange(source.partition, min(pick(source.first)), max(pick(source.last)))
    changed = max([*moments, max(known) + origin])
    return _Live(source, pick, changed, max(pick(source.published)) + origin, offsets, ended)


def _gone(shape: ViewShape, source: Columns, start: int) -> tuple[int, int] | None:
    """Return when the last hop before the window went away, and the newest publication in it."""
    if not start:
        return None
    origin, place = source.base * shape.hop, start - 1  # of a hop's cells the last one was published last
    return gone(shape, origin + source.hops[place] * shape.hop), origin + source.published[place]


def _newest(shape: ViewShape, sources: Iterable[Columns], at: int) -> Reading:
    best: tuple[int, int, int, int] | None = None
    found: tuple[Columns, int] | None = None
    for source in sources:
        for place in range(bisect_right(source.hops, at - source.base) - 1, -1, -1):
            published = source.base + source.since[place]
            if published <= at:
                assert source.partition is not None
                key = (source.base + source.hops[place], published, source.partition, source.first[place])
                if best is None or key > best:
                    best, found = key, (source, place)
                break
    if best is None or found is None:
        return _without(shape, Status.NOT_FOUND)
    event, published, partition, offset = best
    offsets = (OffsetRange(partition, offset, offset),)
    if shape.ttl is not None and at - event > shape.ttl:
        return _without(shape, Status.OUTSIDE_MAX_AGE, event, published, offsets)
    source, place = found

    def only(column: list[int]) -> list[int]:
        return column[place : place + 1]

    values = tuple(
        each.value(each.total(packed, len(source.hops), only))
        for each, packed in zip(accumulators(shape), source.packed, strict=True)
    )
    return Reading(Status.PRESENT, values, event, published, offsets)


def _ranges(ranges: Iterable[OffsetRange]) -> tuple[OffsetRange, ...]:
    """Return one range for each partition; two topics of one name share theirs."""
    by_partition: dict[int, OffsetRange] = {}
    for one in ranges:
        other = by_partition.get(one.partition, one)
        by_partition[one.partition] = OffsetRange(one.partition, min(one.first, other.first), max(one.last, other.last))
    return tuple(by_partition[partition] for partition in sorted(by_partition))


def _without(
    shape: ViewShape,
    status: Status,
    event: int | None = None,
    created: int | None = None,
    offsets: tuple[OffsetRange, ...] = (),
) -> Reading:
    return Reading(status, (None,) * len(shape.features), event, created, offsets)
