"""Read a state back, believing nothing: whatever is not as it was written is a ``ValueError``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .flagged import EXAMPLES, FlaggedRows
from .measure import Array, State


def same_state(one: State, other: State) -> bool:
    """Whether two states are equal byte for byte."""
    return (
        one.values == other.values
        and one.arrays.keys() == other.arrays.keys()
        and all(_same(array, other.arrays[name]) for name, array in one.arrays.items())
    )


def whole(state: State, name: str, least: int | None = 0) -> int:
    """Return an integer that is at least ``least``."""
    return _whole(_member(state, name), name, least)


def whole_or_none(state: State, name: str, least: int | None = None) -> int | None:
    """Return an integer, or None."""
    value = _member(state, name)
    return None if value is None else _whole(value, name, least)


def flag(state: State, name: str) -> bool:
    """Return a bool."""
    value = _member(state, name)
    if not isinstance(value, bool):
        raise ValueError(f"{name} is not true or false")  # noqa: TRY004
    return value


def text(state: State, name: str) -> str:
    """Return a text."""
    value = _member(state, name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is not a text")  # noqa: TRY004
    return value


def numbers(state: State, name: str, dtype: str, length: int | None = None) -> Array:
    """Return an array of exactly this type, and of this length where one is given."""
    array = state.arrays.get(name)
    if array is None or array.dtype != np.dtype(dtype) or array.ndim != 1:
        raise ValueError(f"{name} is not an array of {dtype}")
    if length is not None and len(array) != length:
        raise ValueError(f"{name} has {len(array)} numbers and not {length}")
    return array


def ascending(array: Array, name: str) -> Array:
    """Return the array; each number must be higher than the one before."""
    if len(array) > 1 and not bool(np.all(array[1:] > array[:-1])):
        raise ValueError(f"{name} does not ascend")
    return array


def adds_up(counts: Array, total: int, name: str) -> None:
    """Refuse counts that are not all positive, or whose sum is another."""
    if len(counts) and int(counts.min()) <= 0:
        raise ValueError(f"{name} with a zero or a negative number")
    if sum(counts.tolist()) != total:  # Python's integers: a sum that wraps around would be believed
        raise ValueError(f"{name} do not add up")


def flagged_rows(state: State) -> FlaggedRows:
    """Return what a rule on rows saw."""
    rows, flagged = whole(state, "rows"), whole(state, "flagged")
    positions = ascending(numbers(state, "positions", "<i8"), "positions")
    if flagged > rows or len(positions) not in (0, flagged) or (len(positions) and positions[0] < 0):
        raise ValueError("flagged rows and their positions do not agree")
    examples = _member(state, "examples")
    if not isinstance(examples, list) or len(examples) > min(EXAMPLES, flagged):
        raise ValueError("more examples than rows")
    for example in examples:
        if not (isinstance(example, list) and [type(part) for part in example] == [str, int, int]):
            raise ValueError("an example is not a source, a partition and an offset")
    return FlaggedRows.load(state)


def _member(state: State, name: str) -> Any:
    if name not in state.values:
        raise ValueError(f"has no {name}")
    return state.values[name]


def _whole(value: Any, name: str, least: int | None) -> int:
    if type(value) is not int or (least is not None and value < least):
        raise ValueError(f"{name} is not a whole number of {least} or more")
    return value


def _same(one: Array, other: Array) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
