"""Expressions over rows, held to their word: one value for each row, of the type that was promised."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from ray_pipeline.errors import FeatureComputeError


@dataclass(frozen=True, slots=True)
class Rows:
    """Landed rows of one view, with ours beside them to name a row by."""

    view: str
    frame: pl.DataFrame

    def place(self, row: int) -> str:
        """Return where a row came from, for a message."""
        partition, offset = self.frame["_partition"][row], self.frame["_offset"][row]
        return f"partition {partition}, offset {offset}"


def value_dtype(value_type: str) -> pl.DataType:
    """Return the type of a column of events, by the name that a feature's shape has for it.

    >>> value_dtype("decimal:2")
    Decimal(precision=38, scale=2)
    """
    if value_type.startswith("decimal:"):
        return pl.Decimal(38, int(value_type.removeprefix("decimal:")))
    return _DTYPES[value_type]


def evaluated(rows: Rows, name: str, expression: pl.Expr, value_type: str) -> pl.Series:
    """Return the expression's value for each row; raise ``FeatureComputeError`` where it does not give that.

    Floats come without a negative zero, moments as microseconds.
    """
    if not rows.frame.height:
        return pl.Series(name, [], dtype=value_dtype(value_type))
    values = _one_for_each_row(rows, name, expression)
    if not _fits(values.dtype, value_type):
        raise FeatureComputeError(rows.view, name, f"its values are {values.dtype}, not {value_type}")
    return _plain(rows, name, values, value_type)


def _one_for_each_row(rows: Rows, name: str, expression: pl.Expr) -> pl.Series:
    # One row is asked for twice over: of one row alone, a mean of all rows would look like a value of each.
    frame = rows.frame if rows.frame.height > 1 else pl.concat([rows.frame, rows.frame])
    try:
        values = frame.select(expression.alias("value")).to_series()
    except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001 - whatever a team's own code raises
        raise FeatureComputeError(rows.view, name, _blamed(rows, expression, type(error).__name__)) from None
    if len(values) != frame.height:
        reason = f"gave {len(values)} values for {frame.height} rows: it must give one for each row"
        raise FeatureComputeError(rows.view, name, reason)
    return values.head(rows.frame.height)


def _blamed(rows: Rows, expression: pl.Expr, kind: str) -> str:
    """Return the reason; it names the first row at which the expression raises, if one alone makes it raise.

    What the error itself says is left out: polars quotes values.
    """
    good, bad = 0, rows.frame.height
    while bad - good > 1:
        middle = (good + bad) // 2
        if _raises(rows.frame.head(middle), expression):
            bad = middle
        else:
            good = middle
    if bad and _raises(rows.frame.slice(bad - 1, 1), expression) and not _raises(rows.frame.clear(), expression):
        return f"raised {kind} at {rows.place(bad - 1)}"
    return f"raised {kind}"


def _raises(frame: pl.DataFrame, expression: pl.Expr) -> bool:
    try:
        frame.select(expression.alias("value"))
    except (Exception, pl.exceptions.PanicException):  # noqa: BLE001 - as above
        return True
    return False


def _fits(dtype: pl.DataType, value_type: str) -> bool:
    if value_type.startswith("decimal:"):
        return isinstance(dtype, pl.Decimal) and dtype.scale == int(value_type.removeprefix("decimal:"))
    match value_type:
        case "int":
            return dtype.is_integer()
        case "float":
            return dtype.is_float()
        case "bool":
            return dtype == pl.Boolean
        case "string":
            return isinstance(dtype, pl.String | pl.Categorical | pl.Enum)
        case "timestamp":
            return isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
    return False


def _plain(rows: Rows, name: str, values: pl.Series, value_type: str) -> pl.Series:
    match value_type:
        case "float":
            values = values.cast(pl.Float64)
            wrong = ~values.is_finite()
            if wrong.any():
                row = wrong.arg_max()
                assert row is not None
                raise FeatureComputeError(rows.view, name, f"gave a number that is not finite at {rows.place(row)}")
            return values.set(values == 0.0, 0.0)  # adding 0.0 would do, but polars leaves that out
        case "int":
            try:
                return values.cast(pl.Int64)
            except pl.exceptions.InvalidOperationError:
                row = (values.cast(pl.Int64, strict=False).is_null() & values.is_not_null()).arg_max()
                assert row is not None
                raise FeatureComputeError(
                    rows.view, name, f"gave an integer beyond 64 bits at {rows.place(row)}"
                ) from None
        case "timestamp":
            return microseconds(values)
    return values.cast(value_dtype(value_type))


def microseconds(moments: pl.Series) -> pl.Series:
    """Return moments or days as whole microseconds since 1970, what is finer cut off towards the past."""
    if isinstance(moments.dtype, pl.Datetime) and moments.dtype.time_unit == "ns":
        return moments.to_physical() // 1000
    return moments.cast(pl.Datetime("us")).to_physical()


_DTYPES: dict[str, pl.DataType] = {
    "int": pl.Int64(),
    "float": pl.Float64(),
    "bool": pl.Boolean(),
    "string": pl.String(),
    "timestamp": pl.Int64(),
}
