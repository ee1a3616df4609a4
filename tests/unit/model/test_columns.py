"""What a model sees of a training set: kinds by type, categories that are common, the rest under one number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from ray_pipeline.model.columns import MAX_CATEGORIES, ColumnKind, ModelColumn, columns_from, encode_row, encode_table

NOON = datetime(2013, 2, 5, 12, tzinfo=UTC)
NOON_US = int(NOON.timestamp()) * 1_000_000


def _column(values: pa.Array, fit: int | None = None) -> ModelColumn:
    mask = np.arange(len(values)) < (len(values) if fit is None else fit)
    return columns_from(pa.table({"a": values}), ["a"], mask)[0]


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        (ColumnKind.NUMBER, pa.int8()),
        (ColumnKind.NUMBER, pa.uint64()),
        (ColumnKind.NUMBER, pa.float32()),
        (ColumnKind.NUMBER, pa.decimal128(10, 2)),
        (ColumnKind.FLAG, pa.bool_()),
        (ColumnKind.CATEGORY, pa.string()),
        (ColumnKind.CATEGORY, pa.large_string()),
        (ColumnKind.CATEGORY, pa.dictionary(pa.int32(), pa.string())),
        (ColumnKind.MOMENT, pa.timestamp("us", "UTC")),
        (ColumnKind.MOMENT, pa.timestamp("ns", "America/New_York")),
    ],
)
def test_the_type_of_a_column_says_its_kind(kind: ColumnKind, type_: pa.DataType) -> None:
    assert _column(pa.array([None], type_)).kind is kind


@pytest.mark.parametrize("type_", [pa.timestamp("us"), pa.date32(), pa.list_(pa.int8()), pa.binary()])
def test_what_no_model_sees_is_told(type_: pa.DataType) -> None:
    with pytest.raises(ValueError, match=r"a is .*, and a model sees numbers, flags, text and moments"):
        _column(pa.array([None], type_))


def test_categories_are_those_that_are_common_in_the_fit_split_by_name() -> None:
    fit = ["b"] * 20 + ["a"] * 20 + ["rare"] * 19 + [None] * 30
    assert _column(pa.array(fit + ["later"] * 100), len(fit)).categories == ("a", "b")


def test_a_category_needs_its_share_of_many_rows() -> None:
    assert _column(pa.array(["a"] * 39_970 + ["b"] * 30)).categories == ("a",)


def test_of_too_many_categories_the_most_frequent_stay_and_then_the_first_by_name() -> None:
    values = [f"{name:03d}" for name in range(MAX_CATEGORIES + 1) for _ in range(20)] + ["200"]
    assert _column(pa.array(values)).categories == tuple(f"{name:03d}" for name in range(201) if name != 199)


def test_a_category_that_is_not_listed_is_the_one_after_the_last_and_null_is_missing() -> None:
    column = ModelColumn("a", ColumnKind.CATEGORY, ("x", "y"))
    found = encode_table((column,), pa.table({"a": ["y", "z", None, "x"]}))
    assert found[[0, 1, 3], 0].tolist() == [1.0, 2.0, 0.0]
    assert np.isnan(found[2, 0])
    assert encode_table((ModelColumn("a", ColumnKind.CATEGORY),), pa.table({"a": ["y"]})).tolist() == [[0.0]]


def test_a_moment_is_how_long_ago_it_was() -> None:
    column = ModelColumn("a", ColumnKind.MOMENT)
    moment = NOON - timedelta(minutes=90)
    table = pa.table({"a": [moment], "asked_at": [NOON]})
    assert encode_table((column,), table).tolist() == [[90.0]]
    assert encode_row((column,), {"a": moment}, NOON_US).tolist() == [[90.0]]
    assert encode_row((column,), {"a": NOON_US - 60_000_000}, NOON_US).tolist() == [[1.0]]


def test_a_row_takes_what_a_store_answers() -> None:
    kinds = {"n": ColumnKind.NUMBER, "d": ColumnKind.NUMBER, "f": ColumnKind.FLAG, "absent": ColumnKind.NUMBER}
    columns = tuple(ModelColumn(name, kind) for name, kind in kinds.items())
    found = encode_row(columns, {"n": 10**400, "d": Decimal("0.1"), "f": True}, NOON_US)
    assert found.shape == (1, 4)
    assert np.isnan(found[0, 0])
    assert found[0, 1:3].tolist() == [0.1, 1.0]
    assert np.isnan(found[0, 3])
