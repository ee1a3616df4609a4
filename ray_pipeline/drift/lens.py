"""What is watched of landed rows: which columns, and how they come out of a table, as a model or a baseline sees them.

A dataset shows its scalar columns. Predictions show what the model saw: features by name out of a list, keys and values
of the request out of its JSON, and the probability.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ray_pipeline.contracts.expectations import Expectations
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.contracts.odcs_expectations import read_expectations
from ray_pipeline.contracts.shape import Boolean, Field, Integer, Number, Record, Shape, Text

from .answers import Answers, Seen
from .baseline import Baseline
from .counts import assign
from .edges import CategoryColumn, Column
from .footer import FileCounts, counted_columns
from .values import Ints, as_arrow

_KINDS: Mapping[type[Shape], str] = {Integer: "number", Number: "number", Text: "category", Boolean: "flag"}
_FITS = {
    "number": (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal),
    "category": (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
    "flag": (pa.types.is_boolean,),
}


class Lens(Protocol):
    """Takes what is watched out of landed rows."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns of a landed file that it looks at."""
        ...

    def look(self, table: pa.Table) -> Seen:
        """Return what is counted of these rows."""
        ...


@dataclass(frozen=True, slots=True)
class RowLens:
    """The columns of a dataset, those within objects by dotted path."""

    kinds: Mapping[str, str]
    """Column → number, category or flag."""

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns at the top."""
        tops = (top for name in self.kinds for top in (name, name.partition(".")[0]))
        return tuple(dict.fromkeys(tops))

    def look(self, table: pa.Table) -> Seen:
        """Return every column that the table has with values of its kind."""
        found = {}
        for name, kind in self.kinds.items():
            values = _at(table, name)
            if values is not None and any(fits(values.type) for fits in _FITS[kind]):
                found[name] = values
        return Seen(table.num_rows, found)


def watched_kinds(contract: DataContract, without: Sequence[str] = ()) -> dict[str, str]:
    """Return the columns of a dataset that are watched, with their kinds: numbers, categories and flags.

    A key of one column and columns marked unique are left out, for they are new in each row; so are moments, lists, and
    what ``without`` names.
    """
    if not isinstance(contract.shape, Record):
        return {}
    expected: Expectations = read_expectations(contract)
    ids = {".".join(column) for column in expected.unique}
    if len(expected.primary_key) == 1:  # the parts of a longer key may come in many rows
        ids.add(".".join(expected.primary_key[0]))
    found: dict[str, str] = {}
    for name, kind in _scalars(contract.shape.fields, ""):
        found.setdefault(name, kind)  # a name with a dot in it goes before a path
    return {name: kind for name, kind in found.items() if name not in ids and name not in without}


def lens_of(baseline: Baseline, model: str | None) -> Lens:
    """Return what takes a baseline's columns out of landed rows: of predictions of ``model`` (``late_arrival/3``), or,
    with None, of a dataset."""
    kinds = {column.name: column.kind for column in baseline.columns}
    if model is None:
        return RowLens(kinds)
    name, _, version = model.rpartition("/")
    return Answers(name, int(version), kinds, scored=baseline.score is not None)


def count_table(lens: Lens, baseline: Baseline, table: pa.Table) -> FileCounts:
    """Count the rows of a table in the bins of a baseline."""
    seen = lens.look(table)
    columns = counted_columns(baseline).items()
    found = {name: count_values(column, seen.values[name]) for name, column in columns if name in seen.values}
    return FileCounts(table.num_rows, seen.rows, found)


def count_values(column: Column, values: Any) -> Ints:
    """Return how many values are in each bin: what :func:`~ray_pipeline.drift.counts.assign` says, added up.

    >>> count_values(CategoryColumn("carrier", ("AA", "UA")), ["UA", "ZZ", None, "UA"]).tolist()
    [1, 0, 2, 1]
    """
    found = values if isinstance(values, np.ndarray | pa.ChunkedArray) else as_arrow(values)
    if isinstance(column, CategoryColumn) and not isinstance(found, np.ndarray):
        told = pc.value_counts(found)  # a few hundred texts are looked up, not one for each row
        bins = assign(column, told.field("values"))
        weights = told.field("counts").to_numpy(zero_copy_only=False)
        total = np.zeros(column.bins, np.int64)
        np.add.at(total, bins, weights)
        return total
    counted: Ints = np.bincount(assign(column, found), minlength=column.bins).astype(np.int64, copy=False)
    return counted


def _scalars(fields: Sequence[Field], above: str) -> list[tuple[str, str]]:
    """Return scalar columns with their kinds, those of objects after those beside them."""
    here = [(f"{above}{one.name}", kind) for one in fields if (kind := _KINDS.get(type(one.shape))) is not None]
    for one in fields:
        if isinstance(one.shape, Record):
            here += _scalars(one.shape.fields, f"{above}{one.name}.")
    return here


def _at(table: pa.Table, name: str) -> pa.ChunkedArray | None:
    """Return the column of that name, or at the end of that path; None where there is none."""
    if name in table.column_names:
        return table.column(name)
    top, *path = name.split(".")
    if not path or top not in table.column_names:
        return None
    values = table.column(top)
    for step in path:
        if not pa.types.is_struct(values.type) or values.type.get_field_index(step) < 0:
            return None
        values = pc.struct_field(values, step)  # null where an object above it is null
    return values
