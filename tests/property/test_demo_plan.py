"""Promises of the demo's plan, for any seed, stretch and share."""

from __future__ import annotations

import dataclasses
from collections import Counter
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.demo.events import DEPARTURES
from ray_pipeline.demo.plan import DemoPlan
from ray_pipeline.demo.spoil import Spoiler, ways_of

starts = st.integers(0, 360).map(lambda days: date(2013, 1, 1) + timedelta(days=days))
seeds = st.integers(0, 2**63)


@settings(max_examples=6, deadline=None)
@given(seed=seeds, start=starts, days=st.integers(1, 3), share=st.floats(0, 0.5))
def test_the_same_seed_gives_the_same_records_and_counts(seed: int, start: date, days: int, share: float) -> None:
    ours, again = (DemoPlan(seed=seed, start=start, days=days, share=share) for _ in range(2))
    records = list(ours.records())
    assert records == list(again.records())
    expected = again.expected()
    for topic, each in expected.items():
        spoiling = {way.name for way in ways_of(topic)}
        assert each.read == sum(record.topic == topic for record in records)
        assert each.dead_lettered == sum(record.topic == topic and record.way in spoiling for record in records)
        assert each.landed + sum(each.by_rule.values()) == each.read


@settings(max_examples=8, deadline=None)
@given(seed=seeds, start=starts, days=st.integers(1, 3), share=st.floats(0, 0.5), planted=st.integers(0, 4))
def test_each_landed_row_has_one_fate_and_only_the_planted_day_is_of_another_unit(
    seed: int, start: date, days: int, share: float, planted: int
) -> None:
    day = start + timedelta(days=planted)
    plan = DemoPlan(seed=seed, start=start, days=days, share=share, kilometres_on=day)
    plain = dataclasses.replace(plan, kilometres_on=None)
    fates, without = plan.fates(), plain.fates()
    assert plan.expected() == plain.expected(), "a wrong unit spoils no record"
    for topic, fate in fates.items():
        assert fate.published + fate.quarantined + fate.kept == plan.expected()[topic].landed
        assert not fate.held.keys() & fate.waiting.keys()
        if topic != DEPARTURES:
            assert fate == without[topic]
    ours, theirs = (one[DEPARTURES] for one in (fates, without))
    of_the_day = {day.isoformat()}
    assert ours.held.keys() - of_the_day == theirs.held.keys() - of_the_day
    assert ours.waiting.keys() - of_the_day == theirs.waiting.keys() - of_the_day
    if planted < days:
        assert day.isoformat() in ours.held


@settings(deadline=None)
@given(seed=seeds, key=st.text(), timestamp=st.integers(0, 2**41), shares=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_larger_share_spoils_what_a_smaller_one_does(
    seed: int, key: str, timestamp: int, shares: tuple[float, float]
) -> None:
    fewer, more = (Spoiler(seed, share).way("weather", key, timestamp) for share in sorted(shares))
    if fewer is not None:
        assert more is not None
        assert more.name == fewer.name


@given(seed=seeds)
def test_ways_are_chosen_evenly(seed: int) -> None:
    spoiler = Spoiler(seed, 1.0)
    chosen = Counter(way.name for i in range(2_000) if (way := spoiler.way("departures", str(i), i)) is not None)
    assert chosen.total() == 2_000
    assert len(chosen) == len(ways_of("departures"))
    assert max(chosen.values()) < 3 * 2_000 / len(chosen)
