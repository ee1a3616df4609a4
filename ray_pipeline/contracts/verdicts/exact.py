"""The slow, exact reading of one record: big integers, doubled keys, literals as they were written.

``orjson`` rounds integers past 64 bits to doubles and keeps the last of two equal keys. The few records where this
could matter are read here, by Python's own ``json``, made as strict as ``orjson``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import numpy as np

LONGEST = 4300
"""Digits of a number, written out. Beyond it lies arithmetic that takes longer than the rest of the batch."""

_EXACT_DOUBLES = 2**53
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_DECIMAL = re.compile(rb"-?[0-9]+(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class NumberTooLongError(ValueError):
    """A number that would take more than ``LONGEST`` digits to write out."""


class Doubled(dict[str, Any]):
    """An object that names a key twice."""

    keys_twice: tuple[str, ...] = ()


_CONTAINERS = frozenset((dict, list, Doubled))


class Literal(str):
    """A number as it was written."""

    __slots__ = ()


def read(text: str, *, whole: bool = True) -> Any:
    """Read with exact integers and, where a double would be infinite, exact decimals.

    With ``whole`` 1e18 is an integer, too; draft 4 says that it is none. Raises ValueError for what is no JSON text.
    """
    value = json.loads(
        text,
        parse_int=_integer,
        parse_float=_number if whole else _fraction,
        parse_constant=_no_constant,
    )
    if _SURROGATE.search(text):
        json.dumps(value, ensure_ascii=False, default=str).encode()  # raises for a lone one
    return value


def read_literals(text: str) -> Any:
    """Read a text that is known to be sound, with its numbers as ``Literal``."""
    return json.loads(text, parse_int=Literal, parse_float=Literal)


def doubled_keys(text: str) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield the path of each object that names a key twice in a sound text, and the key."""
    root = json.loads(text, object_pairs_hook=_object)
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), root)] if root.__class__ in _CONTAINERS else []
    while waiting:
        path, node = waiting.pop()
        if node.__class__ is Doubled:
            yield from ((path, key) for key in node.keys_twice)
        members = enumerate(node) if node.__class__ is list else node.items()
        waiting.extend([((*path, step), item) for step, item in members if item.__class__ in _CONTAINERS])


def depth(text: bytes) -> int:
    """Return how deep the brackets outside strings nest, sound JSON or not, without recursion.

    >>> depth(b'{"a":[["[[["]]}'), depth(b"[" * 100_000)
    (3, 100000)
    """
    brackets = np.frombuffer(_STRING.sub(b"", text), np.uint8) | np.uint8(0x20)
    steps = (brackets == ord("{")).astype(np.int32) - (brackets == ord("}"))
    return int(np.cumsum(steps).max(initial=0))


def _integer(literal: str) -> int:
    if len(literal) > LONGEST:
        raise NumberTooLongError
    return int(literal)


def _number(literal: str) -> float | int | Decimal:
    """A double, like everywhere; but exact where the double is infinite or a rounded integer."""
    value = float(literal)
    if abs(value) < _EXACT_DOUBLES:  # 2^53 itself may stand for 2^53 + 1
        return value
    exact = decimal(literal)
    if exact == exact.to_integral_value() and abs(value) != float("inf"):
        return int(exact)
    return exact if abs(value) == float("inf") else value


def _fraction(literal: str) -> float | Decimal:
    value = float(literal)
    return decimal(literal) if abs(value) == float("inf") else value


def has_rounded_integers(text: bytes) -> bool:
    """Say whether an integer may be written as a decimal that a double rounds.

    >>> has_rounded_integers(b'[9007199254740993.0]'), has_rounded_integers(b'[1.0, 1e18, 0.1]')
    (True, False)
    """
    return any(_is_rounded(match.group().decode()) for match in _DECIMAL.finditer(text))


def _is_rounded(literal: str) -> bool:
    value = float(literal)
    if abs(value) < _EXACT_DOUBLES:
        return False
    try:
        return decimal(literal) != Decimal(value)
    except NumberTooLongError:
        return False


def decimal(literal: str) -> Decimal:
    """Return what a literal says, exactly."""
    try:
        exact = Decimal(literal)
    except InvalidOperation as error:  # an exponent past 10^18
        raise NumberTooLongError from error
    if not exact.is_finite() or exact.adjusted() > LONGEST:
        raise NumberTooLongError
    return exact


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    twice = tuple(dict.fromkeys(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    doubled = Doubled(found)
    doubled.keys_twice = twice
    return doubled


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
