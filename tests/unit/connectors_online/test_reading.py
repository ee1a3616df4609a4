"""What a materialised row is worth at a moment."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ray_pipeline.connectors.online.reading import Moment, given, now, row_status
from ray_pipeline.connectors.online.settings import ClockKind
from ray_pipeline.features.ports import SourceMark, ValueRow
from ray_pipeline.testing.clock import FrozenClock
from tests.online_model import MemoryOnlineStore

ROW = ValueRow("[1]", event_us=100, created_us=150, values=b"")


@pytest.mark.parametrize(
    ("moment", "ttl", "status"),
    [
        (given(149), None, "INVALID"),  # known since 150 only
        (given(150), None, "PRESENT"),
        (given(99), None, "INVALID"),
        (given(150), 50, "PRESENT"),
        (given(151), 50, "OUTSIDE_MAX_AGE"),
        (Moment(99), None, "INVALID"),
        (Moment(100), 0, "PRESENT"),
        (Moment(None), None, "INVALID"),
        (Moment(99, happened_by=False), None, "PRESENT"),  # a producer's clock may be ahead of ours
        (Moment(101, happened_by=False), 0, "OUTSIDE_MAX_AGE"),
    ],
)
def test_a_row_is_judged_at_the_moment_asked(moment: Moment, ttl: int | None, status: str) -> None:
    assert row_status(ROW, moment, ttl) == status
    assert row_status(None, moment, ttl) == "NOT_FOUND"


def test_now_is_the_machines_or_the_newest_publication_of_any_view() -> None:
    store = MemoryOnlineStore()
    clock = FrozenClock(datetime(2013, 1, 1, tzinfo=UTC))
    assert now(store, ClockKind.WALL, clock).at_us == 1_356_998_400_000_000
    assert now(store, ClockKind.REPLAY, clock).at_us is None
    store.write_states([], [SourceMark("v", "d", "s", 1, 70), SourceMark("w", "d", "s", 1, 60)])
    assert now(store, ClockKind.REPLAY, clock).at_us == 70
