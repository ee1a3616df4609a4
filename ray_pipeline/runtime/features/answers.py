"""What a feature service answers: each value with what stands behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

from ray_pipeline.features.reading import OffsetRange, Status


@dataclass(frozen=True, slots=True)
class FeatureValue:
    """One value; null unless the status is PRESENT, and then null only if that is what it is."""

    value: Any
    status: Status
    event_time: datetime | None = None
    """When it last changed. None where nothing is known, and for a feature of the request itself."""
    offsets: tuple[OffsetRange, ...] = ()
    """The events that it rests on, of the view's dataset; empty where the view is materialised."""

    def to_json(self) -> dict[str, Any]:
        """Return the value as JSON writes it; a moment is ISO text."""
        return {
            "value": self.value.isoformat() if isinstance(self.value, datetime) else self.value,
            "status": self.status.value,
            "event_time": None if self.event_time is None else self.event_time.isoformat(),
            "offsets": [[one.partition, one.first, one.last] for one in self.offsets],
        }


@dataclass(frozen=True, slots=True)
class FeatureAnswer:
    """The answer to one row."""

    as_of: datetime | None
    """The moment it holds for; None: of a replay that has not begun."""
    features: Mapping[str, FeatureValue]
    """By name, as in ``origin_last_2h__departures``."""

    @property
    def values(self) -> dict[str, Any]:
        """The values alone, for a model."""
        return {name: found.value for name, found in self.features.items()}

    def to_json(self) -> dict[str, Any]:
        """Return the answer as JSON writes it."""
        return {
            "as_of": None if self.as_of is None else self.as_of.isoformat(),
            "features": {name: found.to_json() for name, found in self.features.items()},
        }


@dataclass(frozen=True, slots=True)
class FeatureAnswers:
    """The answers to some rows, in their order."""

    service: str
    rows: tuple[FeatureAnswer, ...]

    def statuses(self) -> dict[Status, int]:
        """Return how many values have each status."""
        return dict(Counter(found.status for row in self.rows for found in row.features.values()))

    def to_json(self) -> dict[str, Any]:
        """Return the answers as JSON writes them."""
        return {"service": self.service, "rows": [row.to_json() for row in self.rows]}

    def _repr_html_(self) -> str:
        names = list(self.rows[0].features) if self.rows else []
        head = "".join(f"<th>row {number}</th>" for number in range(len(self.rows)))
        body = "".join(
            f"<tr><td>{escape(name)}</td>{''.join(_cell(row.features[name]) for row in self.rows)}</tr>"
            for name in names
        )
        return f"<table><tr><th>{escape(self.service)}</th>{head}</tr>{body}</table>"


def _cell(found: FeatureValue) -> str:
    if found.status is not Status.PRESENT:
        return f"<td><i>{found.status.value}</i></td>"
    return f"<td>{escape(str(found.value))}</td>"
