"""Whatever is published after a moment, a row asked at that moment is the same: for any view and any later world."""

from __future__ import annotations

import random

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ray_pipeline.features.entity import key_parts
from ray_pipeline.features.history import history, offline_schema
from ray_pipeline.features.join import point_in_time
from ray_pipeline.features.shape import ViewShape
from tests.feature_oracle import BASE, OracleEvent, event_lists, events_frame, moments, worlds

FROM, TO = BASE - 400 * 86_400_000_000, BASE + 400 * 86_400_000_000


def _asked(shape: ViewShape, events: list[OracleEvent], entities: list[str], at: int) -> pl.DataFrame:
    rows = history(shape, events_frame(shape, events), FROM, TO)
    names = [key.name for key in shape.keys]
    kinds = pl.from_arrow(offline_schema(shape).empty_table())
    assert isinstance(kinds, pl.DataFrame)
    parts = pl.DataFrame(
        [key_parts(one) for one in entities], {name: rows.schema[name] for name in names}, orient="row"
    )
    return point_in_time(
        parts.with_columns(pl.lit(at, pl.Int64).alias("#at")),
        rows,
        keys=names,
        at="#at",
        ttl_us=shape.ttl,
        as_of_known=True,
        features=[*(feature.name for feature in shape.features), "_offsets"],
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data(), world=worlds(most=15), seed=st.integers(0, 2**32))
def test_nothing_published_after_a_moment_changes_what_was_asked_then(
    data: st.DataObject, world: tuple[ViewShape, list[OracleEvent]], seed: int
) -> None:
    """The later world loses, changes and gains events: corrections of old ones and new ones of any event time."""
    shape, events = world
    if not events:
        return
    known = moments(shape, events)
    at = data.draw(st.sampled_from(known))
    before = [event for event in events if event.published <= at]
    later = [event for event in data.draw(event_lists(shape, most=15)) if event.published > at]
    # An offset says which record it is: the later world goes on after what was there.
    taken = {(event.partition, event.offset) for event in before}
    other = [*before, *(event for event in later if (event.partition, event.offset) not in taken)]
    random.Random(seed).shuffle(other)
    entities = sorted({event.entity for event in (*events, *other)})
    one, two = _asked(shape, events, entities, at), _asked(shape, other, entities, at)
    assert_frame_equal(one, two)
    assert_frame_equal(one, _asked(shape, before, entities, at))
