"""Columns of a file that our ingest did not write, as the contract lands them: nothing is converted with a loss.

Writers differ in how they spell one and the same value: a long or a short integer, a text with 32 or 64 bits of offset
or as a dictionary, a moment in any unit and zone. Those are accepted. Another type is a problem of the file, and so is
a value that the contract's type cannot hold. A moment without a zone is no moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from ray_pipeline.contracts.model import DataContract
from ray_pipeline.contracts.shape import OUR_COLUMNS, Record
from ray_pipeline.errors import FileCorruptError
from ray_pipeline.lake.rows import TIMESTAMP

_TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
ORDER = {"_partition": pa.int32(), "_offset": pa.int64(), "_timestamp": TIMESTAMP}
"""Columns of ours that say in which order rows came."""


@dataclass(frozen=True, slots=True)
class FileColumns:
    """What of a file's columns is read, and what is worth saying about the others."""

    known: tuple[str, ...]
    """Columns of the contract that the file has, in the contract's order."""
    forbidden: tuple[str, ...]
    """Columns that the contract, which is closed, does not know: a row with a value there breaks it."""
    unknown: tuple[str, ...]
    """Dotted paths that the contract does not know and does not forbid; nobody looks at them."""
    missing: tuple[str, ...]
    """Columns of the contract that the file does not have."""
    ours: tuple[str, ...]
    """What ingest writes beside a row, where the file has all of it: which of two equal keys came first, and when."""


def columns_of(there: pa.Schema, contract: DataContract, name: str) -> FileColumns:
    """Compare a file's schema with the contract's; raise ``FileCorruptError`` for a column that cannot be judged."""
    wanted = contract.landing_schema
    twice = sorted({one for one in there.names if there.names.count(one) > 1})
    if twice:
        raise FileCorruptError(name, f"has column {twice[0]!r} twice")
    for field in wanted:
        if field.name in there.names and (why := _refusal(there.field(field.name).type, field.type)) is not None:
            raise FileCorruptError(name, f"column {field.name!r} {why}")
    is_open = not isinstance(contract.shape, Record) or contract.shape.open
    strange = [one for one in there.names if one not in wanted.names and one not in OUR_COLUMNS]
    inside = [
        path
        for field in wanted
        if field.name in there.names
        for path in _unknown(field.name, there.field(field.name).type, field.type)
    ]
    return FileColumns(
        tuple(one for one in wanted.names if one in there.names),
        () if is_open else tuple(strange),
        (*(strange if is_open else ()), *inside),
        tuple(one for one in wanted.names if one not in there.names and not one.startswith("_")),
        tuple(ORDER)
        if all(one in there.names and there.field(one).type == kind for one, kind in ORDER.items())
        else (),
    )


def as_landed(batch: pa.Table, schema: pa.Schema, name: str, *, truncate: bool) -> pa.Table:
    """Return the rows with exactly these columns; null where the file has none.

    ``truncate`` cuts moments finer than a microsecond off, where the contract allows it. Raises ``FileCorruptError``,
    which names the column and no value, where a value does not fit.
    """
    columns = []
    for field in schema:
        if field.name not in batch.column_names:
            columns.append(pa.chunked_array([pa.nulls(batch.num_rows, field.type)]))
            continue
        column = batch.column(field.name)
        try:
            chunks = [_array(chunk, field.type, truncate) for chunk in column.chunks]
        except pa.ArrowException:
            why = f"is {_plain(column.type)} in it, and holds values that {field.type} cannot hold without a loss"
            raise FileCorruptError(name, f"column {field.name!r} {why}") from None
        columns.append(pa.chunked_array(chunks, field.type))
    return pa.table(columns, schema=schema)


def _refusal(there: pa.DataType, wanted: pa.DataType) -> str | None:
    """Return why a column is not to be read as the contract's type, whatever is in it."""
    there = _plain(there)
    if there == wanted or pa.types.is_null(there) or _is_same_kind(there, wanted):
        return None
    if _is_any(there, _LISTS) and pa.types.is_list(wanted):
        return _refusal(there.value_type, wanted.value_type)
    if pa.types.is_struct(there) and pa.types.is_struct(wanted):
        names = [there.field(i).name for i in range(there.num_fields)]
        if len(names) != len(set(names)):
            return "has a member twice"
        known = {there.field(i).name: there.field(i).type for i in range(there.num_fields)}
        found = [_refusal(known[field.name], field.type) for field in wanted if field.name in known]
        return next((why for why in found if why is not None), None)
    if pa.types.is_timestamp(there) and pa.types.is_timestamp(wanted):
        return f"is {there} in it, without a zone; write moments with their zone, as {wanted}"
    return f"is {there} in it, and {wanted} by the contract"


def _is_same_kind(there: pa.DataType, wanted: pa.DataType) -> bool:
    """Say whether both hold the same values, as far as they fit."""
    if pa.types.is_string(wanted):
        return _is_any(there, _TEXT)
    if pa.types.is_integer(wanted):
        return bool(pa.types.is_integer(there))
    if pa.types.is_floating(wanted):
        return bool(pa.types.is_integer(there) or pa.types.is_floating(there))
    if pa.types.is_date(wanted):
        return bool(pa.types.is_date(there))
    return bool(pa.types.is_timestamp(wanted) and pa.types.is_timestamp(there) and there.tz is not None)


def _array(array: pa.Array, kind: pa.DataType, truncate: bool) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if array.type == kind:
        return array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), kind)
    if pa.types.is_struct(kind):
        there = {array.type.field(i).name: child for i, child in enumerate(array.flatten())}
        members = [
            _array(there[field.name], field.type, truncate) if field.name in there else pa.nulls(len(array), field.type)
            for field in kind
        ]
        return pa.StructArray.from_arrays(members, fields=list(kind), mask=array.is_null())
    if pa.types.is_list(kind):
        array = array.cast(pa.list_(array.type.value_type))
        array = pa.concat_arrays([array.slice(0, 0), array])  # from_arrays takes no mask over a slice
        mask = array.is_null() if array.null_count else None
        return pa.ListArray.from_arrays(array.offsets, _array(array.values, kind.value_type, truncate), kind, mask=mask)
    return array.cast(kind, safe=not (truncate and pa.types.is_timestamp(kind)))


def _unknown(path: str, there: pa.DataType, wanted: pa.DataType) -> Iterator[str]:
    there = _plain(there)
    if _is_any(there, _LISTS) and pa.types.is_list(wanted):
        yield from _unknown(path, there.value_type, wanted.value_type)
    if pa.types.is_struct(there) and pa.types.is_struct(wanted):
        known = {field.name: field.type for field in wanted}
        for i in range(there.num_fields):
            field = there.field(i)
            if field.name in known:
                yield from _unknown(f"{path}.{field.name}", field.type, known[field.name])
            else:
                yield f"{path}.{field.name}"


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_any(kind: pa.DataType, tests: Sequence[object]) -> bool:
    return any(callable(test) and test(kind) for test in tests)
