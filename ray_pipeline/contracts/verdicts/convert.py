"""One record at a time: from its parsed value to the plain JSON that Arrow reads as the same thing.

Needed where Arrow would refuse a valid record (``1.0`` for an integer), would round it (an integer past 2^53 among
doubles), or has no type for it (JSON text columns, keys that an open contract does not name). It works on what
``orjson`` parsed, or on ``Literal`` numbers where a double would not do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

import orjson

from ray_pipeline.contracts.shape import (
    EXTRA,
    Boolean,
    Date,
    Integer,
    Json,
    ListOf,
    Number,
    Record,
    Shape,
    Text,
    Timestamp,
)

from . import codes, exact
from .times import RefusedTimeError, days_of, microseconds_of

Converter = Callable[[Any], Any]
Refusal = tuple[tuple[str | int, ...], str, str]
"""Where in the record, a code of ours, and a message."""

_EXACT_DOUBLES: Final = 2**53
_INFINITY: Final = float("inf")


class RefusedError(ValueError):
    """A value that its column cannot hold unchanged; ``args`` are a code of ours and a message."""


class LiteralNeededError(Exception):
    """A double that may not be the number that was written: read the record again, with literals."""


def converter(shape: Shape) -> Converter | None:
    """Compile the conversion of non-null values of a shape; None where they stay as they are."""
    match shape:
        case Integer(bits=bits):
            return _integer(bits)
        case Number():
            return number
        case Json():
            return json_text
        case ListOf(items=items):
            inner = converter(items)
            return None if inner is None else _list(inner)
        case Record():
            return _record(shape)
        case _:
            return None


def admits(shape: Shape) -> Callable[[Any], bool]:
    """Compile the question whether Arrow reads a parsed value of this shape as it is, exactly.

    Only for shapes without JSON text and open records; what else Arrow can read is the schema's to promise.
    """
    match shape:
        case Integer(bits=bits):
            low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
            return lambda value: value.__class__ is int and low <= value <= high
        case Number():
            return lambda value: (
                value.__class__ is float or (value.__class__ is int and -_EXACT_DOUBLES <= value <= _EXACT_DOUBLES)
            )
        case ListOf(items=items):
            item_admitted = admits(items)
            return lambda value: value.__class__ is list and all(item is None or item_admitted(item) for item in value)
        case Record(fields=fields):
            parts = [(field.name, admits(field.shape)) for field in fields if _numeric(field.shape)]

            def admitted(record: Any) -> bool:
                if record.__class__ is not dict:
                    return False
                for name, part in parts:
                    value = record.get(name)
                    if value is not None and not part(value):
                        return False
                return True

            return admitted
        case _:
            return lambda _: True


def needs_conversion(shape: Shape) -> bool:
    """Whether Arrow cannot read the records of this shape as they are."""
    match shape:
        case Json() | Record(open=True):
            return True
        case ListOf(items=items):
            return needs_conversion(items)
        case Record(fields=fields):
            return any(needs_conversion(field.shape) for field in fields)
        case _:
            return False


def holds_open(shape: Shape) -> bool:
    """Whether some record in it keeps keys that it does not name."""
    match shape:
        case Record(fields=fields, open=is_open):
            return is_open or any(holds_open(field.shape) for field in fields)
        case ListOf(items=items):
            return holds_open(items)
        case _:
            return False


def holds(shape: Shape, kind: type[Shape]) -> bool:
    """Whether a shape of this kind is somewhere in it."""
    match shape:
        case ListOf(items=items):
            return holds(items, kind)
        case Record(fields=fields):
            return any(holds(field.shape, kind) for field in fields)
        case _:
            return isinstance(shape, kind)


def refusals(shape: Shape, value: Any, path: tuple[str | int, ...], *, truncate: bool) -> Iterator[Refusal]:
    """Yield every reason why a record, read with literals, cannot land."""
    if value is None:
        return
    match shape:
        case Record(fields=fields) if isinstance(value, dict):
            for field in fields:
                yield from refusals(field.shape, value.get(field.name), (*path, field.name), truncate=truncate)
        case ListOf(items=items) if isinstance(value, list):
            for index, item in enumerate(value):
                yield from refusals(items, item, (*path, index), truncate=truncate)
        case _:
            try:
                _check(shape, value, truncate=truncate)
            except (RefusedError, RefusedTimeError) as refused:
                yield path, refused.args[0], refused.args[1]


def json_text(value: Any) -> str:
    """Write a parsed value as JSON text; literals stay as they were written."""
    try:
        return orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_SUBCLASS).decode()
    except TypeError:  # there is a literal in it
        return _text(value)


def number(value: Any) -> float:
    """Return the double that says exactly what an integer literal says, or the nearest to a decimal one."""
    if value.__class__ is float:
        return float(value)
    if value.__class__ is exact.Literal:
        if not value.lstrip("-").isdigit():
            return _finite(float(value))
        if value == "-0":
            return -0.0  # as Arrow reads it
        value = int(value) if len(value) <= exact.LONGEST else _INFINITY
    elif value.__class__ is not int:
        raise RefusedError(codes.MISMATCH, "not a number")
    try:
        double = float(value)
    except OverflowError:
        double = _INFINITY
    if _finite(double) != value:
        raise RefusedError(codes.INEXACT, "an integer that a double cannot hold")
    return double


def _finite(double: float) -> float:
    if abs(double) == _INFINITY:
        raise RefusedError(codes.OVERFLOW, "a number outside the range of doubles")
    return double


def _integer(bits: int) -> Converter:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def convert(value: Any) -> int:
        if value.__class__ is float:
            if abs(value) > _EXACT_DOUBLES:
                raise LiteralNeededError
            if not value.is_integer():
                raise RefusedError(codes.INEXACT, "a fraction in an integer column")
            whole = int(value)
        elif value.__class__ is int:
            whole = value
        elif value.__class__ is exact.Literal:
            whole = _whole(value)
        else:
            raise RefusedError(codes.MISMATCH, "not an integer")
        if not low <= whole <= high:
            raise RefusedError(codes.OVERFLOW, f"an integer outside the range of {bits} bits")
        return whole

    return convert


def _whole(literal: str) -> int:
    try:
        decimal = exact.decimal(literal)
    except exact.NumberTooLongError:
        raise RefusedError(codes.OVERFLOW, "an integer outside the range of 64 bits") from None
    if decimal.adjusted() < -1 or decimal != decimal.to_integral_value():
        if not decimal:
            return 0
        raise RefusedError(codes.INEXACT, "a fraction in an integer column")
    return int(decimal)


def _list(inner: Converter) -> Converter:
    def convert(value: Any) -> list[Any]:
        if value.__class__ is not list:
            raise RefusedError(codes.MISMATCH, "not an array")
        return [None if item is None else inner(item) for item in value]

    return convert


def _record(shape: Record) -> Converter:
    active = [(field.name, inner) for field in shape.fields if (inner := converter(field.shape)) is not None]
    named = frozenset(field.name for field in shape.fields)
    is_open = shape.open

    def convert(record: Any) -> dict[str, Any]:
        if record.__class__ is not dict:
            raise RefusedError(codes.MISMATCH, "not an object")
        extras = {key: record.pop(key) for key in [*record] if key not in named} if is_open else None
        for name, inner in active:
            value = record.get(name)
            if value is not None:
                record[name] = inner(value)
        if extras:
            record[EXTRA] = json_text(extras)
        found: dict[str, Any] = record
        return found

    return convert


def _numeric(shape: Shape) -> bool:
    return holds(shape, Integer) or holds(shape, Number)


def _check(shape: Shape, value: Any, *, truncate: bool) -> None:
    kind: Literal["text", "boolean"] | None = None
    match shape:
        case Timestamp(local_zone=zone) if type(value) is str:
            microseconds_of(value, zone, truncate=truncate)
        case Date() if type(value) is str:
            days_of(value)
        case Text() | Timestamp() | Date():
            kind = "text"
        case Boolean():
            kind = "boolean"
        case _:
            convert = converter(shape)
            if convert is not None:
                convert(value)
    if (kind == "text" and type(value) is not str) or (kind == "boolean" and not isinstance(value, bool)):
        raise RefusedError(codes.MISMATCH, f"not a {kind}")


def _text(value: Any) -> str:
    if isinstance(value, exact.Literal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_text(key)}:{_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    return orjson.dumps(value).decode()
