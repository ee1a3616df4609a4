"""Events into states, batch by batch.

Whatever the batches, the states are those of the events so far and of the newest publication: folding a log again
from its beginning gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from ray_pipeline.errors import FeatureComputeError
from ray_pipeline.features.accumulators import Accumulator
from ray_pipeline.features.aggregates import Kind
from ray_pipeline.features.batch_cells import CELL, batch_cells
from ray_pipeline.features.cells import (
    DEFAULT_CELLS,
    Cell,
    CellKey,
    EntityState,
    accumulators,
    gone,
    merged,
    newer,
    note_evicted,
    raise_exact_from,
    trim,
)
from ray_pipeline.features.shape import ViewShape


def fold_events(
    shape: ViewShape,
    states: dict[str, EntityState],
    events: pl.DataFrame,
    *,
    newest_us: int,
    retain_us: int,
    cap: int = DEFAULT_CELLS,
) -> set[str]:
    """Fold events of one partition into the states of their entities; return whose states changed by them.

    Events are as :func:`ray_pipeline.features.events.event_rows` gives them, in any order. What nobody asks for from
    ``newest_us - retain_us`` on is evicted, from the states of all entities. Raises ``FeatureComputeError`` for a value
    that is not finite or a sum that its type cannot hold; no state has changed then.
    """
    if cap < 2:
        raise ValueError("a state needs room for two cells")
    horizon = newest_us - retain_us
    partition = _partition(events)
    _check_finite(shape, events)
    batch = _crowded(shape, _split(shape, _counting(shape, events), horizon), cap)
    computing = accumulators(shape)
    staged = [
        (entity, _joined(shape, computing, states.get(entity), cells))
        for entity, cells in batch_cells(shape, batch.events)
    ]
    changed = {entity for entity, _ in staged}
    for entity, cells in staged:
        _add(shape, _state(states, entity, partition), cells)
    changed |= _note(shape, states, batch, partition)
    for entity in changed:
        trim(shape, states[entity], horizon=horizon, cap=cap)
    for state in [one for one in states.values() if one.due is not None and one.due <= horizon]:
        trim(shape, state, horizon=horizon, cap=cap)
    return changed


class _Passed(NamedTuple):
    """Of an entity's events, those that came when nobody could ask for them any more."""

    entity: str
    moment: int
    """When the last of them went away; in a view of the newest event it says nothing."""
    published: int


class _Batch(NamedTuple):
    events: pl.DataFrame
    """With their cells, from the oldest to the newest."""
    passed: list[_Passed]
    merged: tuple[tuple[str, int], ...] = ()
    """Entities and the moments from which on they are exact, because their events share cells."""


def _partition(events: pl.DataFrame) -> int | None:
    found = events["partition"]
    if found.null_count() or found.min() != found.max():
        raise ValueError("a state is of one partition: fold the events of each by themselves")
    return int(found[0]) if len(found) else None


def _check_finite(shape: ViewShape, events: pl.DataFrame) -> None:
    for i, feature in enumerate(shape.features):
        if feature.value_type == "float" and not events[f"v{i}"].is_finite().all():
            raise FeatureComputeError(shape.name, feature.name, "a value that is not finite")


