"""Latency, gaps and ranges, against loops over rows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from ray_pipeline.sla.measure import Where
from ray_pipeline.sla.measures.event_gaps import MAX_GROUPS, EventGaps, Gap, Occupied
from ray_pipeline.sla.measures.event_range import EventRange, Range
from ray_pipeline.sla.measures.latency import Latency

MINUTE = 60_000_000
START = 1_360_281_600_000_000
LANDED = START + 3_600_000_000
US = pa.timestamp("us", "UTC")


def events(minutes: list[float | None], groups: list[object] | None = None) -> pa.Table:
    moments = pa.array([None if m is None else START + round(m * MINUTE) for m in minutes], US)
    return pa.table({"t": moments, "g": pa.array(groups if groups is not None else [0] * len(minutes))})


def of(rows: pa.Table, *group_by: str, bucket: int = MINUTE) -> Occupied:
    return EventGaps(("t",), tuple((name,) for name in group_by), bucket).of(rows, Where("f", 0))


def longest(rows: list[tuple[object, int]]) -> int | None:
    by_group: dict[object, list[int]] = {}
    for group, moment in sorted(rows, key=lambda row: row[1]):
        by_group.setdefault(group, []).append(moment)
    gaps = [b - a for moments in by_group.values() for a, b in pairwise(moments)]
    return max(gaps, default=None)


@pytest.mark.parametrize("seed", range(20))
def test_the_longest_gap_of_any_group_is_exact(seed) -> None:
    source = np.random.default_rng(seed)
    rows = [(int(g), int(t)) for g, t in zip(source.integers(0, 4, 60), source.integers(0, 10**10, 60), strict=True)]
    table = pa.table({"g": [f"g{g}" for g, _ in rows], "t": pa.array([t for _, t in rows], US)})
    gap = of(table, "g").value()
    assert gap is not None
    assert gap.length == longest([(f"g{g}", t) for g, t in rows])
    assert gap.end - gap.start == gap.length
    everyone = of(table).value()
    assert everyone is not None
    assert everyone.length == longest([(0, t) for _, t in rows])


def test_a_gap_across_midnight_is_seen_with_the_day_before() -> None:
    before, today = of(events([0, 10])), of(events([50, 55]))
    assert today.value() == Gap(5 * MINUTE, START + 50 * MINUTE, START + 55 * MINUTE, 0)
    assert today.value(before) == Gap(40 * MINUTE, START + 10 * MINUTE, START + 50 * MINUTE, 0)


def test_a_group_that_falls_silent_is_seen_with_an_end() -> None:
    rows = events([0, 1, 2, 30, 59], ["a", "b", "b", "a", "a"])
    silent = of(rows, "g").value(until=START + 60 * MINUTE)
    assert silent is not None
    assert (silent.length, silent.start) == (58 * MINUTE, START + 2 * MINUTE)
    gone = of(events([59], ["a"]), "g").value(of(events([0], ["b"]), "g"), until=START + 60 * MINUTE)
    assert gone is not None
    assert gone.length == 60 * MINUTE


def test_nothing_between_two_moments_is_no_gap() -> None:
    assert of(events([])).value() is None
    assert of(events([None, None])).value() is None
    assert of(events([3])).value() is None
    assert of(events([3, 3.5])).value() is None, "within a bucket"
    assert of(events([1, 2], ["a", "b"]), "g").value() is None


def test_null_is_a_group_and_a_row_without_a_moment_is_in_none() -> None:
    found = of(events([0, 5, None, 7], [None, None, "b", "c"]), "g")
    assert found.group_count == 2
    gap = found.value()
    assert gap is not None
    assert gap.length == 5 * MINUTE


def test_groups_are_the_same_whatever_type_carries_them() -> None:
    one = pa.table({"t": pa.array([START], US), "g": pa.array([7], pa.int32()), "h": pa.array(["x"])})
    other = pa.table(
        {"t": pa.array([START], US), "g": pa.array([7], pa.int64()), "h": pa.array(["x"]).dictionary_encode()}
    )
    assert of(one, "g", "h") == of(other, "g", "h")
    text = pa.table({"t": pa.array([START], US), "g": pa.array(["7"]), "h": pa.array(["x"])})
    assert of(one, "g", "h") != of(text, "g", "h")
    shifted = pa.table({"t": pa.array([START] * 2, US), "g": ["a", "ab"], "h": ["bc", "c"]})
    assert of(shifted, "g", "h").group_count == 2


@pytest.mark.parametrize(("groups", "too_many"), [(MAX_GROUPS, False), (MAX_GROUPS + 1, True)])
def test_groups_are_counted_up_to_their_limit(groups, too_many) -> None:
    rows = pa.table(
        {
            "t": pa.array([START] * groups, US),
            "g": [i // 40 for i in range(groups)],
            "h": [i % 40 for i in range(groups)],
        }
    )
    assert of(rows, "g", "h").too_many is too_many
    halves = of(rows.slice(0, 600), "g", "h").merge(of(rows.slice(600), "g", "h"))
    assert halves.too_many is too_many
    assert (halves.value(until=START + 1) is None) is too_many


def test_many_buckets_over_a_long_time_need_no_more_memory_than_events() -> None:
    rows = pa.table({"t": pa.array([0, 10**15, 2 * 10**15], US)})
    gap = of(rows, bucket=1).value()
    assert gap is not None
    assert gap.length == 10**15
    far = pa.table({"t": pa.array([-(2**63), 2**63 - 1], US)})
    furthest = of(far, bucket=1).value()
    assert furthest is not None
    assert furthest.length > 2**62


def test_a_bucket_of_no_length_is_refused() -> None:
    with pytest.raises(ValueError, match="microsecond"):
        EventGaps(("t",), (), 0)


def test_latency_is_landing_minus_event() -> None:
    found = Latency(("t",)).of(events([0, 30, 59, None, 70]), Where("f", 0, LANDED))
    assert (found.rows, found.unknown, found.known, found.negative) == (5, 1, 4, 1)
    assert (found.minimum, found.maximum) == (-10 * MINUTE, 60 * MINUTE)
    top, middle = found.quantile(1), found.quantile(0.5)
    assert top is not None and (top.value, top.error_bound) == (60 * MINUTE, None)
    assert middle is not None and middle.value == pytest.approx(MINUTE, rel=0.008)
    assert middle.error_bound is not None


@pytest.mark.parametrize("kind", [pa.timestamp("ms"), pa.timestamp("us"), US, pa.timestamp("ns", "UTC")])
def test_latencies_are_within_their_bound_in_every_unit(kind) -> None:
    source = np.random.default_rng(2)
    took = (source.exponential(600, 10_000) * 1000).astype(int) * 1000
    rows = pa.table({"t": pa.array(LANDED - took, US).cast(pa.timestamp(kind.unit, "UTC")).cast(kind)})
    found = Latency(("t",)).of(rows, Where("f", 0, LANDED))
    for p in (0.5, 0.9, 0.99):
        exact = float(np.quantile(took, p, method="inverted_cdf"))
        estimate = found.quantile(p)
        assert estimate is not None and abs(estimate.value - exact) <= 0.008 * exact
    for limit in (0, 10**6, 10**9, int(took.max()) - 1, int(took.max())):
        low, high = found.at_most(limit)
        assert low <= int((took <= limit).sum()) <= high
    assert found.at_most(int(took.max())) == (10_000, 10_000)


def test_latency_of_a_file_that_nobody_committed_is_not_known() -> None:
    found = Latency(("t",)).of(events([0, 1]), Where("f", 0))
    assert (found.rows, found.known, found.quantile(0.5)) == (2, 0, None)


def test_the_range_is_of_the_rows_that_have_a_moment() -> None:
    measure = EventRange(("t",))
    found = measure.of(events([5, None, 1]), Where("f", 0))
    assert found == Range(2, START + MINUTE, START + 5 * MINUTE)
    assert found.value() == (START + MINUTE, START + 5 * MINUTE)
    assert measure.of(events([None]), Where("f", 0)).value() is None
