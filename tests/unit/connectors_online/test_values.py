"""Feast's values as JSON: whatever goes in comes out, and equal rows are equal bytes."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from feast.protos.feast.types import Value_pb2 as Types
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.connectors.feast.entities import entity_of
from ray_pipeline.connectors.feast.values import Packer, tree, value_of
from ray_pipeline.connectors.online.values import pack, plain, unpack

Value = Types.Value
INTS = {"int32": st.integers(-(2**31), 2**31 - 1), "int64": st.integers(-(2**63), 2**63 - 1)}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


def _plain_nan(value: float) -> float:
    """JSON has one NaN: its sign and its payload are not kept."""
    return math.nan if math.isnan(value) else value


SCALARS: dict[str, tuple[str, st.SearchStrategy[Any]]] = {
    "bytes": ("Bytes", st.binary(max_size=5)),
    "string": ("String", TEXT),
    **{name: (name.title(), values) for name, values in INTS.items()},
    "double": ("Double", st.floats().map(_plain_nan)),
    "float": ("Float", st.floats(width=32).map(_plain_nan)),
    "bool": ("Bool", st.booleans()),
    "unix_timestamp": ("Int64", INTS["int64"]),
    **dict.fromkeys(("json", "uuid", "time_uuid", "decimal"), ("String", TEXT)),
}


FIELDS = {field.name for field in Value.DESCRIPTOR.fields}
LISTS = [(name, many) for name in SCALARS for many in ("list", "set") if f"{name}_{many}_val" in FIELDS]
KEYS = [name for name in SCALARS if f"{name}_key" in {field.name for field in Types.MapKey.DESCRIPTOR.fields}]
NESTED = ("map", "struct", "map_list", "struct_list", "list", "set", "scalar_map", "zoned_timestamp")


@st.composite
def scalars(draw: st.DrawFn) -> Any:
    name = draw(st.sampled_from(sorted(SCALARS)))
    return Value(**{f"{name}_val": draw(SCALARS[name][1])})


@st.composite
def simple(draw: st.DrawFn) -> Any:
    """Make a value that holds no other."""
    kind = draw(st.sampled_from(["unset", "null", "scalar", "many"]))
    if kind == "scalar":
        return draw(scalars())
    if kind == "many":
        name, many = draw(st.sampled_from(LISTS))
        holder = getattr(Types, f"{SCALARS[name][0]}{many.title()}")
        return Value(**{f"{name}_{many}_val": holder(val=draw(st.lists(SCALARS[name][1], max_size=3)))})
    return Value() if kind == "unset" else Value(null_val=0)


@st.composite
def values(draw: st.DrawFn) -> Any:
    """Make any value of Feast's."""
    kind = draw(st.sampled_from(["simple", *NESTED]))
    maps = st.dictionaries(TEXT, simple(), max_size=2).map(lambda found: Types.Map(val=found))
    if kind == "simple":
        return draw(simple())
    if kind in ("map", "struct"):
        return Value(**{f"{kind}_val": draw(maps)})
    if kind in ("map_list", "struct_list"):
        return Value(**{f"{kind}_val": Types.MapList(val=draw(st.lists(maps, max_size=2)))})
    if kind in ("list", "set"):
        return Value(**{f"{kind}_val": Types.RepeatedValue(val=draw(st.lists(simple(), max_size=2)))})
    if kind == "scalar_map":
        name = draw(st.sampled_from(KEYS))
        key = Types.MapKey(**{f"{name}_key": draw(SCALARS[name][1])})
        entry = Types.ScalarMapEntry(key=key, value=draw(simple()))
        return Value(scalar_map_val=Types.ScalarMap(val=[entry]))
    at, zone = draw(INTS["int64"]), draw(TEXT)
    return Value(zoned_timestamp_val=Types.ZonedTimestamp(unix_timestamp=at, zone=zone))


@settings(deadline=None)
@given(st.lists(st.dictionaries(TEXT, values(), max_size=4), min_size=1, max_size=3))
def test_every_value_of_feast_comes_back_as_it_was(rows: list[dict[str, Any]]) -> None:
    packer = Packer()
    for row in rows:
        found = {name: value_of(one) for name, one in unpack(packer(row)).items()}
        assert {name: one.SerializeToString(deterministic=True) for name, one in found.items()} == {
            name: one.SerializeToString(deterministic=True) for name, one in row.items()
        }
        for one in found.values():
            plain(tree(one))


@settings(deadline=None)
@given(st.dictionaries(TEXT, values(), max_size=4), st.dictionaries(TEXT, scalars(), max_size=4))
def test_equal_rows_are_equal_bytes_whatever_was_written_before(row: dict[str, Any], before: dict[str, Any]) -> None:
    packer = Packer()
    packer(before)
    backwards = dict(reversed(list(row.items())))
    assert packer(row) == Packer()(backwards) == pack({name: tree(one) for name, one in row.items()})
    json.loads(packer(row))


def test_every_type_of_feasts_value_is_known() -> None:
    for field in Value.DESCRIPTOR.fields:
        value = Value()
        if field.message_type is None:
            setattr(
                value,
                field.name,
                b"" if field.type == field.TYPE_BYTES else "" if field.type == field.TYPE_STRING else 0,
            )
        else:
            getattr(value, field.name).SetInParent()
        assert value_of(tree(value)) == value


def test_a_type_of_a_later_version_is_said_to_be_unknown() -> None:
    with pytest.raises(ValueError, match="has the type 'tensor'"):
        value_of({"tensor": 1})
    with pytest.raises(ValueError, match="not the values of a row"):
        unpack(b"[1]")


def test_values_are_plain_python_to_who_has_no_feast() -> None:
    nested = Value(map_val=Types.Map(val={"a": Value(float_list_val=Types.FloatList(val=[0.5, math.inf]))}))
    assert plain(tree(nested)) == {"a": [0.5, math.inf]}
    assert plain(tree(Value(bytes_val=b"\x00\xff"))) == b"\x00\xff"
    assert plain(tree(Value(null_val=0))) is None
    assert math.isnan(plain(tree(Value(double_val=math.nan))))


@pytest.mark.parametrize(
    ("row", "key"),
    [
        ({"b": Value(string_val="x"), "a": Value(int64_val=1)}, '[1,"x"]'),
        ({"a": Value(int32_val=1)}, "[1]"),
        ({"a": Value(string_val="1")}, '["1"]'),
        ({"a": Value(bool_val=False)}, "[false]"),
        ({"a": Value(bytes_val=b"\xff")}, '["/w=="]'),
        ({"a": Value(unix_timestamp_val=2)}, "[2000000]"),
        ({"a": Value(string_val="x"), "b": Value()}, None),
        ({"a": Value(null_val=0)}, None),
    ],
)
def test_an_entity_has_one_key_in_whatever_order_its_parts_come(row: dict[str, Any], key: str | None) -> None:
    assert entity_of(list(row), list(row.values())) == key
    assert entity_of(list(row)[::-1], list(row.values())[::-1]) == key
