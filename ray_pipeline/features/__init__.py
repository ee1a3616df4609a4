"""What a feature is, and what it is worth at a moment: definitions, windows, states and joins; no engine, no store.

A definition file says ``from ray_pipeline.features import count, field, last, mean, share``. Everything is imported at
its first use, because a store that only reads states needs none of polars.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ray_pipeline.features.aggregates import count, count_distinct, last, max_, mean, min_, share, sum_
    from ray_pipeline.features.fields import field
    from ray_pipeline.features.labels import label_set
    from ray_pipeline.features.requests import request_features

_HOMES = {
    "count": "aggregates",
    "count_distinct": "aggregates",
    "field": "fields",
    "label_set": "labels",
    "last": "aggregates",
    "max_": "aggregates",
    "mean": "aggregates",
    "min_": "aggregates",
    "request_features": "requests",
    "share": "aggregates",
    "sum_": "aggregates",
}

__all__ = [
    "count",
    "count_distinct",
    "field",
    "label_set",
    "last",
    "max_",
    "mean",
    "min_",
    "request_features",
    "share",
    "sum_",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
