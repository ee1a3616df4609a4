"""Columns by path, as Arrow and as numbers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pytest

from ray_pipeline.sla.columns import FURTHEST, as_scalar, as_type, microseconds, values


def test_a_nested_field_is_null_where_anything_above_it_is() -> None:
    rows = pa.table({"a": [{"b": {"c": 1}}, {"b": None}, None, {"b": {"c": None}}, {"b": {"c": 5}}]})
    assert values(rows, ("a", "b", "c")).to_pylist() == [1, None, None, None, 5]
    assert values(rows.slice(2), ("a", "b", "c")).to_pylist() == [None, None, 5]
    hidden = pa.StructArray.from_arrays([pa.array([1, 2])], ["c"], mask=pa.array([True, False]))
    assert values(pa.table({"a": hidden}), ("a", "c")).to_pylist() == [None, 2]


def test_a_dot_in_a_name_is_part_of_the_name() -> None:
    rows = pa.table({"a.b": [{"c.d": 1}], "a": [{"b": 2}]})
    assert values(rows, ("a.b", "c.d")).to_pylist() == [1]
    assert values(rows, ("a", "b")).to_pylist() == [2]


@pytest.mark.parametrize("path", [("x",), ("a", "x"), ("n", "x")])
def test_a_column_that_is_not_there_is_a_key_error(path) -> None:
    with pytest.raises(KeyError):
        values(pa.table({"a": [{"b": 1}], "n": [1]}), path)


def test_dictionaries_and_views_are_unpacked() -> None:
    rows = pa.table({"d": pa.array(["x", None, "x"]).dictionary_encode(), "v": pa.array(["x"] * 3, pa.string_view())})
    assert values(rows, ("d",)).type == pa.string()
    assert values(rows, ("v",)).to_pylist() == ["x"] * 3
    half = pa.table({"h": pa.array([1.5, None], pa.float16())})
    assert values(half, ("h",)).to_pylist() == [1.5, None]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_moments_are_microseconds_utc_whatever_their_unit_and_zone(unit, zone) -> None:
    column = pa.chunked_array(
        [pa.array([0, None, -3], pa.timestamp(unit, zone)), pa.array([7], pa.timestamp(unit, zone))]
    )
    factor = {"s": 10**6, "ms": 10**3, "us": 1}.get(unit)
    assert microseconds(column).tolist() == ([0, -3 * factor, 7 * factor] if factor else [0, -1, 0])


def test_dates_are_their_midnight() -> None:
    day = pa.array([date(1970, 1, 2), None, date(1969, 12, 31)])
    expected = [86_400_000_000, -86_400_000_000]
    assert microseconds(pa.chunked_array([day])).tolist() == expected
    assert microseconds(pa.chunked_array([day.cast(pa.date64())])).tolist() == expected


def test_moments_beyond_all_time_do_not_overflow() -> None:
    for unit in ("s", "ms", "us"):
        far = microseconds(pa.chunked_array([pa.array([2**63 - 1, -(2**63)], pa.timestamp(unit))])).tolist()
        assert far[0] <= FURTHEST and far[1] >= -FURTHEST - 1 and far[0] > 2**61


def test_a_column_without_moments_says_so() -> None:
    with pytest.raises(ValueError, match="has no moments"):
        microseconds(pa.chunked_array([pa.array([1])]))


@pytest.mark.parametrize(
    ("item", "kind", "expected"),
    [
        ("", pa.int32(), None),
        (1, pa.string(), None),
        ("1", pa.string(), "1"),
        (1.0, pa.int32(), 1),
        (1.5, pa.int32(), None),
        (2**40, pa.int32(), None),
        (True, pa.int32(), None),
        (1, pa.bool_(), None),
        (True, pa.bool_(), True),
        (0.1, pa.decimal128(9, 2), Decimal("0.10")),
        (0.001, pa.decimal128(9, 2), None),
        (float("nan"), pa.int64(), None),
        (float("inf"), pa.int64(), None),
        (3, pa.float64(), 3.0),
        ("2013-01-01", pa.date32(), date(2013, 1, 1)),
        ("2013-01-01T05:00:00", pa.date32(), None),
        ("2013-01-01T01:00:00+01:00", pa.timestamp("us", "UTC"), datetime(2013, 1, 1, tzinfo=UTC)),
        (datetime(2013, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), pa.timestamp("ms"), datetime(2013, 1, 1)),
        ("2013-01-01T00:00:00.0001", pa.timestamp("ms"), None),
        ("yesterday", pa.timestamp("ms"), None),
        ("x", pa.list_(pa.string()), None),
    ],
)
def test_a_contracts_value_is_of_the_columns_type_or_of_no_use(item, kind, expected) -> None:
    found = as_scalar(item, kind)
    assert (None if found is None else found.as_py()) == expected
    assert as_type([item], kind).to_pylist() == ([] if expected is None else [expected])
