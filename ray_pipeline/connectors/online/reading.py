"""What a store says of many entities at their moments: states merged, materialised rows judged by age."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ray_pipeline.clock import Clock, WallClock
from ray_pipeline.connectors.online.settings import ClockKind
from ray_pipeline.features.ports import OnlineStore, SourceMark, StateRow, ValueRow
from ray_pipeline.features.reading import Reading, Status
from ray_pipeline.features.shape import ViewShape
from ray_pipeline.features.state import Decode, read_states
from ray_pipeline.features.state_codec import columns_of


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment asked, in microseconds."""

    at_us: int | None
    """None: a replay that has not begun."""
    published_by: bool = False
    """Whether only what was published by then may answer; a row that says more recent things is INVALID."""
    happened_by: bool = True
    """Whether only what had happened by then may. Not by the machine's clock: a producer's may be ahead of it."""


def given(at_us: int) -> Moment:
    """Return a moment that somebody named: strict in both times."""
    return Moment(at_us, published_by=True)


def now(store: OnlineStore, clock: ClockKind, machine: Clock | None = None) -> Moment:
    """Return the store's now: the machine's clock, or the newest publication that any of its marks has seen."""
    if clock is ClockKind.REPLAY:
        return replayed(store.marks())
    return Moment(int((machine or WallClock()).now().timestamp() * 1_000_000), happened_by=False)


def replayed(marks: Sequence[SourceMark]) -> Moment:
    """Return the now of a replay, by the marks of its store."""
    return Moment(max((mark.published_us for mark in marks), default=None))


def state_readings(
    store: OnlineStore, shape: ViewShape, entities: Sequence[str | None], moments: Sequence[Moment]
) -> list[Reading]:
    """Return what the partitions' states say, merged; one round trip. No entity: NOT_FOUND."""
    asked = list(dict.fromkeys(entity for entity in entities if entity is not None))
    found = dict(zip(asked, store.read_states(shape.name, shape.definition, asked), strict=True)) if asked else {}
    return readings_of(shape, entities, moments, found)


def readings_of(
    shape: ViewShape,
    entities: Sequence[str | None],
    moments: Sequence[Moment],
    found: Mapping[str, Sequence[StateRow]],
    decode: Decode = columns_of,
) -> list[Reading]:
    """Return what the states that were found say, merged. No entity: NOT_FOUND."""
    nothing = Reading(Status.NOT_FOUND, (None,) * len(shape.features))
    readings: list[Reading] = []
    for entity, moment in zip(entities, moments, strict=True):
        states = [] if entity is None else [row.state for row in found[entity]]
        if states and moment.at_us is not None:
            readings.append(read_states(shape, states, moment.at_us, decode))
        else:
            readings.append(nothing)
    return readings


def rows_of(store: OnlineStore, view: str, entities: Sequence[str | None]) -> list[ValueRow | None]:
    """Return the materialised row of each entity; one round trip. No entity: no row."""
    asked = list(dict.fromkeys(entity for entity in entities if entity is not None))
    found = dict(zip(asked, store.read_rows(view, asked), strict=True)) if asked else {}
    return [None if entity is None else found[entity] for entity in entities]


def row_status(row: ValueRow | None, moment: Moment, ttl_us: int | None) -> Status:
    """Return what a materialised row is worth at a moment. The row before it is gone, so an earlier one is INVALID."""
    if row is None:
        return Status.NOT_FOUND
    at = moment.at_us
    if at is None or (moment.happened_by and row.event_us > at) or (moment.published_by and row.created_us > at):
        return Status.INVALID
    if ttl_us is not None and at - row.event_us > ttl_us:
        return Status.OUTSIDE_MAX_AGE
    return Status.PRESENT
