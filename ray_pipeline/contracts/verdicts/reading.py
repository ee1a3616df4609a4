"""``pyarrow.json`` over many records at once, asked so that what it answers is exact.

Three ways, from fast to slow. *Strict*: the columns as they are. *Loose*: integers as doubles, for blocks where some
are written ``1.0`` or ``1e3``; exact, because a record with a number of more than 15 digits is kept out, and a result
past 2^53 is not believed. Both leave ``_extra`` away, so a key that an open contract does not name makes them fail.
*Full*: the whole read schema, for records that were converted one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as paj

from ray_pipeline.contracts.arrow import read_schema
from ray_pipeline.contracts.shape import EXTRA, Field, Integer, Json, ListOf, Number, Record, RootShape, Shape

from .convert import holds

_EXACT_DOUBLES: Final = 2**53


class Reader:
    """Reads texts of one shape; every method returns None where Arrow will not read them, or not exactly."""

    def __init__(self, shape: RootShape) -> None:
        self._shape = shape
        self._full = read_schema(shape)
        self._strict = read_schema(_without_extra(shape))
        self._loose = read_schema(_with_doubles(_without_extra(shape)))
        self.is_direct = not holds(shape, Json) and not _names_extra(shape)
        """Whether records can be read as they came at all."""
        self.has_integers = holds(shape, Integer)

    def full(self, texts: Sequence[bytes]) -> pa.Table | None:
        """Read converted records."""
        return _read(texts, self._full)

    def strict(self, texts: Sequence[bytes]) -> pa.Table | None:
        """Read records as they came."""
        table = _read(texts, self._strict)
        return None if table is None else self._completed(table)

    def loose(self, texts: Sequence[bytes]) -> pa.Table | None:
        """Read records as they came, none of which holds a long number."""
        table = _read(texts, self._loose)
        if table is None or not all(map(_is_exact, _integers(table, self._shape))):
            return None
        try:
            return self._completed(table)
        except pa.ArrowInvalid:  # a fraction, or past 32 bits
            return None

    def _completed(self, table: pa.Table) -> pa.Table:
        if isinstance(self._shape, Record) and self._shape.open:
            table = table.append_column(EXTRA, pa.nulls(table.num_rows, pa.string()))
        return table if table.schema == self._full else table.cast(self._full)


def _read(texts: Sequence[bytes], schema: pa.Schema) -> pa.Table | None:
    if not texts:
        return schema.empty_table()
    joined = b"\n".join(texts)
    try:
        table = paj.read_json(
            pa.BufferReader(joined),
            read_options=paj.ReadOptions(use_threads=False, block_size=len(joined) + 1),
            parse_options=paj.ParseOptions(
                explicit_schema=schema, newlines_in_values=True, unexpected_field_behavior="error"
            ),
        )
    except pa.ArrowInvalid:
        return None
    return table if table.num_rows == len(texts) else None


def _integers(table: pa.Table, shape: RootShape) -> Iterator[pa.Array]:
    """Yield the columns of doubles that are to be integers, nested ones too."""
    if isinstance(shape, Record):
        for column, field in zip(table.columns, shape.fields, strict=False):
            for chunk in column.chunks:
                yield from _leaves(chunk, field.shape)


def _leaves(array: pa.Array, shape: Shape) -> Iterator[pa.Array]:
    match shape:
        case Integer():
            yield array
        case ListOf(items=items):
            yield from _leaves(array.flatten(), items)
        case Record(fields=fields):
            for child, field in zip(array.flatten(), fields, strict=False):
                yield from _leaves(child, field.shape)


def _is_exact(doubles: pa.Array) -> bool:
    ends = pc.min_max(doubles).as_py()
    return ends["min"] is None or (ends["min"] >= -_EXACT_DOUBLES and ends["max"] <= _EXACT_DOUBLES)


def _without_extra(shape: RootShape) -> RootShape:
    closed = _closed(shape)
    assert isinstance(closed, Record | Json)
    return closed


def _closed(shape: Shape) -> Shape:
    match shape:
        case ListOf(items=items):
            return ListOf(_closed(items))
        case Record(fields=fields):
            return Record(tuple(Field(field.name, _closed(field.shape)) for field in fields))
        case _:
            return shape


def _with_doubles(shape: RootShape) -> RootShape:
    loose = _doubled(shape)
    assert isinstance(loose, Record | Json)
    return loose


def _doubled(shape: Shape) -> Shape:
    match shape:
        case Integer():
            return Number()
        case ListOf(items=items):
            return ListOf(_doubled(items))
        case Record(fields=fields):
            return Record(tuple(Field(field.name, _doubled(field.shape)) for field in fields))
        case _:
            return shape


def _names_extra(shape: Shape) -> bool:
    """Whether a field is called ``_extra`` itself; then only conversion tells the two apart."""
    match shape:
        case ListOf(items=items):
            return _names_extra(items)
        case Record(fields=fields):
            return any(field.name == EXTRA or _names_extra(field.shape) for field in fields)
        case _:
            return False
