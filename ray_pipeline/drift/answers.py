"""Columns out of predictions: what a model saw when it answered, and what it answered.

The values are those that its training set had for the same question, so both are counted in the same bins: a number
that is not finite is missing, and a moment is the minutes from it to the moment asked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from .baseline import SCORE
from .values import Floats, Ints, as_arrow, as_floats, minutes_before

_MODEL, _ASKED, _REQUEST, _PROBABILITY, _FEATURES = "model", "occurred_at", "request", "probability", "features"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE_US = 60e6


@dataclass(frozen=True, eq=False, slots=True)
class Seen:
    """What is counted of some landed rows."""

    rows: int
    """How many of them are counted."""
    values: Mapping[str, Any]
    """Column → a value for each of these; what the rows have no column for is not there."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What one model version saw and said; answers of others are not counted.

    An answer that landed twice is counted twice: that it is the same one only all files together could say.
    """

    model: str
    version: int
    kinds: Mapping[str, str]
    """Column of the model → number (moments too), category or flag."""
    scored: bool

    @property
    def needs(self) -> tuple[str, ...]:
        """The fields of the event."""
        return (_MODEL, _ASKED, _REQUEST, _PROBABILITY, _FEATURES)

    def look(self, table: pa.Table) -> Seen:
        """Return every column of the model; one that an event does not tell is missing there."""
        if lacking := [name for name in self.needs if name not in table.column_names]:
            raise ValueError(f"predictions have a column {lacking[0]}, and these rows have none")
        mine = table.select(list(self.needs)).filter(self._mine(table)).combine_chunks()
        features = _Features(as_arrow(mine.column(_FEATURES)), as_arrow(mine.column(_ASKED)))
        request = _Requests(mine.column(_REQUEST), mine.column(_ASKED))
        found: dict[str, Any] = {}
        for name, kind in self.kinds.items():
            told, values = features.column(name, kind)
            # A feature goes before a value of the request that has its name, as it does to the model.
            found[name] = values if told is None else request.column(name, kind, values, told)
        if self.scored:
            found[SCORE] = mine.column(_PROBABILITY)
        return Seen(mine.num_rows, found)

    def _mine(self, table: pa.Table) -> pa.ChunkedArray:
        model = table.column(_MODEL)
        name = pc.equal(pc.struct_field(model, "name"), self.model)
        return pc.fill_null(pc.and_(name, pc.equal(pc.struct_field(model, "version"), self.version)), False)


class _Features:
    """The lists of features of many events, by name."""

    def __init__(self, lists: pa.Array, asked: pa.Array) -> None:
        self._rows, self._asked = len(lists), asked
        parents = pc.list_parent_indices(lists)
        self._parents: Ints = parents.to_numpy(zero_copy_only=False).astype(np.int64)
        items = pc.list_flatten(lists)
        self._fields = {one: pc.struct_field(items, one) for one in ("number", "text", "flag", "moment")}
        names = pc.struct_field(items, "name").dictionary_encode()
        self._known: dict[str, int] = {name: code for code, name in enumerate(names.dictionary.to_pylist())}
        self._codes: Ints = pc.fill_null(names.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)

    def column(self, name: str, kind: str) -> tuple[Any, Any]:
        """Return which events do not tell the feature (None: all do), and its value for each event."""
        places = np.full(self._rows, -1, np.int64)
        if name in self._known:
            at = np.flatnonzero(self._codes == self._known[name])
            places[self._parents[at]] = at  # the last of two, as when a dictionary is made of them
        untold = places < 0
        taken = pa.array(places, pa.int64(), mask=untold)
        return (untold if untold.any() else None), self._values(taken, kind)

    def _values(self, taken: pa.Array, kind: str) -> Any:
        if kind != "number":
            return self._fields["text" if kind == "category" else "flag"].take(taken)
        number = as_floats(self._fields["number"].take(taken))
        moments = self._fields["moment"].take(taken)
        if moments.null_count < len(moments):
            number = np.where(np.isnan(number), minutes_before(moments, self._asked), number)
        return _finite(number)


class _Requests:
    """What events were asked with, parsed when a column is first looked for."""

    def __init__(self, texts: pa.ChunkedArray, asked: pa.ChunkedArray) -> None:
        self._texts, self._asked = texts, asked
        self._parsed: list[Mapping[str, Any]] | None = None

    def column(self, name: str, kind: str, values: Any, untold: Any) -> Any:
        """Return a column with the values of the request in those events that do not tell it themselves."""
        said = [one.get(name) if missing else None for one, missing in zip(self._documents(), untold, strict=True)]
        if all(one is None for one in said):
            return values
        if kind == "category":
            texts = pa.array([one if isinstance(one, str) else None for one in said], pa.string())
            return pc.coalesce(as_arrow(values), texts)
        if kind == "flag":
            flags = pa.array([one if isinstance(one, bool) else None for one in said], pa.bool_())
            return pc.coalesce(as_arrow(values), flags)
        asked = pc.cast(as_arrow(self._asked), pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist()
        numbers = np.array([_number(one, at) for one, at in zip(said, asked, strict=True)], np.float64)
        return np.where(untold, _finite(numbers), values)

    def _documents(self) -> list[Mapping[str, Any]]:
        if self._parsed is None:
            self._parsed = [_document(text) for text in self._texts.to_pylist()]
        return self._parsed


def _document(text: str | None) -> Mapping[str, Any]:
    """Return the object that a text holds; an empty one where it holds none, so that its values are missing."""
    try:
        found = orjson.loads(text or "")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _number(said: Any, asked_us: int | None) -> float:
    """Return a number, or the minutes from a moment to the moment asked; NaN for anything else."""
    if isinstance(said, int | float):
        try:
            return float(said)
        except OverflowError:  # a whole number that no double holds
            return math.nan
    if not isinstance(said, str) or asked_us is None:
        return math.nan
    try:
        moment = datetime.fromisoformat(said)
    except ValueError:
        return math.nan
    if moment.tzinfo is None:
        return math.nan
    since = moment - _EPOCH
    return (asked_us - ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)) / _MINUTE_US


def _finite(numbers: Floats) -> Floats:
    return np.where(np.isfinite(numbers), numbers, np.nan)
