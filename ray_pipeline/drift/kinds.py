"""What a column of any Arrow type is to a comparison: a number, a category, a flag, or nothing that is compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .values import Ints, as_arrow, as_texts

NUMBER, CATEGORY, FLAG = "number", "category", "flag"
EMPTY = "empty"
"""Arrow's type of nulls: it goes with any kind."""


class IncomparableError(ValueError):
    """A column that is not compared; the message says why, and goes on after its name."""


def kind_of_type(found: pa.DataType) -> str:
    """Return number, category, flag or empty; ``IncomparableError`` where there is nothing to count.

    >>> kind_of_type(pa.int64()), kind_of_type(pa.dictionary(pa.int8(), pa.string())), kind_of_type(pa.bool_())
    ('number', 'category', 'flag')
    """
    types = pa.types
    if types.is_dictionary(found):
        return kind_of_type(found.value_type)
    if types.is_boolean(found):
        return FLAG
    if types.is_integer(found) or types.is_floating(found) or types.is_decimal(found):
        return NUMBER
    if types.is_duration(found) or types.is_time(found):
        return NUMBER
    if types.is_string(found) or types.is_large_string(found) or found == pa.string_view():
        return CATEGORY
    if types.is_null(found):
        return EMPTY
    if types.is_timestamp(found) or types.is_date(found):
        raise IncomparableError("is a date or a timestamp: of two tables of different days, all are different")
    if types.is_nested(found):
        raise IncomparableError(f"is nested ({_short(found)}); give its fields columns of their own")
    raise IncomparableError(f"is {_short(found)}, which is neither a number nor a category nor a flag")


def common_kind(reference: pa.DataType, current: pa.DataType, told: str | None = None) -> str:
    """Return as what a column of two tables is compared; ``told`` is what a contract says, and is held to."""
    before, after = kind_of_type(reference), kind_of_type(current)
    if told is not None:
        for side, found in (("reference", before), ("current table", after)):
            if found not in _TAKES.get(told, ()):
                raise IncomparableError(f"is a {told} by its contract, and a {found} in the {side}")
        return told
    if before == after or after == EMPTY:
        return CATEGORY if before == EMPTY else before
    if before == EMPTY:
        return after
    if {before, after} == {FLAG, NUMBER}:
        return NUMBER
    raise IncomparableError(f"is a {before} in the reference and a {after} in the current table")


def common_columns(
    reference: pa.Schema, current: pa.Schema, told: Mapping[str, str] | None, without: Sequence[str] = ()
) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the columns to compare with their kinds, in the reference's order, and a sentence on each other one."""
    found: list[tuple[str, str]] = []
    notices: list[str] = []
    names = list(dict.fromkeys([*reference.names, *current.names, *(told or ())]))
    for name in names:
        here, there = name in reference.names, name in current.names
        if name in without:
            continue
        if told is not None and name not in told:
            notices.append(f"{name} is not compared: to its contract it is no number, category or flag, or it is a key")
        elif here and there:
            try:
                kind = common_kind(reference.field(name).type, current.field(name).type, (told or {}).get(name))
            except IncomparableError as error:
                notices.append(f"{name} is not compared: it {error}")
            else:
                found.append((name, kind))
        else:
            places = {(True, False): "the reference only", (False, True): "the current table only"}
            notices.append(f"{name} is not compared: it is in {places.get((here, there), 'neither table')}")
    return found, notices


@dataclass(frozen=True, eq=False, slots=True)
class Coded:
    """Categories as codes: a text that is there a million times is held once."""

    codes: Ints
    """For each row its place in ``texts``; -1 where there is no value."""
    texts: tuple[str, ...]
    """Each once."""


def coded(values: pa.Array | pa.ChunkedArray) -> Coded:
    """Return categories as codes; booleans are ``true`` and ``false``, numbers are their digits.

    >>> found = coded(pa.chunked_array([["UA", None], ["AA", "UA"]]))
    >>> found.codes.tolist(), found.texts
    ([0, -1, 1, 0], ('UA', 'AA'))
    """
    chunked = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
    if not pa.types.is_dictionary(chunked.type):
        chunked = pa.chunked_array([as_texts(chunked)]).dictionary_encode()
    chunks = chunked.unify_dictionaries().chunks
    if not chunks:
        return Coded(np.zeros(0, np.int64), ())
    given = as_texts(chunks[0].dictionary).to_pylist()
    texts = tuple(dict.fromkeys(text for text in given if text is not None))
    place = {text: index for index, text in enumerate(texts)}
    codes = np.concatenate([_indices(chunk) for chunk in chunks])
    to_text = np.array([*(-1 if text is None else place[text] for text in given), -1], np.int64)
    return Coded(to_text[codes], texts)


def _indices(chunk: pa.DictionaryArray) -> Ints:
    """Return the codes of one chunk; -1, the last of all, for null."""
    found: Ints = pc.cast(chunk.indices, pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    return found


def plain(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return one array without a dictionary; durations and times of day as their numbers."""
    if pa.types.is_dictionary(values.type):
        values = pc.cast(values, values.type.value_type)
    found = as_arrow(values)
    if pa.types.is_duration(found.type) or pa.types.is_time64(found.type):
        return pc.cast(found, pa.int64())
    return pc.cast(found, pa.int32()) if pa.types.is_time32(found.type) else found


_TAKES = {
    NUMBER: (NUMBER, FLAG, EMPTY),
    CATEGORY: (CATEGORY, NUMBER, FLAG, EMPTY),
    FLAG: (FLAG, NUMBER, EMPTY),
}


def _short(found: pa.DataType) -> str:
    text = str(found)
    return text if len(text) <= 40 else text[:37] + "..."
