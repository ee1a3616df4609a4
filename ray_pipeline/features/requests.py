"""Features of the request itself: what whoever asks knows, such as the hour of a scheduled departure."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from ray_pipeline.config.nearest import unknown
from ray_pipeline.errors import FeatureComputeError, UsageError
from ray_pipeline.features.definition import RequestDefinition
from ray_pipeline.features.rowwise import tree
from ray_pipeline.features.shape import ValueType

FORMAT = 1
"""Of the text that is hashed: counted up where the same text begins to mean something else."""
DTYPES: Mapping[ValueType, pl.DataType] = {
    ValueType.INT64: pl.Int64(),
    ValueType.FLOAT64: pl.Float64(),
    ValueType.STRING: pl.String(),
    ValueType.BOOL: pl.Boolean(),
    ValueType.TIMESTAMP: pl.Datetime("us", "UTC"),
}
"""What a value of each type is in a frame."""
_EXACT: Mapping[ValueType, type] = {
    ValueType.INT64: int,
    ValueType.FLOAT64: float,
    ValueType.STRING: str,
    ValueType.BOOL: bool,
    ValueType.TIMESTAMP: datetime,
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def request_features(name: str, *, inputs: Mapping[str, str], features: Mapping[str, pl.Expr]) -> RequestDefinition:
    """Define features that are computed from the request's own values; ``inputs`` names them with their types.

    >>> calendar = request_features(
    ...     "calendar",
    ...     inputs={"scheduled_departure_at": "timestamp"},
    ...     features={"hour": pl.col("scheduled_departure_at").dt.convert_time_zone("America/New_York").dt.hour()},
    ... )
    >>> list(calendar.features)
    ['hour']
    """
    caller = sys._getframe(1)
    return RequestDefinition(name, dict(inputs), dict(features), caller.f_code.co_filename, caller.f_lineno)


def feature_definitions(definition: RequestDefinition) -> dict[str, str]:
    """Return by feature the hash of what decides its value: the request's inputs, and its expression.

    As a view's it is the same in every process, and may change with the version of polars: its JSON is in it.
    """
    inputs = {name: str(kind) for name, kind in definition.inputs.items()}
    return {
        name: _hash({"format": FORMAT, "request": definition.name, "inputs": inputs, "name": name, "over": tree(over)})
        for name, over in definition.features.items()
    }


def request_definition(features: Mapping[str, str]) -> str:
    """Return the hash of several of a request's features, of what :func:`feature_definitions` says of them."""
    return _hash({"format": FORMAT, "features": dict(features)})


def input_series(name: str, kind: str, values: Sequence[Any]) -> pl.Series:
    """Return a request value of each row; of the input's type where all of them are, else of what polars finds.

    A server does it for one row at a time, and finding out what a ``datetime`` is takes polars longer than all of the
    request's features.

    >>> input_series("n", "int64", [1, None]).to_list()
    [1, None]
    """
    exact = _EXACT[wanted := ValueType(kind)]
    if not all(value is None or type(value) is exact for value in values):
        return pl.Series(name, values)
    if wanted is ValueType.TIMESTAMP:
        if not all(value is None or value.tzinfo is not None for value in values):
            return pl.Series(name, values)
        moments = [None if value is None else (value - _EPOCH) // _MICROSECOND for value in values]
        return pl.Series(name, moments, dtype=pl.Int64).cast(DTYPES[wanted])
    if wanted is ValueType.INT64 and not all(value is None or -(1 << 63) <= value < 1 << 63 for value in values):
        return pl.Series(name, values)
    return pl.Series(name, values, dtype=DTYPES[wanted])


def request_values(definition: RequestDefinition, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the request's features, a row for each row of ``frame``, in its order.

    Raises ``UsageError`` where a request value is absent or of another type, ``FeatureComputeError`` where an
    expression raises or gives another number of values.
    """
    given = pl.DataFrame([_input(definition, name, kind, frame) for name, kind in definition.inputs.items()])
    if len(given) == 1 and (found := _of_one(definition, given)) is not None:
        return found
    return pl.DataFrame([_feature(definition, name, over, given) for name, over in definition.features.items()])


def _hash(said: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _input(definition: RequestDefinition, name: str, kind: str, frame: pl.DataFrame) -> pl.Series:
    if name not in frame.columns:
        asked = f"request features {definition.name} need the request value {name} ({kind})"
        raise UsageError(f"{asked}: {unknown(name, frame.columns, 'column')}")
    column = frame[name]
    wanted = DTYPES[ValueType(kind)]
    if isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is None:
        raise UsageError(f'request value {name} has no time zone; say which: .dt.replace_time_zone("UTC")')
    if isinstance(wanted, pl.Datetime) and not isinstance(column.dtype, pl.Datetime | pl.Null):
        raise UsageError(f"request value {name} must be a moment with its time zone, not {column.dtype}")
    try:
        return column.cast(wanted)
    except pl.exceptions.PolarsError:
        raise UsageError(f"request value {name} must be {kind}; this is {column.dtype} that does not fit") from None


def _of_one(definition: RequestDefinition, given: pl.DataFrame) -> pl.DataFrame | None:
    """Return all features of one row by one query; None where it fails, and each has to be asked for by itself.

    Of several rows it would hide a feature that gives one value for all of them: that is spread over the others' rows.
    """
    try:
        found = given.select(over.alias(name) for name, over in definition.features.items())
    except Exception:  # noqa: BLE001 - a team's own expressions; asked by itself, the one that raised is named
        return None
    return found if len(found) == 1 else None


def _feature(definition: RequestDefinition, name: str, over: pl.Expr, given: pl.DataFrame) -> pl.Series:
    try:
        found = given.select(over.alias(name)).to_series()
    except Exception as error:
        raise FeatureComputeError(definition.name, name, f"raised {type(error).__name__}") from error
    if len(found) != len(given):
        raise FeatureComputeError(definition.name, name, f"gave {len(found)} values for {len(given)} requests")
    return found
