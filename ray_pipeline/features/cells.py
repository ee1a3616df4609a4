"""What is kept of one entity's events from one partition: cells of events that count from and up to the same moments.

In a window view a cell holds the events of one hop that count from one moment on; in a view of the newest event it is
one event. Cells that no later answer needs are evicted, and where there are too many, those of one hop become one.
Both are functions of the events alone, however they came in batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ray_pipeline.features.accumulators import Accumulator, Part, accumulator
from ray_pipeline.features.shape import ViewShape

DEFAULT_CELLS = 1024
CellKey = tuple[int, int]
"""(end of the hop, first moment at which it counts); of a newest-event view (event, publication)."""


Cell = tuple[int, int, int, tuple[Part, ...]]
"""First and last offset of its events, their newest publication, and a part for each of the view's features.

A plain tuple: where every event is a cell of its own, making it is most of the work.
"""


@dataclass(slots=True)
class EntityState:
    """The state of one entity in one view, from one partition."""

    partition: int | None = None
    """None until there is an event."""
    exact_from: int | None = None
    """From this moment on the state answers as if nothing had been left out; None: always."""
    evicted: int | None = None
    """The last moment at which an evicted cell's value went away: a moment of change like any other."""
    evicted_published: int | None = None
    """The newest publication of what went away at that moment."""
    cells: dict[CellKey, Cell] = field(default_factory=dict)
    due: int | None = field(default=None, compare=False, repr=False)
    """The least horizon at which :func:`trim` has something to evict; None: there is none. It spares looking."""


@lru_cache(maxsize=256)
def accumulators(shape: ViewShape) -> tuple[Accumulator, ...]:
    """Return what computes each of the view's features."""
    return tuple(accumulator(feature) for feature in shape.features)


def merged(computing: Sequence[Accumulator], one: Cell, other: Cell) -> Cell:
    """Return the cell of the events of both."""
    parts = tuple([each.merge(left, right) for each, left, right in zip(computing, one[3], other[3], strict=True)])
    return min(one[0], other[0]), max(one[1], other[1]), max(one[2], other[2]), parts


def newer(one: Cell, other: Cell) -> Cell:
    """Return the later of two events of one moment and one publication."""
    return one if one[1] >= other[1] else other


def gone(shape: ViewShape, end: int) -> int:
    """Return the first moment at which the events of a hop that ends at ``end`` count no more."""
    assert shape.window is not None
    return end - shape.hop + shape.window + 1


def note_evicted(state: EntityState, moment: int, published: int) -> None:
    """Remember that something went away at a moment, and can be asked for no more."""
    if state.evicted is None or moment > state.evicted:
        state.evicted, state.evicted_published = moment, published
    elif moment == state.evicted:
        assert state.evicted_published is not None
        state.evicted_published = max(state.evicted_published, published)
    raise_exact_from(state, moment)


def trim(shape: ViewShape, state: EntityState, *, horizon: int, cap: int = DEFAULT_CELLS) -> None:
    """Leave out what no answer at or after ``horizon`` needs, and keep the state below a cap.

    At most half of ``cap`` hops are held, unless the window itself has more, and at most half of it cells that lie
    beside others of their hop; what is beyond that, the oldest hops first, is evicted, or becomes one cell for each
    hop. Then ``exact_from`` rises, in a window view never above the newest publication: now can always be asked.
    """
    if shape.window is None:
        _trim_newest(state, horizon, cap)
    else:
        if state.due is not None and state.due <= horizon:
            oldest = horizon - gone(shape, 0)
            _drop(shape, state, [key for key in state.cells if key[0] <= oldest])
        elif len(state.cells) <= cap // 2:
            return
        if len(state.cells) > cap // 2:
            _limit_hops(shape, state, cap)
            _compact(shape, state, cap // 2)
    state.due = eviction_due(shape, state)


def eviction_due(shape: ViewShape, state: EntityState) -> int | None:
    """Return the least horizon at which :func:`trim` has something to evict, None where there is none."""
    least = min(state.cells, default=None)
    if least is None:
        return None
    if shape.window is not None:
        return gone(shape, least[0])
    return min((max(key) for key in state.cells if key != least), default=None)


def _limit_hops(shape: ViewShape, state: EntityState, cap: int) -> None:
    assert shape.window is not None
    needed = (shape.window + shape.lateness) // shape.hop + 2
    ends = sorted({end for end, _ in state.cells}, reverse=True)
    beyond = ends[max(cap // 2, needed) :]
    if beyond:
        _drop(shape, state, [key for key in state.cells if key[0] <= beyond[0]])


def _drop(shape: ViewShape, state: EntityState, keys: Sequence[CellKey]) -> None:
    for key in keys:
        note_evicted(state, gone(shape, key[0]), state.cells.pop(key)[2])


def _compact(shape: ViewShape, state: EntityState, kept_apart: int) -> None:
    """Merge the cells of each hop, but for the greatest keys.

    By hop first: eviction takes hops from the same end, so that the greatest keys of all events are the greatest keys
    of what was left of them at any time, and batches make no difference.
    """
    computing = accumulators(shape)
    into: dict[int, CellKey] = {}
    for key in sorted(state.cells)[:-kept_apart]:
        before = into.get(key[0])
        into[key[0]] = key
        if before is not None:
            state.cells[key] = merged(computing, state.cells.pop(before), state.cells[key])
            raise_exact_from(state, key[1])


def _trim_newest(state: EntityState, horizon: int, cap: int) -> None:
    answers = max((key for key in state.cells if max(key) <= horizon), default=None)
    dropped = [] if answers is None else [key for key in state.cells if key < answers]
    for key in dropped:
        del state.cells[key]
    for key in sorted(state.cells)[:-cap]:
        del state.cells[key]
        dropped.append(key)
    if dropped or state.exact_from is not None:
        # Every event that is greater than a dropped one is still here, and the first of them to be known hides it.
        state.exact_from = min(max(key) for key in state.cells)


def raise_exact_from(state: EntityState, moment: int) -> None:
    """Say that the state answers from a moment on, unless it does only from a later one on."""
    if state.exact_from is None or moment > state.exact_from:
        state.exact_from = moment
