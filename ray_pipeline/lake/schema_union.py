"""Files of several contract versions as one table: columns meet by name, and nothing is converted in silence."""

from __future__ import annotations

import pyarrow as pa

from ray_pipeline.errors import FileCorruptError

_WIDER = {(pa.int32(), pa.int64()), (pa.int32(), pa.float64())}
"""Types whose every value the other one holds unchanged."""


def unite(schema: pa.Schema, other: pa.Schema, key: str) -> pa.Schema:
    """Return a schema that holds both: a column that one of them lacks is null there.

    Raises ``FileCorruptError``, which names the column, where the two cannot be one.

    >>> unite(pa.schema([("a", pa.int32())]), pa.schema([("a", pa.int64()), ("b", pa.string())]), "f")
    a: int64
    b: string
    """
    fields = {field.name: field for field in schema}
    for field in other:
        known = fields.get(field.name)
        kind = field.type if known is None else _common(known.type, field.type)
        if kind is None:
            raise FileCorruptError(
                key, f"column {field.name!r} is {field.type} here and {fields[field.name].type} in an earlier file"
            )
        fields[field.name] = pa.field(field.name, kind)
    return pa.schema(list(fields.values()))


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table with exactly these columns."""
    columns = [
        _conform(table.column(field.name), field.type)
        if field.name in table.column_names
        else pa.chunked_array([pa.nulls(table.num_rows, field.type)])
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def fits(there: pa.DataType, wanted: pa.DataType) -> bool:
    """Say whether ``conform`` makes ``wanted`` of it without changing a value; it leaves out what is not wanted.

    >>> fits(pa.struct([("a", pa.int32()), ("b", pa.string())]), pa.struct([("a", pa.int64())]))
    True
    """
    if there == wanted or (there, wanted) in _WIDER:
        return True
    if pa.types.is_list(there) and pa.types.is_list(wanted):
        return fits(there.value_type, wanted.value_type)
    if pa.types.is_struct(there) and pa.types.is_struct(wanted):
        known = {there.field(i).name: there.field(i).type for i in range(there.num_fields)}
        return all(fits(known[field.name], field.type) for field in wanted if field.name in known)
    return False


def _common(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if one == other or (other, one) in _WIDER:
        return one
    if (one, other) in _WIDER:
        return other
    if pa.types.is_list(one) and pa.types.is_list(other):
        items = _common(one.value_type, other.value_type)
        return None if items is None else pa.list_(items)
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        return _common_struct(one, other)
    return None


def _common_struct(one: pa.StructType, other: pa.StructType) -> pa.DataType | None:
    kinds: dict[str, pa.DataType] = {one.field(i).name: one.field(i).type for i in range(one.num_fields)}
    for i in range(other.num_fields):
        field = other.field(i)
        kind = _common(kinds[field.name], field.type) if field.name in kinds else field.type
        if kind is None:
            return None
        kinds[field.name] = kind
    return pa.struct([pa.field(name, kind) for name, kind in kinds.items()])


def _conform(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if column.type == kind:
        return column
    return pa.chunked_array([_array(chunk, kind) for chunk in column.chunks], kind)


def _array(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if array.type == kind:
        return array
    if pa.types.is_struct(kind):
        there = {array.type.field(i).name: child for i, child in enumerate(array.flatten())}
        members = [
            _array(there[field.name], field.type) if field.name in there else pa.nulls(len(array), field.type)
            for field in kind
        ]
        return pa.StructArray.from_arrays(members, fields=list(kind), mask=array.is_null())
    if pa.types.is_list(kind):
        mask = array.is_null() if array.null_count else None
        if array.offset or mask is not None:  # from_arrays takes no mask over a slice
            array = pa.concat_arrays([array.slice(0, 0), array])
            mask = array.is_null() if array.null_count else None
        return pa.ListArray.from_arrays(array.offsets, _array(array.values, kind.value_type), kind, mask=mask)
    return array.cast(kind)
