"""The two Arrow schemas of a shape: one for ``pyarrow.json`` to read, one to land."""

from __future__ import annotations

import pyarrow as pa

from ray_pipeline.contracts.shape import (
    EXTRA,
    VALUE,
    Boolean,
    Date,
    Integer,
    Json,
    ListOf,
    Number,
    Record,
    RootShape,
    Shape,
    Text,
    Timestamp,
)

LANDED_TIMESTAMP = pa.timestamp("us", tz="UTC")


def landing_schema(shape: RootShape) -> pa.Schema:
    """Return the columns that a record lands in, without ours (``_topic`` and so on).

    >>> from ray_pipeline.contracts.shape import Field
    >>> landing_schema(Record((Field("at", Timestamp()), Field("qty", Integer(32))), open=True))
    at: timestamp[us, tz=UTC]
    qty: int32
    _extra: string
    """
    return _schema(shape, landing=True)


def read_schema(shape: RootShape) -> pa.Schema:
    """Return what ``pyarrow.json`` reads: as it lands, but dates and times are still strings.

    ``pyarrow.json`` cannot read a date, refuses two of RFC 3339's spellings of a time (lower-case ``t`` and ``z``)
    and takes a time without zone for UTC; so they are cast afterwards, under our rules.
    """
    return _schema(shape, landing=False)


def _schema(shape: RootShape, landing: bool) -> pa.Schema:
    if isinstance(shape, Json):
        return pa.schema([pa.field(VALUE, pa.string())])
    return pa.schema(_fields(shape, landing))


def _fields(record: Record, landing: bool) -> list[pa.Field]:
    fields = [pa.field(field.name, _type(field.shape, landing)) for field in record.fields]
    if record.open:
        fields.append(pa.field(EXTRA, pa.string()))
    return fields


def _type(shape: Shape, landing: bool) -> pa.DataType:
    match shape:
        case Text() | Json():
            return pa.string()
        case Integer(bits=bits):
            return pa.int32() if bits == 32 else pa.int64()
        case Number():
            return pa.float64()
        case Boolean():
            return pa.bool_()
        case Date():
            return pa.date32() if landing else pa.string()
        case Timestamp():
            return LANDED_TIMESTAMP if landing else pa.string()
        case ListOf(items=items):
            return pa.list_(_type(items, landing))
        case Record():
            return pa.struct(_fields(shape, landing))
