"""What an expression is over the columns of a dataset: found on an empty frame, before any event is there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from ray_pipeline.config.nearest import unknown
from ray_pipeline.features.fields import expression
from ray_pipeline.features.rowwise import not_row_by_row

_MISSING_FIELD = re.compile(r"\s*\"?(?P<name>[^\s\"]+)")


@dataclass(frozen=True, slots=True)
class Resolved:
    """An expression's type, and the columns it reads."""

    expression: pl.Expr
    dtype: pl.DataType
    columns: tuple[str, ...]


class Columns:
    """The columns of a dataset's events, as they land."""

    def __init__(self, schema: pa.Schema, owner: str = "the contract") -> None:
        self._owner = owner
        frame = pl.from_arrow(schema.empty_table())
        assert isinstance(frame, pl.DataFrame)
        self._frame = frame
        self.paths = tuple(_paths(frame.schema))

    def resolve(self, written: object) -> Resolved | str:
        """Return what ``written`` is, or say what is wrong with it."""
        if not isinstance(written, pl.Expr | str):
            return f"must be an expression or the path of a column, not {type(written).__name__}"
        if isinstance(written, str) and written not in self.paths:
            return self._no_column(written)
        return self._resolve(expression(written))

    def _resolve(self, made: pl.Expr) -> Resolved | str:
        try:
            names = made.meta.root_names()
            several = made.meta.has_multiple_outputs()
        except pl.exceptions.PolarsError as error:
            return _sentence(error)
        if several:
            return "gives several columns; a feature is one value"
        absent = [name for name in names if name not in self._frame.schema]
        if absent:
            return self._no_column(absent[0])
        if (part := not_row_by_row(made)) is not None:
            return _not_row_by_row(part)
        if not names:
            return "reads no column, so it is the same for all"
        try:
            dtype = self._frame.select(made).dtypes[0]
        except pl.exceptions.StructFieldNotFoundError as error:
            found = _MISSING_FIELD.match(str(error))
            return self._no_column(found["name"] if found else str(error), names)
        except Exception as error:  # noqa: BLE001  what a person wrote may raise anything
            return _sentence(error)
        return Resolved(made, dtype, tuple(dict.fromkeys(names)))

    def _no_column(self, name: str, below: Sequence[str] = ()) -> str:
        """The sentence for a column that is not there; ``below``: a field of one of these records."""
        within = tuple(path for path in self.paths if path.split(".")[0] in below) or self.paths
        path = f"{below[0]}.{name}" if len(below) == 1 and "." not in name else name
        return f"{self._owner} has no column {path}: {unknown(path, within, 'column')}"


def _paths(schema: Mapping[str, object], above: str = "") -> Iterator[str]:
    for name, dtype in schema.items():
        yield above + name
        if isinstance(dtype, pl.Struct):
            yield from _paths({field.name: field.dtype for field in dtype.fields}, f"{above}{name}.")


def _not_row_by_row(part: str) -> str:
    if part == "a Python function":
        return "cannot be compared or sent on: a Python function; write it with polars' own expressions"
    return f"cannot be merged: {part} looks at other events; a feature's expression sees one event at a time"


def _sentence(error: Exception) -> str:
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"does not work on the contract's columns: {said or type(error).__name__}"
