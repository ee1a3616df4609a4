"""Bins and counts of a baseline against the plainest possible reading of what they promise."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.drift.baseline import Baseline, make_baseline
from ray_pipeline.drift.counts import BlockCounts, assign, counts, merge
from ray_pipeline.drift.edges import CategoryColumn, Column, NumericColumn, column_of, numeric_column
from ray_pipeline.drift.values import as_floats

DAYS = st.sampled_from([f"2013-02-{day:02}" for day in range(1, 8)])
NUMBERS = st.none() | st.floats() | st.integers(-3, 3) | st.integers(-(2**70), 2**70).map(float)
WORDS = st.none() | st.sampled_from(["AA", "UA", "", "other", "missing", "Zoë", "a" * 50]) | st.text(max_size=2)
FLAGS = st.none() | st.booleans()
KINDS = st.sampled_from([("number", NUMBERS), ("category", WORDS), ("flag", FLAGS)])


@st.composite
def columns(draw: st.DrawFn, least: int = 0) -> tuple[str, list[Any]]:
    kind, values = draw(KINDS)
    found = draw(st.lists(values, min_size=least, max_size=60))
    return kind, found * draw(st.sampled_from([1, 1, 21]))


def plain_bin(column: Column, value: Any) -> int:
    """Say a value's bin by the definition, edge by edge."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return 0
    if isinstance(column, CategoryColumn):
        text = {True: "true", False: "false"}[value] if column.flag else value
        return column.categories.index(text) + 1 if text in column.categories else column.bins - 1
    found = 1
    for edge in column.edges:
        if float(value) >= edge:
            found += 1
    return found


@given(columns(), st.data())
def test_every_value_is_in_the_one_bin_that_the_definition_names(trained: tuple[str, list[Any]], data: Any) -> None:
    kind, values = trained
    column = column_of("x", kind, values)
    live = values + data.draw(st.lists({"number": NUMBERS, "category": WORDS, "flag": FLAGS}[kind], max_size=20))
    bins = assign(column, live)
    assert bins.tolist() == [plain_bin(column, value) for value in live]
    assert len(column.labels()) == column.bins and (not live or int(bins.max()) < column.bins)


@given(st.lists(st.floats() | st.integers(0, 40).map(float), max_size=300), st.integers(2, 40))
def test_edges_are_values_of_training_in_any_order_of_its_rows(values: list[float], bins: int) -> None:
    found = numeric_column("x", as_floats(values), bins=bins)
    assert found == numeric_column("x", as_floats(values[::-1]), bins=bins)
    assert found == numeric_column("x", as_floats(sorted(values, key=repr)), bins=bins)
    finite = sorted({value + 0.0 for value in values if math.isfinite(value)})
    assert len(found.edges) <= bins + 1 and all(low < high for low, high in pairwise(found.edges))
    if len(finite) <= bins:
        assert found.edges[: len(finite)] == tuple(finite)
    else:
        assert set(found.edges) <= set(finite) and len(found.edges) < bins
        # no bin holds more than two shares of the rows, unless one value alone does
        share = len([value for value in values if math.isfinite(value)]) / bins
        tally = Counter(int(one) for one in assign(found, [value for value in values if math.isfinite(value)]))
        for place, rows in tally.items():
            inside = {value + 0.0 for value in values if math.isfinite(value) and plain_bin(found, value) == place}
            assert rows <= 3 * share + 1 or len(inside) == 1


@given(columns(least=1), st.data())
def test_counts_are_a_tally_and_add_up_in_any_order(trained: tuple[str, list[Any]], data: Any) -> None:
    kind, values = trained
    days = data.draw(st.lists(DAYS, min_size=len(values), max_size=len(values))) if len(values) < 80 else [
        f"2013-02-{1 + index % 7:02}" for index in range(len(values))
    ]  # fmt: skip
    column = column_of("x", kind, values)
    whole = counts(column, values, days)
    tally = Counter((day, plain_bin(column, value)) for day, value in zip(days, values, strict=True))
    for row, day in enumerate(whole.blocks):
        for place in range(column.bins):
            assert whole.counts[row, place] == tally[day, place]
    assert whole.rows == len(values) and whole.blocks == tuple(sorted(set(days)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=4)))
    parts = [
        counts(column, values[start:end], days[start:end])
        for start, end in pairwise([0, *cuts, len(values)])
    ]  # fmt: skip
    shuffled = data.draw(st.permutations(parts))
    assert merge(shuffled) == whole
    assert merge([merge(shuffled[:1]), merge(shuffled[1:])] if len(shuffled) > 1 else shuffled) == whole


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NUMBERS, WORDS, FLAGS, DAYS, st.booleans(), st.floats(0, 1)), max_size=80), st.randoms())
def test_a_baseline_survives_its_files_whatever_the_order_of_the_rows(rows: list[Any], random: Any) -> None:
    def of(rows: list[Any]) -> Baseline:
        number, word, flag, days, fit, scores = ([row[index] for row in rows] for index in range(6))
        return make_baseline(
            {"delay\n<b>": ("number", number), "carrier": ("category", word), "flag": ("flag", flag)},
            days,
            fit_mask=np.asarray(fit, bool),
            scores=scores,
            score_days=days,
        )

    made = of(rows)
    files = made.to_files()
    again = Baseline.from_files(files)
    assert again == made and again.to_files() == files
    assert all(np.array_equal(one, other) for one, other in zip(again.counts, made.counts, strict=True))
    assert all(int(one.sum()) == len(rows) for one in again.counts)
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert of(shuffled).to_files() == files


@given(st.lists(st.integers(0, 9), min_size=3, max_size=3))
def test_counts_align_with_zeros(numbers: list[int]) -> None:
    found = BlockCounts(("2013-02-02",), np.array([numbers], np.int64))
    assert found.aligned(["2013-02-01", "2013-02-02"]).tolist() == [[0, 0, 0], numbers]
    assert found.total.tolist() == numbers and isinstance(NumericColumn("x", ()).bins, int)
