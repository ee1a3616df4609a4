"""Null, missing and invalid rows: which, where, how many."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from ray_pipeline.sla.flagged import EXAMPLES, FlaggedRows
from ray_pipeline.sla.measure import Measure, RowRef, State, Where
from ray_pipeline.sla.measures.invalid_rows import InvalidRows
from ray_pipeline.sla.measures.missing_rows import MissingRows
from ray_pipeline.sla.measures.null_rows import NullRows
from ray_pipeline.sla.measures.row_count import RowCount
from ray_pipeline.sla.measures.share import ValueShare

HERE = Where("flights", 100)


def positions(measure: Measure, values: object, kind: pa.DataType | None = None) -> list[int]:
    found = measure.of(pa.table({"x": pa.array(values, kind)}), Where("file", 0))
    assert found.flagged == len(found.positions)
    return found.positions.tolist()


def test_null_rows_are_named_by_position_and_offset() -> None:
    rows = pa.table({"x": [None, 1, None], "_partition": pa.array([3, 3, 3], pa.int32()), "_offset": [7, 8, 9]})
    found = NullRows(("x",)).of(rows, HERE)
    assert (found.rows, found.flagged, found.positions.tolist()) == (3, 2, [100, 102])
    assert found.examples == (RowRef("flights", 3, 7), RowRef("flights", 3, 9))


def test_rows_of_foreign_files_are_named_by_their_number() -> None:
    assert NullRows(("x",)).of(pa.table({"x": [1, None]}), HERE).examples == (RowRef("flights", -1, 101),)


def test_examples_are_the_lowest_offsets_whatever_the_order_of_rows() -> None:
    offsets = np.random.default_rng(0).permutation(1000)
    rows = pa.table({"x": pa.nulls(1000), "_partition": pa.array(offsets % 2, pa.int32()), "_offset": offsets})
    found = NullRows(("x",)).of(rows, HERE)
    assert [ref.offset for ref in found.examples] == [0, 2, 4, 6, 8]
    assert len(found.examples) == EXAMPLES


def test_without_positions_only_the_counts_are_kept() -> None:
    found = NullRows(("x",), keep_positions=False).of(pa.table({"x": [None, 1]}), HERE)
    assert found.flagged == 1
    assert not len(found.positions)


def test_missing_is_null_or_listed_and_text_is_not_a_number() -> None:
    assert positions(MissingRows(("x",)), ["", None, "a", "N/A", "n/a"]) == [0, 1, 3]
    assert positions(MissingRows(("x",), ("", 0, -1.0)), [0, None, 1, -1]) == [0, 1, 3]
    assert positions(MissingRows(("x",), ()), [0, None]) == [1]
    assert positions(MissingRows(("x",), ("0",)), [0, 1]) == []


def test_null_is_never_invalid() -> None:
    for condition in ({"valid_values": ("a",)}, {"pattern": "^a$"}, {"min_length": 1}, {"max_length": 1}):
        assert positions(InvalidRows(("x",), **condition), [None, "bb" if "min_length" not in condition else ""]) == [1]
        assert positions(InvalidRows(("x",), **condition), [None, *(["a"] * 50)]) == []
    assert positions(InvalidRows(("x",), minimum=3, maximum=4), [None, 2, 3, 4, 5]) == [1, 4]


@pytest.mark.parametrize("distinct", [3, 5_000])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_patterns_and_lengths_are_as_python_has_them(distinct, kind) -> None:
    source = np.random.default_rng(1)
    texts = [None if n % 7 == 0 else f"{n:x}é"[-3:] for n in source.integers(0, distinct, 6_000).tolist()]
    measure = InvalidRows(("x",), pattern="[a-f]", min_length=2, max_length=2)
    expected = [i for i, t in enumerate(texts) if t is not None and not (re.search("[a-f]", t) and len(t) == 2)]
    assert positions(measure, texts, kind) == expected


def test_a_pattern_takes_linear_time() -> None:
    assert positions(InvalidRows(("x",), pattern="^(a+)+$"), ["a" * 100_000 + "b"]) == [0]


def test_a_pattern_that_cannot_run_in_linear_time_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="RE2"):
        InvalidRows(("x",), pattern="(?=a)b")


@pytest.mark.parametrize(
    ("values", "kind", "minimum", "maximum", "expected"),
    [
        ([1, 2, 3], pa.int32(), 1.5, 2.5, [0, 2]),
        ([1, 2, 3], pa.int8(), -1e9, 1e9, []),
        ([1, 2, 3], pa.int8(), 1e9, None, [0, 1, 2]),
        ([2**53, 2**53 + 1], pa.int64(), None, 2**53, [1]),
        ([0, 5], pa.uint8(), -3, float("inf"), []),
        ([1.0, float("nan"), 3.0], pa.float64(), 0, None, [1]),
        ([0.1, 0.2], pa.float32(), 0.15, None, [0]),
        ([Decimal("1.00"), Decimal("1.01")], pa.decimal128(5, 2), 1.001, 1e30, [0]),
        ([Decimal("1.00"), Decimal("1.01")], pa.decimal128(5, 2), None, 1.009, [1]),
        ([datetime(2013, 1, 1), datetime(2013, 1, 3)], pa.timestamp("ms"), "2013-01-02", None, [0]),
        (["1", "9"], pa.string(), 3, None, []),
        ([True, False], pa.bool_(), 1, None, []),
    ],
)
def test_limits_are_included_and_moved_to_the_columns_own_type(values, kind, minimum, maximum, expected) -> None:
    assert positions(InvalidRows(("x",), minimum=minimum, maximum=maximum), values, kind) == expected


def test_the_positions_of_many_batches_come_together() -> None:
    rows = pa.table({"x": pa.array(np.arange(1000), mask=np.arange(1000) % 3 == 0)})
    found = FlaggedRows()
    for start in (600, 0, 300):
        found = found.merge(NullRows(("x",)).of(rows.slice(start, 300 if start < 600 else 400), Where("f", start)))
    assert found.positions.tolist() == list(range(0, 1000, 3))
    assert [ref.offset for ref in found.examples] == [0, 3, 6, 9, 12]


def test_shares_count_null_only_where_it_is_listed() -> None:
    rows = pa.table({"x": ["a", None, "b", "a"]})
    assert ValueShare(("x",), ("a",)).of(rows, HERE).value() == 50
    assert ValueShare(("x",), ("a", None)).of(rows, HERE).value() == 75
    assert ValueShare(("x",), (1,)).of(rows, HERE).value() == 0
    assert ValueShare(("x",), ("a",)).zero().value() is None
    for listed in ((0,), (0, 1, 2, 3)):
        assert ValueShare(("x",), listed).of(pa.table({"x": [0.0, -0.0, None, 9.0]}), HERE).value() == 50
    assert RowCount().of(rows, HERE).value() == 4


GOOD = NullRows(("x",)).of(pa.table({"x": [None, 1, None]}), HERE).state()


@pytest.mark.parametrize(
    "state",
    [
        State({}, GOOD.arrays),
        State(GOOD.values, {}),
        State({**GOOD.values, "rows": 1}, GOOD.arrays),
        State({**GOOD.values, "rows": True}, GOOD.arrays),
        State({**GOOD.values, "flagged": 3}, GOOD.arrays),
        State({**GOOD.values, "examples": [["s", 0]]}, GOOD.arrays),
        State({**GOOD.values, "examples": [["s", 0, "1"]]}, GOOD.arrays),
        State(GOOD.values, {"positions": np.array([5, 3])}),
        State(GOOD.values, {"positions": np.array([-5, 3])}),
        State(GOOD.values, {"positions": np.array([3, 5], "<u8")}),
    ],
)
def test_a_state_that_no_rows_have_is_refused(state) -> None:
    assert NullRows(("x",)).load(GOOD).flagged == 2
    with pytest.raises(ValueError):
        NullRows(("x",)).load(state)
