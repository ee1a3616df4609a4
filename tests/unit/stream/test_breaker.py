"""When to stop before a commit: exactly, and the same however records are batched."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.stream.breaker import Breaker

SIZE = 5
RECORDS = st.lists(st.booleans(), max_size=40)
CUTS = st.lists(st.integers(1, 12), min_size=1, max_size=40)


def feed(breaker: Breaker, bad: list[bool], cuts: list[int]) -> None:
    at = 0
    while at < len(bad):
        size = cuts[at % len(cuts)]
        batch = bad[at : at + size]
        breaker.observe(len(batch), [(i, "type") for i, is_bad in enumerate(batch) if is_bad])
        at += size


def windows(bad: list[bool]) -> list[int]:
    return [sum(bad[i : i + SIZE]) for i in range(len(bad) - SIZE + 1)]


@settings(deadline=None)
@given(bad=RECORDS, cuts=CUTS, share=st.sampled_from([0.0, 0.2, 0.5, 0.8]))
def test_it_trips_exactly_when_some_full_window_is_too_bad(bad: list[bool], cuts: list[int], share: float) -> None:
    breaker = Breaker(share, min_records=SIZE)
    feed(breaker, bad, cuts)
    assert (breaker.tripped is not None) == any(count > share * SIZE for count in windows(bad))


@settings(deadline=None)
@given(bad=RECORDS, cuts=CUTS)
def test_the_reason_is_the_same_however_records_are_batched(bad: list[bool], cuts: list[int]) -> None:
    one, many = Breaker(0.5, min_records=SIZE), Breaker(0.5, min_records=SIZE)
    feed(one, bad, [1])
    feed(many, bad, cuts)
    assert one.tripped == many.tripped


@settings(deadline=None)
@given(bad=RECORDS, cuts=CUTS)
def test_overridden_it_never_trips_and_is_healed_by_one_healthy_window(bad: list[bool], cuts: list[int]) -> None:
    breaker = Breaker(0.5, min_records=SIZE, overridden=True)
    feed(breaker, bad, cuts)
    assert breaker.tripped is None
    assert breaker.stays_overridden == (not any(count <= 0.5 * SIZE for count in windows(bad)))


def test_it_is_armed_again_only_by_the_commit_of_a_healthy_window() -> None:
    breaker = Breaker(0.5, min_records=SIZE, overridden=True)
    feed(breaker, [False] * 5 + [True] * 20, [25])
    assert breaker.tripped is None  # else a person's resume would get no commit further
    breaker.committed()
    assert not breaker.overridden
    feed(breaker, [True] * 5, [5])
    assert breaker.tripped is not None


def test_a_commit_without_health_leaves_it_overridden() -> None:
    breaker = Breaker(0.5, min_records=SIZE, overridden=True)
    feed(breaker, [True] * 20, [20])
    breaker.committed()
    assert breaker.stays_overridden


def test_one_switches_it_off() -> None:
    breaker = Breaker(1, min_records=SIZE)
    feed(breaker, [True] * 100, [10])
    assert breaker.tripped is None


def test_the_reason_counts_rules_and_holds_no_payload() -> None:
    breaker = Breaker(0.5)
    breaker.observe(1000, [(i, "required" if i % 3 else "type") for i in range(900)])
    assert breaker.tripped == "900 of 1000 consecutive records are bad (by rule: required 600, type 300)"


def test_fewer_records_than_the_window_never_trip() -> None:
    breaker = Breaker(0.5)
    breaker.observe(999, [(i, "type") for i in range(999)])
    assert breaker.tripped is None
