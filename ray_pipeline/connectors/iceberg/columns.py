"""Arrow types and Iceberg: what a table can hold, what is cast first, and how columns may change."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from ray_pipeline.errors import TableSchemaError

UTC_NAMES = frozenset({"UTC", "+00:00", "Etc/UTC", "Z"})
_MICROSECONDS = pa.time64("us")
_INTEGERS = {
    pa.int8(): pa.int32(),
    pa.int16(): pa.int32(),
    pa.uint8(): pa.int32(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
}
_PLAIN = frozenset(
    {pa.bool_(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.date32(), _MICROSECONDS, pa.string()}
    | {pa.binary()}
)
_WIDER = {(pa.int32(), pa.int64()), (pa.float32(), pa.float64())}
"""What Iceberg widens a column by; an integer never becomes a double."""
_MAX_PRECISION = 38


def curated_schema(schema: pa.Schema, table: str = "") -> pa.Schema:
    """Return the columns as a curated table holds them: every one may be null, one without a type is left out.

    Moments are kept to the microsecond, in UTC. Raises ``TableSchemaError`` for a type that no table can hold.

    >>> curated_schema(pa.schema([("a", pa.dictionary(pa.int32(), pa.string())), ("t", pa.timestamp("ms", "UTC"))]))
    a: string
    t: timestamp[us, tz=UTC]
    """
    names = schema.names
    if len(set(names)) != len(names):
        raise TableSchemaError(table, f"two columns have one name: {next(n for n in names if names.count(n) > 1)!r}")
    return pa.schema(
        [pa.field(f.name, curated_type(f.type, f.name, table)) for f in schema if not pa.types.is_null(f.type)]
    )


def curated_type(kind: pa.DataType, path: str, table: str = "") -> pa.DataType:
    """Return the type that a table keeps the column's values in."""
    if kind in _INTEGERS:
        return _INTEGERS[kind]
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return curated_type(kind.value_type, path, table)
    if pa.types.is_struct(kind) and kind.num_fields:
        fields = [kind.field(i) for i in range(kind.num_fields)]
        return pa.struct([pa.field(f.name, curated_type(f.type, f"{path}.{f.name}", table)) for f in fields])
    if pa.types.is_map(kind):
        keys = curated_type(kind.key_type, f"{path}.key", table)
        return pa.map_(keys, curated_type(kind.item_type, f"{path}.value", table))
    if _is_list(kind):
        return pa.list_(pa.field("element", curated_type(kind.value_type, f"{path}.element", table)))
    plain = _plain(kind)
    if plain is None:
        raise TableSchemaError(table, f"column {path!r} is {kind}, which Iceberg cannot hold")
    return plain


def _plain(kind: pa.DataType) -> pa.DataType | None:
    if kind in _PLAIN or pa.types.is_fixed_size_binary(kind):
        return kind
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", tz=None if kind.tz is None else "UTC")
    if pa.types.is_date64(kind):
        return pa.date32()
    if pa.types.is_time(kind):
        return _MICROSECONDS
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_decimal(kind) and kind.precision <= _MAX_PRECISION and 0 <= kind.scale <= kind.precision:
        return pa.decimal128(kind.precision, kind.scale)
    return None


def held_as_is(kind: pa.DataType) -> bool:
    """Say whether readers of the table take a file's column of this Arrow type without a rewrite.

    Milliseconds are fine (the Parquet type says so, and every reader converts); nanoseconds, other zones, small and
    unsigned integers and dictionaries are not: readers disagree about them.
    """
    if pa.types.is_struct(kind):
        return kind.num_fields > 0 and all(held_as_is(kind.field(i).type) for i in range(kind.num_fields))
    if pa.types.is_map(kind):
        return held_as_is(kind.key_type) and held_as_is(kind.item_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return held_as_is(kind.value_type)
    if pa.types.is_timestamp(kind):
        return kind.unit in ("ms", "us") and (kind.tz is None or kind.tz in UTC_NAMES)
    if isinstance(kind, pa.Decimal128Type):
        return _plain(kind) is not None
    large = pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
    return large or kind in _PLAIN or pa.types.is_fixed_size_binary(kind)


def clash(known: pa.DataType, new: pa.DataType, path: str) -> str | None:
    """Say why a column of the table cannot become ``new``, which it may only widen to or be wider than already.

    >>> clash(pa.int64(), pa.int32(), "n") is None, clash(pa.int32(), pa.float64(), "n")
    (True, "column 'n' is int32 in the table and double in the contract; Iceberg does not widen the one to the other")
    """
    if known == new or (known, new) in _WIDER or (new, known) in _WIDER:
        return None
    if pa.types.is_decimal(known) and pa.types.is_decimal(new) and known.scale == new.scale:
        return None
    pairs = _children(known, new, path)
    if pairs is None:
        return (
            f"column {path!r} is {known} in the table and {new} in the contract; "
            "Iceberg does not widen the one to the other"
        )
    return next((what for one, other, below in pairs if (what := clash(one, other, below))), None)


def widens(known: pa.DataType, new: pa.DataType) -> bool:
    """Say whether ``new``, which does not clash with ``known``, is the wider of the two somewhere.

    >>> widens(pa.int32(), pa.int64()), widens(pa.int64(), pa.int32())
    (True, False)
    """
    if (known, new) in _WIDER:
        return True
    if pa.types.is_decimal(known) and pa.types.is_decimal(new):
        return bool(new.precision > known.precision)
    return any(widens(one, other) for one, other, _ in _children(known, new, "") or ())


def parquet_paths(schema: pa.Schema) -> Iterator[str]:
    """Yield the path of every leaf as Parquet files that follow the format name it; name mappings count on it."""
    for field in schema:
        yield from _paths(field.type, field.name)


def _paths(kind: pa.DataType, path: str) -> Iterator[str]:
    if pa.types.is_struct(kind):
        for i in range(kind.num_fields):
            yield from _paths(kind.field(i).type, f"{path}.{kind.field(i).name}")
    elif pa.types.is_map(kind):
        yield from _paths(kind.key_type, f"{path}.key_value.key")
        yield from _paths(kind.item_type, f"{path}.key_value.value")
    elif _is_list(kind):
        yield from _paths(kind.value_type, f"{path}.list.element")
    else:
        yield path


def _is_list(kind: pa.DataType) -> bool:
    is_of = pa.types
    some = is_of.is_list(kind) or is_of.is_large_list(kind) or is_of.is_fixed_size_list(kind)
    return bool(some or is_of.is_list_view(kind) or is_of.is_large_list_view(kind))


def _children(one: pa.DataType, other: pa.DataType, path: str) -> list[tuple[pa.DataType, pa.DataType, str]] | None:
    """The pairs below two nested types of one kind that have one name in both; None where the kinds differ."""
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        known = {one.field(i).name: one.field(i).type for i in range(one.num_fields)}
        fields = [other.field(i) for i in range(other.num_fields)]
        return [(known[f.name], f.type, f"{path}.{f.name}") for f in fields if f.name in known]
    if pa.types.is_map(one) and pa.types.is_map(other):
        return [(one.key_type, other.key_type, f"{path}.key"), (one.item_type, other.item_type, f"{path}.value")]
    if _is_list(one) and _is_list(other):
        return [(one.value_type, other.value_type, f"{path}.element")]
    return None
