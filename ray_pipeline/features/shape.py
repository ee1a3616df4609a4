"""A compiled view without its expressions: what a store needs to merge states and to say what a value is.

It travels as JSON in the tags of Feast's view and beside the states, so nothing here imports polars, Ray or Feast.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from ray_pipeline.features.aggregates import Kind

DEFINITION_TAG = "ray_pipeline.definition"
SHAPE_TAG = "ray_pipeline.shape"
FEED_TAG = "ray_pipeline.feed"


class Feed(StrEnum):
    """Who writes a view's online values; never both."""

    STREAM = "stream"
    """The partition actors, from validated events."""
    MATERIALIZED = "materialized"
    """``feast materialize`` and ``push``."""


class ValueType(StrEnum):
    """What a feature or a key is."""

    INT64 = "int64"
    FLOAT64 = "float64"
    STRING = "string"
    BOOL = "bool"
    TIMESTAMP = "timestamp"
    """Microseconds since 1970 UTC wherever it is a number."""


@dataclass(frozen=True, slots=True)
class KeyShape:
    """One join key of the view's entity."""

    name: str
    type: ValueType


@dataclass(frozen=True, slots=True)
class FeatureShape:
    """One feature: its name, its type, and how its parts merge."""

    name: str
    type: ValueType
    kind: Kind | None = None
    """None: the newest event's own value, in a view without a window."""
    value_type: str = ""
    """Of what is aggregated: ``int``, ``decimal:SCALE``, ``float``, ``bool``, ``string`` or ``timestamp``; empty where
    events are counted."""
    cap: int | None = None


@dataclass(frozen=True, slots=True)
class ViewShape:
    """One view. Durations are microseconds."""

    name: str
    definition: str
    """SHA-256 of the definition and of the contract's part that it rests on, in hex."""
    dataset: str
    keys: tuple[KeyShape, ...]
    """In the order of their names."""
    features: tuple[FeatureShape, ...]
    window: int | None
    """None: a view of the newest event of each entity."""
    hop: int
    """1 where there is no window."""
    ttl: int | None
    """A value older than this at the moment asked is OUTSIDE_MAX_AGE; None: never."""
    lateness: int
    """By the contract: an event published later than this after it happened, or before, is set aside and counted."""
    feed: Feed

    def __hash__(self) -> int:
        # Equal shapes agree in these two; all features with their kinds take as long as reading a value.
        return hash((self.name, self.definition))

    def to_json(self) -> str:
        """Return the shape as one line; :meth:`from_json` reads it."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> ViewShape:
        """Read what :meth:`to_json` wrote; raise ``ValueError`` where it is something else."""
        try:
            return _shape(json.loads(text))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not the shape of a view: {error}") from None


def _shape(found: Mapping[str, Any]) -> ViewShape:
    keys = tuple(KeyShape(key["name"], ValueType(key["type"])) for key in found["keys"])
    features = tuple(
        FeatureShape(
            one["name"],
            ValueType(one["type"]),
            None if one["kind"] is None else Kind(one["kind"]),
            one["value_type"],
            one["cap"],
        )
        for one in found["features"]
    )
    plain = {name: found[name] for name in ("name", "definition", "dataset", "window", "hop", "ttl", "lateness")}
    return ViewShape(**plain, keys=keys, features=features, feed=Feed(found["feed"]))
