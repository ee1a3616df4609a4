"""Spans over a line of places, against one place after another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.features import spans

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 3)), max_size=12).map(
    lambda found: [(min(a, b), max(a, b), rank) for a, b, rank in found]
)
PLACES = 40


def columns(found: list[tuple[int, int, int]]) -> tuple[Any, Any, Any]:
    return tuple(np.array([one[i] for one in found], np.int64) for i in range(3))  # type: ignore[return-value]


def at(found: list[tuple[int, int, int]], place: int) -> list[int]:
    return [rank for begin, end, rank in found if begin <= place < end]


@settings(deadline=None, max_examples=300)
@given(SPANS)
def test_every_place_has_what_its_spans_say(found: list[tuple[int, int, int]]) -> None:
    begin, end, ranks = columns(found)
    expected = [at(found, place) for place in range(PLACES)]
    assert spans.greatest(PLACES, begin, end, ranks).tolist() == [max(one, default=-1) for one in expected]
    assert spans.least(PLACES, begin, end, ranks).tolist() == [min(one, default=-1) for one in expected]
    assert spans.total(PLACES, begin, end).tolist() == [len(one) for one in expected]
    assert spans.total(PLACES, begin, end, ranks).tolist() == [sum(one) for one in expected]
    assert spans.different(PLACES, begin, end, ranks).tolist() == [len(set(one)) for one in expected]


@pytest.mark.parametrize("places", [0, 1, 5])
def test_no_spans_and_empty_spans_cover_nothing(places: int) -> None:
    none = np.zeros(0, np.int64)
    empty = np.zeros(2, np.int64)
    for begin in (none, empty):
        assert spans.greatest(places, begin, begin, begin).tolist() == [-1] * places
        assert spans.least(places, begin, begin, begin).tolist() == [-1] * places
        assert spans.total(places, begin, begin).tolist() == [0] * places
        assert spans.different(places, begin, begin, begin).tolist() == [0] * places


def test_a_sum_that_is_within_64_bits_survives_sums_on_the_way_that_are_not() -> None:
    largest = 2**63 - 1
    begin, end = np.array([0, 1, 1, 1]), np.array([1, 2, 2, 2])
    amounts = np.array([largest, largest, largest, -largest])
    assert spans.total(2, begin, end, amounts).tolist() == [largest, largest]


def test_places_are_different_and_in_order() -> None:
    assert spans.places_of(np.array([3, 1, 3]), np.array([2, 1])).tolist() == [1, 2, 3]
    assert spans.places_of(np.zeros(0, np.int64)).tolist() == []


def test_spans_of_one_group_within_another_count_once() -> None:
    begin, end = np.array([0, 1, 5, 5]), np.array([10, 2, 6, 6])
    groups = np.array([0, 0, 0, 1])
    assert spans.different(12, begin, end, groups).tolist() == [1, 1, 1, 1, 1, 2, 1, 1, 1, 1, 0, 0]
