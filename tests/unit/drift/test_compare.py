"""Two tables beside each other: what is compared, what is left out, and what cannot be told."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ray_pipeline.drift.compare import INDEPENDENT, Comparison, compare
from ray_pipeline.errors import UsageError

DOCUMENT = ["name", "test", "statistic", "p", "p_adjusted", "effect", "drift"]
RANDOM = np.random.default_rng(1)
USUAL = RANDOM.normal(size=2_000)


def _one(before: Any, after: Any, **options: Any) -> Any:
    found = compare(pa.table({"x": before}), pa.table({"x": after}), **options)
    assert len(found.columns) == 1, found.notices
    return found.columns[0]


def test_the_document_is_the_stated_one() -> None:
    found = compare(pa.table({"x": USUAL}), pa.table({"x": RANDOM.normal(0.5, 1, 500)})).to_json()
    assert list(found) == ["rows", "alpha", "columns", "drift", "notices"]
    assert found["rows"] == {"reference": 2_000, "current": 500}
    assert list(found["columns"][0]) == DOCUMENT
    assert (found["alpha"], found["drift"], found["columns"][0]["drift"]) == (0.05, True, True)
    assert found["notices"] == [INDEPENDENT]
    json.dumps(found, allow_nan=False)


def test_equal_tables_do_not_drift() -> None:
    table = pa.table({"x": USUAL, "carrier": np.repeat(["AA", "UA"], 1_000), "late": np.tile([True, False], 1_000)})
    found = compare(table, table)
    assert found.drift is False
    assert [(one.name, one.kind, one.test, one.effect) for one in found.columns] == [
        ("x", "number", "ks", 0.0),
        ("carrier", "category", "chi2", 0.0),
        ("late", "flag", "chi2", 0.0),
    ]


def test_the_order_of_rows_and_columns_changes_nothing() -> None:
    before = pa.table({"x": USUAL, "c": RANDOM.integers(0, 9, 2_000).astype(str), "day": np.arange(2_000) % 40})
    after = pa.table(
        {"x": RANDOM.normal(size=900), "c": RANDOM.integers(0, 9, 900).astype(str), "day": [0, 1, 2] * 300}
    )
    shuffled = before.take(RANDOM.permutation(2_000)).select(["day", "c", "x"])
    for options in ({}, {"block": "day"}):
        first, second = (compare(one, after, **options) for one in (before, shuffled))  # type: ignore[arg-type]
        assert {one.name: one for one in first.columns} == {one.name: one for one in second.columns}


@pytest.mark.parametrize("rows", [(49, 2_000), (2_000, 49), (10, 10), (0, 0)])
def test_too_few_rows_on_a_side_cannot_be_told(rows: tuple[int, int]) -> None:
    found = compare(*(pa.table({"x": RANDOM.normal(size=one)}) for one in rows))
    assert found.drift is None
    assert [one.to_json()["drift"] for one in found.columns] == [None]
    assert found.notices[0].startswith(
        f"cannot tell: the {'reference' if rows[0] <= rows[1] else 'current table'} has "
    )
    assert compare(*(pa.table({"x": RANDOM.normal(size=50)}) for _ in rows)).drift is not None


def test_missing_values_are_a_test_of_their_own() -> None:
    holes = np.where(RANDOM.random(1_000) < 0.2, np.nan, RANDOM.normal(size=1_000))
    found = _one(USUAL, holes)
    assert (found.test, found.drift) == ("missing", True)
    assert found.missing is not None and found.missing[0] == 0 and found.missing[1] == pytest.approx(0.2, abs=0.04)
    assert not _one(holes, RANDOM.permutation(holes)).drift
    gone = _one(USUAL, pa.nulls(1_000))
    assert (gone.test, gone.drift, gone.effect) == ("missing", True, 1.0)


def test_values_that_move_among_missing_ones_are_found() -> None:
    holes = RANDOM.random(2_000) < 0.2
    found = _one(np.where(holes, np.nan, USUAL), np.where(holes, np.nan, USUAL + 0.5))
    assert (found.test, found.drift) == ("ks", True)


def test_a_sure_but_small_change_of_the_missing_does_not_hide_a_large_one_of_the_values() -> None:
    before = np.where(np.arange(20_000) % 2 == 0, np.nan, RANDOM.normal(size=20_000))
    after = np.where(np.arange(20_000) % 9 < 4, np.nan, RANDOM.normal(0.4, 1, 20_000))
    found = _one(before, after, min_effect=0.1)
    assert (found.test, found.drift) == ("ks", True)


def test_a_column_without_a_value_says_nothing_and_a_constant_one_is_the_same() -> None:
    found = compare(*(pa.table({"none": pa.nulls(80), "nan": [np.nan] * 80, "three": [3] * 80}) for _ in range(2)))
    said = {one.name: (one.test, one.p, one.drift) for one in found.columns}
    assert said == {"none": (None, None, None), "nan": (None, None, None), "three": ("ks", 1.0, False)}
    assert found.drift is False
    assert "none: neither table has a value" in found.notices
    alone = compare(*(pa.table({"none": pa.nulls(80)}) for _ in range(2)))
    assert alone.drift is None
    assert _one([3] * 80, [4] * 80).drift


def test_infinities_are_values() -> None:
    found = compare(pa.table({"x": USUAL}), pa.table({"x": np.where(np.arange(1_000) % 3 == 0, np.inf, USUAL[:1_000])}))
    assert found.drift and found.columns[0].test == "ks"
    assert "x: 334 infinite values counted beyond the last edge" in found.notices
    json.dumps(found.to_json(), allow_nan=False)


def test_unseen_categories_are_drift_and_said() -> None:
    before = pa.table({"c": ["AA", "UA"] * 500})
    found = compare(before, pa.table({"c": ["AA", "UA"] * 240 + ["ZZ"] * 20}))
    assert found.drift
    assert "c: 20 current rows of a value that the reference does not have" in found.notices


def test_many_rare_categories_share_a_bin() -> None:
    before, after = (pa.table({"c": RANDOM.zipf(1.5, rows).clip(0, 5_000).astype(str)}) for rows in (5_000, 1_000))
    assert compare(before, after).drift is False


def test_identifiers_are_left_out() -> None:
    ids = [pa.table({"id": [f"{side}{row}" for row in range(400)], "x": USUAL[:400]}) for side in "ab"]
    found = compare(*ids)
    assert [one.name for one in found.columns] == ["x"]
    assert "id is not compared: it has 800 values in 800 rows: an identifier, or free text" in found.notices


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["AA", None, "UA"] * 40).dictionary_encode(),
        pa.array(["AA", None, "UA"] * 40, pa.large_string()),
        pa.array(["AA", None, "UA"] * 40, pa.string_view()),
        pa.array([Decimal("1.5"), None, Decimal("2.5")] * 40),
        pa.array([timedelta(seconds=1), None, timedelta(seconds=3)] * 40),
        pa.array([time(1), None, time(3)] * 40),
        pa.array([time(1), None, time(3)] * 40, pa.time32("s")),
        pa.array([1, None, 2**64 - 1] * 40, pa.uint64()),
        pa.array([1.0, None, 2.0] * 40, pa.float16()),
        pa.array([7, None, 9] * 40, pa.int64()).dictionary_encode(),
        pa.array([True, None, False] * 40).dictionary_encode(),
    ],
    ids=lambda values: str(values.type)[:30],
)
def test_every_scalar_type_is_compared(values: pa.Array) -> None:
    found = _one(values, values)
    assert (found.drift, found.missing) == (False, (1 / 3, 1 / 3))
    assert _one(values, pa.array([values[0].as_py()] * 120, values.type)).drift


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (pa.array([datetime(2013, 1, 1, tzinfo=UTC)] * 60), "a date or a timestamp"),
        (pa.array([date(2013, 1, 1)] * 60), "a date or a timestamp"),
        (pa.array([{"a": 1}] * 60), "nested (struct<a: int64>)"),
        (pa.array([[1]] * 60), "nested (list<"),
        (pa.array([b"x"] * 60), "binary, which is neither"),
    ],
)
def test_what_cannot_be_counted_is_left_out_and_said(values: pa.Array, said: str) -> None:
    found = compare(*(pa.table({"x": values}) for _ in range(2)))
    assert (found.columns, found.drift) == ((), None)
    assert any(notice.startswith(f"x is not compared: it is {said}") for notice in found.notices)


def test_columns_of_one_table_only_are_said() -> None:
    found = compare(pa.table({"x": USUAL, "old": USUAL}), pa.table({"new": USUAL, "x": USUAL}))
    assert [one.name for one in found.columns] == ["x"]
    assert found.notices[1:] == (
        "old is not compared: it is in the reference only",
        "new is not compared: it is in the current table only",
    )


def test_tables_of_other_types_are_not_guessed_at() -> None:
    found = compare(pa.table({"x": [1] * 60, "y": USUAL[:60]}), pa.table({"x": ["1"] * 60, "y": USUAL[:60]}))
    assert "x is not compared: it is a number in the reference and a category in the current table" in found.notices
    assert _one([1, 0] * 30, [True, False] * 30).kind == "number"
    assert _one(pa.nulls(60), ["a"] * 60).drift


def test_a_contract_says_what_a_column_is() -> None:
    tables = [pa.table({"code": [1, 2, 3] * 40, "at": [datetime(2013, 1, 1)] * 120, "x": ["a"] * 120}) for _ in "ab"]
    found = compare(*tables, kinds={"code": "category", "x": "number", "y": "flag"})
    assert [(one.name, one.kind, one.test) for one in found.columns] == [("code", "category", "chi2")]
    assert found.notices[1:] == (
        "at is not compared: to its contract it is no number, category or flag, or it is a key",
        "x is not compared: it is a number by its contract, and a category in the reference",
        "y is not compared: it is in neither table",
    )


def test_blocks_do_not_alarm_where_rows_would() -> None:
    """Days differ among themselves, and the current ones are days like any others."""
    random = np.random.default_rng(2)

    def days(first: int, until: int) -> pa.Table:
        found = [random.normal(random.normal(), 1, 60) for _ in range(first, until)]
        return pa.table({"x": np.concatenate(found), "day": np.repeat(np.arange(first, until), 60)})

    before, after = days(0, 60), days(60, 67)
    assert compare(before, after.drop(["day"])).drift
    found = compare(before, after, block="day")
    assert found.drift is False
    assert [one.name for one in found.columns] == ["x"]
    assert found.notices[0] == "whole blocks were permuted: 60 blocks of day in the reference, 7 in the current table"
    moved = after.set_column(0, "x", pa.array(after["x"].to_numpy() + 3))
    assert compare(before, moved, block="day").drift


def test_too_few_blocks_cannot_be_told() -> None:
    tables = [pa.table({"x": USUAL[:70], "day": [day] * 70}) for day in "ab"]
    found = compare(*tables, block="day")
    assert found.drift is None
    assert "can be split in too few ways" in found.notices[0]


@pytest.mark.parametrize(
    ("before", "after", "block", "said"),
    [
        ({"x": [1]}, {"y": [1]}, None, "no column in common"),
        ({"x": [1]}, {"x": [1]}, "day", "the reference has no column day to name blocks"),
        (
            {"x": [1] * 60, "d": [None] * 60},
            {"x": [1] * 60, "d": ["a"] * 60},
            "d",
            "60 rows of the reference have no d",
        ),
        ({"x": [1] * 60, "d": [[1]] * 60}, {"x": [1] * 60, "d": [[1]] * 60}, "d", "which cannot name blocks"),
    ],
)
def test_asked_wrongly_is_said(before: Any, after: Any, block: str | None, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        compare(pa.table(before), pa.table(after), block=block)


def test_a_name_that_is_there_twice_is_refused() -> None:
    twice = pa.Table.from_arrays([pa.array([1] * 60)] * 2, names=["x", "x"])
    with pytest.raises(UsageError, match="the reference has column x more than once"):
        compare(twice, pa.table({"x": [1] * 60}))


def test_an_effect_below_the_floor_is_no_drift() -> None:
    moved = np.random.default_rng(3).normal(0.2, 1, 20_000)
    usual = np.random.default_rng(4).normal(size=20_000)
    found = [_one(usual, moved, min_effect=floor) for floor in (0.0, 0.5)]
    assert [one.drift for one in found] == [True, False]
    assert found[0].shift == pytest.approx(0.2, abs=0.03)


def test_the_farthest_column_is_named_first() -> None:
    before = pa.table({"a": USUAL, "b": USUAL, "c": USUAL})
    found: Comparison = compare(before, pa.table({"a": USUAL + 0.3, "b": USUAL + 2, "c": USUAL}))
    assert [one.name for one in found.moved] == ["b", "a"]