def _counting(shape: ViewShape, events: pl.DataFrame) -> pl.DataFrame:
    """Return the events that count at some moment, from the oldest to the newest, and the cell of each."""
    if shape.window is None:
        found = events.with_columns(_end=pl.col("event"), _from=pl.col("published"))
    else:
        end = -(-pl.col("event") // shape.hop) * shape.hop
        found = events.with_columns(_end=end, _from=pl.max_horizontal(end, "published"))
        found = found.filter(pl.col("_from") < gone(shape, 0) + pl.col("_end"))
    return found.sort("event", "published", "offset")


def _split(shape: ViewShape, events: pl.DataFrame, horizon: int) -> _Batch:
    """Split off the events that would be evicted at once."""
    return _split_newest(events, horizon) if shape.window is None else _split_hops(shape, events, horizon)


def _split_hops(shape: ViewShape, events: pl.DataFrame, horizon: int) -> _Batch:
    oldest = horizon - gone(shape, 0)
    old = events.filter(pl.col("_end") <= oldest)
    if old.is_empty():
        return _Batch(events, [])
    latest = pl.col("_end") == pl.col("_end").max()
    found = old.group_by("entity").agg(pl.col("_end").max(), pl.col("published").filter(latest).max())
    passed = [_Passed(entity, gone(shape, end), published) for entity, end, published in found.iter_rows()]
    return _Batch(events.filter(pl.col("_end") > oldest), passed)


def _split_newest(events: pl.DataFrame, horizon: int) -> _Batch:
    known = events.filter((pl.col("event") <= horizon) & (pl.col("published") <= horizon))
    if known.is_empty():
        return _Batch(events, [])
    answers = known.group_by("entity").agg(_e=pl.col("event").last(), _p=pl.col("published").last())
    marked = events.join(answers, on="entity", how="left", maintain_order="left")
    same = pl.col("event") == pl.col("_e")
    lesser = (pl.col("event") < pl.col("_e")) | (same & (pl.col("published") < pl.col("_p")))
    marked = marked.with_columns(_lesser=lesser.fill_null(value=False)).drop("_e", "_p")
    passed = [_Passed(entity, 0, 0) for entity in marked.filter("_lesser")["entity"].unique().to_list()]
    return _Batch(marked.filter(~pl.col("_lesser")).drop("_lesser"), passed)


def _crowded(shape: ViewShape, batch: _Batch, cap: int) -> _Batch:
    """Let events share cells that would become one in any case: those of a hop, below an entity's greatest keys.

    It changes nothing but the time it takes: :func:`ray_pipeline.features.cells.trim` would merge them one by one.
    """
    kept_apart = cap // 2
    if shape.window is None or batch.events.height <= kept_apart:
        return batch
    keys = batch.events.lazy().select(CELL).unique()
    below = (
        keys.filter(pl.len().over("entity") > kept_apart)
        .with_columns(_rank=pl.struct("_end", "_from").rank("ordinal", descending=True).over("entity"))
        .filter(pl.col("_rank") > kept_apart)
        .group_by("entity", "_end")
        .agg(_shared=pl.col("_from").max(), _keys=pl.len())
        .collect()
    )
    if below.is_empty():
        return batch
    shared = (pl.col("_from") <= pl.col("_shared")).fill_null(value=False)
    events = (
        batch.events.join(below.drop("_keys"), on=("entity", "_end"), how="left", maintain_order="left")
        .with_columns(_from=pl.when(shared).then("_shared").otherwise("_from"))
        .drop("_shared")
    )
    lossy = below.filter(pl.col("_keys") > 1).group_by("entity").agg(pl.col("_shared").max())
    return _Batch(events, batch.passed, tuple(lossy.iter_rows()))


def _joined(
    shape: ViewShape, computing: Sequence[Accumulator], state: EntityState | None, cells: dict[CellKey, Cell]
) -> dict[CellKey, Cell]:
    """Return the cells as they will be; nothing has changed yet, because the next one may have to be refused."""
    if state is not None and not state.cells.keys().isdisjoint(cells):
        for key in state.cells.keys() & cells.keys():
            one, other = state.cells[key], cells[key]
            cells[key] = newer(one, other) if shape.window is None else merged(computing, one, other)
    for i, feature in enumerate(shape.features):
        if feature.kind is Kind.SUM and not all(computing[i].fits(cell[3][i]) for cell in cells.values()):
            raise FeatureComputeError(shape.name, feature.name, "a sum beyond what its type can hold")
    return cells


def _add(shape: ViewShape, state: EntityState, cells: dict[CellKey, Cell]) -> None:
    state.cells.update(cells)
    if shape.window is not None:
        due = gone(shape, next(iter(cells))[0])
        state.due = due if state.due is None else min(state.due, due)


def _note(shape: ViewShape, states: dict[str, EntityState], batch: _Batch, partition: int | None) -> set[str]:
    """Say in the states what did not come into them as it was; return whose changed."""
    changed = set()
    for entity, moment in batch.merged:
        raise_exact_from(states[entity], moment)
    for one in batch.passed:
        state = _state(states, one.entity, partition)
        before = (state.exact_from, state.evicted, state.evicted_published)
        if shape.window is None:
            state.exact_from = 0 if state.exact_from is None else state.exact_from  # trim says which
        else:
            note_evicted(state, one.moment, one.published)
        if before != (state.exact_from, state.evicted, state.evicted_published):
            changed.add(one.entity)
    return changed


def _state(states: dict[str, EntityState], entity: str, partition: int | None) -> EntityState:
    state = states.get(entity)
    if state is None:
        state = states[entity] = EntityState(partition)
    elif state.partition != partition:
        raise ValueError("a state is of one partition: fold the events of each into states of their own")
    return state
