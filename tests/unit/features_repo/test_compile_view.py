"""A view is compiled against its contract: types, columns and a hash that says whether two definitions are one."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ray_pipeline.contracts.load import load_contract, parse_contract
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.features import count, count_distinct, field, last, max_, mean, min_, share, sum_
from ray_pipeline.features.compile import compile_view
from ray_pipeline.features.definition import ViewDefinition
from ray_pipeline.features.rowwise import not_row_by_row
from ray_pipeline.features.shape import Feed, ViewShape

ROOT = Path(__file__).parents[3]
DEPARTURES = ROOT / "contracts/flights/departures.odcs.yaml"


def contract() -> DataContract:
    return load_contract(DEPARTURES)


def carrier_day(**changes: Any) -> ViewDefinition:
    view = ViewDefinition(
        name="carrier_day",
        dataset="departures",
        keys={"carrier": "carrier.code"},
        features={"departures": count(), "late": share(field("departure_delay_minutes") > 15)},
        window=timedelta(hours=24),
        where=~field("cancelled"),
    )
    return replace(view, **changes)


def newest(**features: Any) -> ViewDefinition:
    return ViewDefinition("newest", "departures", {"origin": "origin"}, features, ttl=timedelta(hours=1))


def definition_of(view: ViewDefinition, of: DataContract | None = None) -> str:
    return compile_view(view, of or contract()).shape.definition


def test_types_come_from_the_contract() -> None:
    delay = "departure_delay_minutes"
    features = {
        "n": count(),
        "known": count(delay),
        "total": sum_(delay),
        "mean": mean(delay),
        "least": min_(delay),
        "latest": max_("departed_at"),
        "late": share(field(delay) > 15),
        "to": last("destination"),
        "places": count_distinct("destination", cap=7),
    }
    shape = compile_view(carrier_day(features=features), contract()).shape
    assert [(one.name, one.type.value, one.value_type) for one in shape.features] == [
        ("n", "int64", ""),
        ("known", "int64", "int"),
        ("total", "int64", "int"),
        ("mean", "float64", "int"),
        ("least", "int64", "int"),
        ("latest", "timestamp", "timestamp"),
        ("late", "float64", "bool"),
        ("to", "string", "string"),
        ("places", "int64", "string"),
    ]
    assert shape.features[-1].cap == 7
    assert ViewShape.from_json(shape.to_json()) == shape


def test_a_decimal_keeps_its_scale_and_is_stored_as_a_float() -> None:
    view = newest(price=field("distance_miles").cast(pl.Decimal(12, 2)), text=field("origin").cast(pl.Categorical))
    shape = compile_view(view, contract()).shape
    assert [(one.type.value, one.value_type) for one in shape.features] == [
        ("float64", "decimal:2"),
        ("string", "string"),
    ]


def test_only_the_columns_that_are_read_are_named_in_the_order_in_which_they_land() -> None:
    compiled = compile_view(carrier_day(), contract())
    assert compiled.columns == ("carrier", "cancelled", "departure_delay_minutes")
    assert compiled.schema.names == list(compiled.columns)
    assert compiled.event_time == "occurred_at"
    assert compiled.values[0] is None


def test_keys_are_in_the_order_of_their_names_and_features_as_written() -> None:
    view = carrier_day(keys={"origin": "origin", "destination": "destination"})
    compiled = compile_view(view, contract())
    assert [key.name for key in compiled.shape.keys] == ["destination", "origin"]
    assert [key.meta.root_names() for key in compiled.keys] == [["destination"], ["origin"]]
    assert [one.name for one in compiled.shape.features] == ["departures", "late"]


def test_hops_ttl_and_lateness_are_microseconds() -> None:
    shape = compile_view(carrier_day(ttl=timedelta(days=2)), contract()).shape
    assert (shape.window, shape.hop, shape.ttl) == (86_400_000_000, 720_000_000, 172_800_000_000)
    assert shape.lateness == 3_600_000_000
    assert compile_view(newest(o="origin"), contract()).shape.hop == 1


def test_a_compiled_view_survives_pickling() -> None:
    compiled = compile_view(carrier_day(), contract())
    again = pickle.loads(pickle.dumps(compiled))
    frame = pl.DataFrame({"departure_delay_minutes": [3, 16, None]})
    assert again.shape == compiled.shape
    assert frame.select(again.values[1]).to_series().to_list() == [False, True, None]


def test_the_hash_is_the_same_in_another_process() -> None:
    code = (
        "from tests.unit.features_repo.test_compile_view import carrier_day, definition_of;"
        "print(definition_of(carrier_day()))"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == definition_of(carrier_day())


def test_the_hash_does_not_change_with_what_decides_no_value() -> None:
    same = carrier_day(description="other words", file="elsewhere.py", line=7, feed=Feed.MATERIALIZED)
    spelt = carrier_day(keys={"carrier": field("carrier.code")})
    assert definition_of(same) == definition_of(spelt) == definition_of(carrier_day())


@pytest.mark.parametrize(
    "change",
    [
        {"name": "carrier_day_2"},
        {"window": timedelta(hours=12)},
        {"ttl": timedelta(hours=48)},
        {"where": None},
        {"where": field("cancelled")},
        {"keys": {"carrier": "carrier.name"}},
        {"keys": {"airline": "carrier.code"}},
        {"features": {"departures": count()}},
        {"features": {"flights": count(), "late": share(field("departure_delay_minutes") > 15)}},
        {"features": {"departures": count(), "late": share(field("departure_delay_minutes") > 16)}},
        {"features": {"departures": count(), "late": mean("departure_delay_minutes")}},
        {"features": {"departures": count_distinct("destination", 5)}},
        {"features": {"departures": count_distinct("destination", 6)}},
    ],
    ids="+".join,  # an expression's text has its address, which differs from process to process
)
def test_the_hash_changes_with_everything_that_decides_a_value(change: dict[str, Any]) -> None:
    assert definition_of(carrier_day(**change)) != definition_of(carrier_day())


def test_two_caps_and_two_lists_are_two_definitions() -> None:
    among: Callable[[list[str]], ViewDefinition] = lambda names: carrier_day(where=field("origin").is_in(names))  # noqa: E731
    assert definition_of(among(["JFK"])) != definition_of(among(["EWR"]))


@pytest.mark.parametrize("setting", ["lateness, value: 90 min", "eventTime, value: scheduled_departure_at"])
def test_the_hash_changes_with_the_contracts_clock(setting: str) -> None:
    text = DEPARTURES.read_text()
    if setting.startswith("eventTime"):
        other = text.replace("    value: occurred_at\n", "    value: scheduled_departure_at\n")
    else:
        other = text.replace("\ncustomProperties:\n", "\ncustomProperties:\n  - {property: " + setting + "}\n")
    assert other != text
    assert definition_of(carrier_day(), parse_contract(other, "other.yaml")) != definition_of(carrier_day())


def test_the_hash_stays_where_the_contract_changes_elsewhere() -> None:
    other = DEPARTURES.read_text().replace("version: 1.0.0", "version: 1.0.1")
    assert definition_of(carrier_day(), parse_contract(other, "other.yaml")) == definition_of(carrier_day())


X = pl.col("x")


@pytest.mark.parametrize(
    ("expression", "part"),
    [
        (X.sum(), "sum"),
        (X - X.mean(), "mean"),
        (X.shift(1), "shift"),
        (X.sum().over("y"), "over"),
        (X.sort(), "sort"),
        (X.filter(X > 1), "filter"),
        (X.is_unique(), "is_unique"),
        (X.fill_null(strategy="forward"), "fill_null_with_strategy"),
        (pl.when(X > 1).then(X.max()).otherwise(0), "max"),
        (X.cast(pl.Int64).first(), "first"),
        (X.str.join(","), "concat_vertical"),
        (pl.len(), "len"),
        (X.map_elements(lambda value: value, return_dtype=pl.Int64), "a Python function"),
        (pl.struct("x").struct.with_fields(pl.field("x").sum()), "sum"),
    ],
    ids=str,
)
def test_an_expression_that_looks_at_other_rows_is_told_by_what_does_so(expression: pl.Expr, part: str) -> None:
    assert not_row_by_row(expression) == part


@pytest.mark.parametrize(
    "expression",
    [
        X > 15,
        X.is_in([1, 2]),
        pl.when(X > 1).then(2).otherwise(X),
        X.dt.convert_time_zone("America/New_York").dt.hour(),
        X.struct.field("a").struct.field("b").str.to_lowercase(),
        X.replace_strict({1: "a"}, default=None),
        X.list.sum() + X.list.len(),
        X.fill_null(0).clip(0, 9).round(1).alias("other"),
        pl.coalesce("x", "y").is_null() | pl.any_horizontal("x", "y"),
        pl.concat_str("x", "y", separator="-").str.contains("a"),
        X.is_between(1, 2).cast(pl.Int8),
    ],
    ids=str,
)
def test_an_expression_that_sees_one_row_is_let_through(expression: pl.Expr) -> None:
    assert not_row_by_row(expression) is None
