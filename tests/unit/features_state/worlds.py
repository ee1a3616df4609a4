"""Small worlds of one entity, for states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ray_pipeline.features.aggregates import Kind
from ray_pipeline.features.cells import DEFAULT_CELLS
from ray_pipeline.features.fold import fold_events
from ray_pipeline.features.shape import FeatureShape, ValueType, ViewShape
from ray_pipeline.features.state import EntityState
from tests.feature_oracle import (
    BASE,
    EVERYTHING,
    HOUR,
    MINUTE,
    OracleEvent,
    events_frame,
    feature_shape,
    view_shape,
)

ENTITY = '["EWR"]'
FOREVER = 10**17
WIDE = view_shape([feature_shape(f"f{i}", kind, over, 3) for i, (kind, over) in enumerate(EVERYTHING)], window=2 * HOUR)
"""Every aggregate over every type."""
COUNTED = view_shape([feature_shape("n", Kind.COUNT, "")], window=2 * HOUR)
NEWEST = view_shape([FeatureShape("v", ValueType.INT64, None, "int")], window=None, ttl=HOUR)


def happened(minute: float, *values: Any, late: int = 0, offset: int = 0, partition: int = 0) -> OracleEvent:
    """Return an event so many minutes after the beginning, published so many microseconds later."""
    event = BASE + round(minute * MINUTE)
    return OracleEvent(ENTITY, event, event + late, partition, offset, values or (None,))


def folded(
    shape: ViewShape,
    events: Sequence[OracleEvent],
    *,
    newest: int | None = None,
    retain: int = FOREVER,
    cap: int = DEFAULT_CELLS,
    states: dict[str, EntityState] | None = None,
) -> EntityState:
    """Return the state of the one entity after its events."""
    states = {} if states is None else states
    seen = max((one.published for one in events), default=0) if newest is None else newest
    fold_events(shape, states, events_frame(shape, events), newest_us=seen, retain_us=retain, cap=cap)
    return states[ENTITY]
