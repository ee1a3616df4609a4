"""From landed rows to a view's events: what is taken, what is set aside, and what ends the computation."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from ray_pipeline.errors import FeatureComputeError
from ray_pipeline.features.aggregates import Kind
from ray_pipeline.features.definition import CompiledView
from ray_pipeline.features.entity import entity_key
from ray_pipeline.features.events import event_rows
from ray_pipeline.features.fields import field
from ray_pipeline.features.shape import FeatureShape, Feed, KeyShape, ValueType, ViewShape

NOON = datetime(2013, 1, 1, 12, tzinfo=UTC)
NOON_US = 1_357_041_600_000_000
HOUR = 3_600_000_000
SCHEMA = pa.schema(
    [
        ("occurred_at", pa.timestamp("us", "UTC")),
        ("origin", pa.string()),
        ("number", pa.int32()),
        ("delay", pa.float64()),
        ("carrier", pa.struct([("code", pa.string())])),
    ]
)
OURS = pa.schema([("_partition", pa.int32()), ("_offset", pa.int64()), ("_timestamp", pa.timestamp("ms", "UTC"))])


def row(offset: int = 0, **changed: Any) -> dict[str, Any]:
    return {
        "occurred_at": NOON,
        "origin": "EWR",
        "number": 7,
        "delay": 1.5,
        "carrier": {"code": "UA"},
        "_partition": 0,
        "_offset": offset,
        "_timestamp": NOON,
        **changed,
    }


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=pa.schema([*SCHEMA, *OURS]))


def view(
    expression: pl.Expr | None = None,
    value_type: str = "",
    *,
    where: pl.Expr | None = None,
    keys: dict[str, tuple[pl.Expr, ValueType]] | None = None,
    event_time: str = "occurred_at",
    schema: pa.Schema = SCHEMA,
) -> CompiledView:
    found = keys or {"origin": (pl.col("origin"), ValueType.STRING)}
    feature = FeatureShape("f", ValueType.INT64, Kind.COUNT, value_type)
    key_shapes = tuple(KeyShape(name, type_) for name, (_, type_) in found.items())
    shape = ViewShape("v", "d", "data", key_shapes, (feature,), 2 * HOUR, HOUR // 60, None, HOUR, Feed.STREAM)
    columns = tuple(name for name in schema.names if name != event_time)
    return CompiledView(
        shape, tuple(one for one, _ in found.values()), (expression,), where, event_time, columns, schema
    )


def values(expression: pl.Expr, value_type: str, *rows: dict[str, Any]) -> list[Any]:
    return event_rows(view(expression, value_type), table(*rows)).frame["v0"].to_list()


def refused(compiled: CompiledView, *rows: dict[str, Any]) -> str:
    with pytest.raises(FeatureComputeError) as refusal:
        event_rows(compiled, table(*rows))
    return str(refusal.value)


# --- what is taken ------------------------------------------------------------------------------------------------


def test_the_frame_has_the_entity_the_times_the_place_and_a_value_for_each_feature() -> None:
    found = event_rows(view(pl.col("delay"), "float"), table(row(5)))
    assert found.skipped == {}
    assert dict(found.frame.schema) == {
        "entity": pl.String, "event": pl.Int64, "published": pl.Int64,
        "partition": pl.Int32, "offset": pl.Int64, "v0": pl.Float64,
    }  # fmt: skip
    assert found.frame.row(0) == ('["EWR"]', NOON_US, NOON_US, 0, 5, 1.5)


def test_a_count_of_events_has_no_column() -> None:
    assert event_rows(view(), table(row())).frame.columns == ["entity", "event", "published", "partition", "offset"]


def test_rows_come_from_the_oldest_to_the_newest() -> None:
    second = timedelta(seconds=1)
    rows = [
        row(1, _partition=2),
        row(0, _partition=2),
        row(9, _partition=1),
        row(7, _timestamp=NOON - second),
        row(8, occurred_at=NOON - second),
    ]
    assert event_rows(view(), table(*rows)).frame["offset"].to_list() == [8, 7, 9, 0, 1]


def test_the_entity_is_the_text_that_a_client_makes() -> None:
    keys = {
        "number": (pl.col("number"), ValueType.INT64),
        "origin": (field("carrier.code"), ValueType.STRING),
        "when": (pl.col("occurred_at"), ValueType.TIMESTAMP),
    }
    compiled = view(keys=keys)
    found = event_rows(compiled, table(row(carrier={"code": 'Zürich "1"'})))
    asked = {"number": 7, "origin": 'Zürich "1"', "when": NOON_US}
    assert found.frame["entity"].to_list() == [entity_key(compiled.shape.keys, asked)]


def test_a_key_may_be_named_as_the_column_of_entities() -> None:
    keys = {"entity": (pl.col("origin"), ValueType.STRING)}
    assert event_rows(view(keys=keys), table(row())).frame["entity"].to_list() == ['["EWR"]']


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (pa.timestamp("ns", "UTC"), NOON_US * 1000 + 999, NOON_US),
        (pa.timestamp("ns", "UTC"), -1, -1),
        (pa.timestamp("ms", "UTC"), NOON_US // 1000, NOON_US),
        (pa.timestamp("us"), NOON_US, NOON_US),
    ],
)
def test_event_times_are_whole_microseconds(kind: pa.DataType, value: int, expected: int) -> None:
    moment = pa.array([value], pa.int64()).cast(kind)
    published = pa.array([expected // 1000], pa.int64()).cast(pa.timestamp("ms", "UTC"))
    made = table(row()).drop_columns(["occurred_at", "_timestamp"])
    made = made.append_column("occurred_at", moment).append_column("_timestamp", published)
    schema = SCHEMA.set(0, pa.field("occurred_at", kind))
    assert event_rows(view(schema=schema), made).frame["event"].to_list() == [expected]


def test_only_events_for_which_the_condition_is_true_are_the_views_and_others_are_not_counted() -> None:
    found = event_rows(
        view(where=pl.col("delay") > 1), table(row(0), row(1, delay=0.5), row(2, delay=None), row(3, origin=None))
    )
    assert found.frame["offset"].to_list() == [0]
    assert found.skipped == {"no key": 1}


def test_no_rows_give_an_empty_frame_with_the_same_columns() -> None:
    compiled = view(pl.col("delay"), "float")
    assert event_rows(compiled, table()).frame.schema == event_rows(compiled, table(row())).frame.schema
    assert event_rows(compiled, table(row(origin=None))).frame.schema == event_rows(compiled, table()).frame.schema


def test_columns_that_were_written_otherwise_are_read_as_they_land() -> None:
    made = table(row())
    coded = made.set_column(1, "origin", made["origin"].dictionary_encode())
    compiled = view(pl.col("origin") + "!", "string")
    assert event_rows(compiled, coded).frame["v0"].to_list() == ["EWR!"]


# --- what is set aside --------------------------------------------------------------------------------------------


def test_what_cannot_be_an_event_is_set_aside_and_counted_by_reason() -> None:
    hour, step = timedelta(hours=1), timedelta(milliseconds=1)
    rows = [
        row(0, origin=None),
        row(1, occurred_at=None),
        row(2, _timestamp=None),
        row(3, _timestamp=NOON + hour + step),
        row(4, _timestamp=NOON + hour),
        row(5, _timestamp=NOON - hour),
        row(6, _timestamp=NOON - hour - step),
        row(7, origin=None, occurred_at=None),
    ]
    found = event_rows(view(), table(*rows))
    assert found.frame["offset"].to_list() == [5, 4]
    assert found.skipped == {
        "no key": 2, "no event time": 1, "no publication time": 1, "too late": 1, "ahead": 1,
    }  # fmt: skip


def test_a_key_of_which_one_part_is_null_is_no_key() -> None:
    keys = {"a": (pl.col("origin"), ValueType.STRING), "b": (pl.col("number"), ValueType.INT64)}
    found = event_rows(view(keys=keys), table(row(0, number=None), row(1, origin=None), row(2)))
    assert found.frame["entity"].to_list() == ['["EWR",7]']
    assert found.skipped == {"no key": 2}


def test_an_expression_is_not_asked_about_rows_that_are_set_aside() -> None:
    expression = pl.col("origin").str.to_integer()
    rows = [row(0, origin="x", occurred_at=None), row(1, origin="4")]
    assert values(expression, "int", *rows) == [4]


# --- types --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "value_type", "expected"),
    [
        (pl.col("number"), "int", 7),
        (pl.col("number").cast(pl.UInt64), "int", 7),
        (pl.col("delay").cast(pl.Float32), "float", 1.5),
        (pl.col("delay") * -0.0, "float", 0.0),
        (pl.col("delay").cast(pl.Decimal(9, 2)), "decimal:2", Decimal("1.50")),
        (pl.col("delay") > 1, "bool", True),
        (pl.col("origin").cast(pl.Categorical), "string", "EWR"),
        (pl.col("occurred_at").dt.convert_time_zone("America/New_York"), "timestamp", NOON_US),
        (pl.col("occurred_at").cast(pl.Datetime("ns", "UTC")), "timestamp", NOON_US),
    ],
)
def test_a_value_has_the_type_of_its_feature(expression: pl.Expr, value_type: str, expected: object) -> None:
    found = values(expression, value_type, row(0), row(1, delay=None, origin=None) | {"origin": "JFK"})
    assert found[0] == expected
    assert str(found[0]) == str(expected)  # no negative zero


@pytest.mark.parametrize(
    ("expression", "value_type", "reason"),
    [
        (pl.col("delay"), "int", "its values are Float64, not int"),
        (pl.col("number"), "float", "its values are Int32, not float"),
        (pl.col("number"), "bool", "its values are Int32, not bool"),
        (pl.col("delay").cast(pl.Decimal(9, 3)), "decimal:2", "not decimal:2"),
        (pl.col("occurred_at").dt.replace_time_zone(None), "timestamp", "not timestamp"),
        (pl.col("occurred_at").dt.date(), "timestamp", "its values are Date, not timestamp"),
        (pl.lit(None), "string", "gave 1 values for 2 rows"),
    ],
)
def test_another_type_is_an_error(expression: pl.Expr, value_type: str, reason: str) -> None:
    message = refused(view(expression, value_type), row(0), row(1))
    assert message.startswith("view v, f: ")
    assert reason in message


# --- what ends the computation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize(
    "expression", [pl.col("delay").mean(), pl.lit(1.0), pl.col("delay").head(0), pl.col("delay").filter(False)]
)
def test_another_number_of_values_than_rows_is_an_error_even_for_one_row(expression: pl.Expr, rows: int) -> None:
    message = refused(view(expression, "float"), *(row(i) for i in range(rows)))
    assert re.fullmatch(r"view v, f: gave [01] values for [23] rows: it must give one for each row", message)


def test_more_values_than_rows_are_an_error() -> None:
    doubled = pl.col("delay").append(pl.col("delay"))
    assert "gave 4 values for 2 rows" in refused(view(doubled, "float"), row(0), row(1))


def test_an_expression_that_raises_names_the_row_and_never_its_value() -> None:
    rows = [row(i, origin="12") for i in range(40)]
    rows[29]["origin"] = "secret"
    rows[31]["origin"] = "other secret"
    message = refused(view(pl.col("origin").str.to_integer(), "int"), *rows)
    assert message == "view v, f: raised ComputeError at partition 0, offset 29"


def test_an_expression_that_raises_whatever_the_row_names_none() -> None:
    message = refused(view(pl.col("nothing"), "int"), row(0), row(1))
    assert message == "view v, f: raised ColumnNotFoundError"


def test_python_code_that_raises_is_named_by_its_error_alone() -> None:
    def explode(value: float) -> float:
        if value > 5:
            raise ValueError(f"secret {value}")
        return value

    expression = pl.col("delay").map_elements(explode, return_dtype=pl.Float64)
    message = refused(view(expression, "float"), row(0), row(1, delay=9.0), row(2))
    assert message.startswith("view v, f: raised ")
    assert message.endswith("at partition 0, offset 1")
    assert "secret" not in message


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_an_error(number: float) -> None:
    rows = [row(0), row(1, delay=None), row(2, delay=number, _partition=3), row(3, delay=number)]
    message = refused(view(pl.col("delay"), "float"), *rows)
    assert message == "view v, f: gave a number that is not finite at partition 3, offset 2"


def test_an_integer_beyond_64_bits_is_an_error() -> None:
    expression = pl.col("number").cast(pl.UInt64) + pl.lit(2**63 - 8, dtype=pl.UInt64)
    message = refused(view(expression, "int"), row(0), row(4, number=8))
    assert message == "view v, f: gave an integer beyond 64 bits at partition 0, offset 4"


@pytest.mark.parametrize(
    ("compiled", "begins"),
    [
        (view(where=pl.col("delay").max() > 1), "view v, where: gave 1 values"),
        (view(where=pl.col("delay")), "view v, where: its values are Float64, not bool"),
        (view(keys={"k": (pl.col("delay"), ValueType.STRING)}), "view v, key k: its values are Float64, not string"),
        (view(keys={"k": (pl.col("origin").first(), ValueType.STRING)}), "view v, key k: gave 1 values"),
        (view(event_time="number"), "view v: column number is no time"),
        (view(event_time="absent"), "view v: the rows have no column absent"),
    ],
)
def test_conditions_keys_and_times_are_held_to_their_word_too(compiled: CompiledView, begins: str) -> None:
    assert refused(compiled, row(0), row(1)).startswith(begins)


def test_a_column_that_cannot_be_read_as_it_lands_is_an_error_without_its_values() -> None:
    made = table(row()).set_column(2, "number", pa.array(["secret"]))
    with pytest.raises(FeatureComputeError, match=r"^view v: column number is string, not int32$"):
        event_rows(view(), made)


def test_a_day_is_a_time_at_its_beginning() -> None:
    made = table(row(_timestamp=NOON - timedelta(hours=11, minutes=30)))
    made = made.set_column(0, "occurred_at", pa.array([date(2013, 1, 1)]))
    schema = SCHEMA.set(0, pa.field("occurred_at", pa.date32()))
    assert event_rows(view(schema=schema), made).frame["event"].to_list() == [NOON_US - 12 * HOUR]
