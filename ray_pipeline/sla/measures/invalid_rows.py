"""Which rows have a value that a column must not have."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla import stored
from ray_pipeline.sla.columns import as_array, as_numpy, as_scalar, as_type, is_one_of, measure_id, values
from ray_pipeline.sla.flagged import FlaggedRows, flag
from ray_pipeline.sla.measure import Array, State, Where

Scalar = str | int | float | bool | None
_FEW = 256
"""A column with no more values than this in its first rows is asked value by value and not row by row."""
_FIRST = 2_048


@dataclass(frozen=True, slots=True)
class InvalidRows:
    """Flags the rows whose value breaks any of the conditions that are given.

    A null is not invalid, it is missing: :class:`~ray_pipeline.sla.measures.missing_rows.MissingRows` finds it.
    ``pattern`` (RE2, so linear in the text's length) may match anywhere, as in JSON Schema; lengths are in characters;
    both ask nothing of a column that is not of text, ``minimum`` and ``maximum`` (both included) nothing of one that
    has no order of numbers or times. A NaN is neither above a minimum nor below a maximum: invalid.

    Raises ``ValueError`` for a pattern that RE2 does not know.
    """

    column: Column
    valid_values: tuple[Scalar, ...] | None = None
    pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    minimum: Scalar = None
    """A number; or a date or time as text."""
    maximum: Scalar = None
    keep_positions: bool = True

    def __post_init__(self) -> None:
        if self.pattern is not None:
            try:
                pc.match_substring_regex(pa.array([""]), self.pattern)
            except pa.ArrowInvalid as error:
                raise ValueError("a pattern that RE2 does not know") from error

    @property
    def id(self) -> str:
        valid = None if self.valid_values is None else sorted({repr(value) for value in self.valid_values})
        return measure_id(
            "invalid_rows",
            column=self.column,
            valid=valid,
            pattern=self.pattern,
            min_length=self.min_length,
            max_length=self.max_length,
            minimum=self.minimum,
            maximum=self.maximum,
            positions=self.keep_positions,
        )

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column[0],)

    def zero(self) -> FlaggedRows:
        return FlaggedRows()

    def of(self, batch: pa.Table, where: Where) -> FlaggedRows:
        column = as_array(values(batch, self.column))
        mask = self._invalid(column)
        if mask is None or not mask.any():
            return FlaggedRows(batch.num_rows)
        found = flag(batch, mask, where)
        return found if self.keep_positions else found.counts()

    def load(self, state: State) -> FlaggedRows:
        return stored.flagged_rows(state)

    def _invalid(self, column: pa.Array) -> Array | None:
        if self._is_text(column.type) and (self.pattern, self.min_length, self.max_length) != (None,) * 3:
            first = pc.count_distinct(column.slice(0, _FIRST)).as_py()
            if first <= min(_FEW, len(column) // 8):
                encoded = column.dictionary_encode()
                mask = self._row_by_row(encoded.dictionary)
                if mask is None or not mask.any():
                    return None
                codes = as_numpy(encoded.indices.fill_null(0))
                return _present(column, mask[codes])
        mask = self._row_by_row(column)
        return None if mask is None else _present(column, mask)

    def _row_by_row(self, column: pa.Array) -> Array | None:
        valid = None
        for condition in self._conditions(column):
            valid = condition if valid is None else pc.and_(valid, condition)
        return None if valid is None else ~as_numpy(valid.fill_null(True))

    def _conditions(self, column: pa.Array) -> Iterator[pa.Array]:
        if self.valid_values is not None:
            yield is_one_of(column, as_type((v for v in self.valid_values if v is not None), column.type))
        if self._is_text(column.type):
            if self.pattern is not None:
                yield pc.match_substring_regex(column, self.pattern)
            if self.min_length is not None or self.max_length is not None:
                length = pc.utf8_length(column)
                if self.min_length is not None:
                    yield pc.greater_equal(length, self.min_length)
                if self.max_length is not None:
                    yield pc.less_equal(length, self.max_length)
        for limit, compare, is_low in (
            (self.minimum, pc.greater_equal, True),
            (self.maximum, pc.less_equal, False),
        ):
            if limit is not None:
                bound = _bound(limit, column.type, is_low)
                if isinstance(bound, bool):
                    yield pa.array(np.full(len(column), bound))
                elif bound is not None:
                    yield compare(column, bound)

    @staticmethod
    def _is_text(kind: pa.DataType) -> bool:
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _present(column: pa.Array, mask: Array) -> Array:
    if column.null_count:
        mask &= as_numpy(column.is_valid())
    return mask


def _bound(limit: Any, kind: pa.DataType, is_low: bool) -> pa.Scalar | bool | None:
    """Return the limit in the column's own type, moved to its nearest value inside; a bool where all rows agree."""
    if isinstance(limit, bool) or pa.types.is_boolean(kind):
        return None
    if not isinstance(limit, int | float | Decimal):
        return as_scalar(limit, kind) if pa.types.is_temporal(kind) else None
    if pa.types.is_floating(kind):
        return pa.scalar(float(limit), pa.float64())
    if not (pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        return None
    if math.isinf(limit) or math.isnan(limit):
        return (limit < 0) == is_low and not math.isnan(limit)
    if pa.types.is_integer(kind):
        bound = as_scalar(math.ceil(limit) if is_low else math.floor(limit), kind)
    else:
        exact = Context(prec=400, rounding=ROUND_CEILING if is_low else ROUND_FLOOR)
        bound = as_scalar(exact.quantize(Decimal(str(limit)), Decimal(1).scaleb(-kind.scale)), kind)
    return (limit < 0) == is_low if bound is None else bound
