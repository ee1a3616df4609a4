"""States in an online store, from a list of events, as a partition actor would write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ray_pipeline.features.fold import fold_events
from ray_pipeline.features.ports import SourceMark, StateRow
from ray_pipeline.features.shape import ViewShape
from ray_pipeline.features.state import EntityState, encode_state
from tests.feature_oracle import OracleEvent, events_frame

FOREVER = 10**17


def write_events(store: Any, shape: ViewShape, events: Sequence[OracleEvent], *, newest: int | None = None) -> None:
    """Fold the events of each partition and write the states; nothing is evicted."""
    for partition in sorted({event.partition for event in events}):
        mine = [event for event in events if event.partition == partition]
        states: dict[str, EntityState] = {}
        last = max(event.published for event in mine) if newest is None else newest
        fold_events(shape, states, events_frame(shape, mine), newest_us=last, retain_us=FOREVER)
        source, end = f"{shape.dataset}/id/{partition}", max(event.offset for event in mine) + 1
        store.write_states(
            [
                StateRow(shape.name, shape.definition, entity, source, end, encode_state(shape, state))
                for entity, state in states.items()
            ],
            [SourceMark(shape.name, shape.definition, source, end, last)],
        )
