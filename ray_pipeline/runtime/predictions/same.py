"""Whether the model saw live what it would have been trained on: logged features against rebuilt ones, one by one."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ray_pipeline.features.reading import OffsetRange, Status
from ray_pipeline.runtime.predictions.event import offsets_of, statuses_of, values_of, view_of
from ray_pipeline.runtime.predictions.prediction import Prediction
from ray_pipeline.text import count
from ray_pipeline.types import Outcome

if TYPE_CHECKING:
    from ray_pipeline.runtime.predictions.kept_back import KeptBack

EXAMPLES = 20
"""How many differences a report keeps whole; it counts all."""
_LINES = 5
_AS_OLD = "written by `feast materialize`: its online values are as old as that"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What the features of one request are by the offline data."""

    values: Mapping[str, Any]
    statuses: Mapping[str, Status] | None = None
    """None: not known, and not compared."""

    @classmethod
    def of(cls, prediction: Prediction) -> Rebuilt:
        """Return the features of an answer of a batch."""
        return cls(
            {name: found.value for name, found in prediction.features.items()},
            {name: found.status for name, found in prediction.features.items()},
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """One feature of one request that is not the same; values stay where they are, for they may be personal."""

    request_id: str
    feature: str
    view: str | None
    asked_at: str
    kept_back: tuple[tuple[int, int], ...] = ()
    """Partition and offset of the events that explain it: they landed, the model saw them, and the gate kept them."""

    def __str__(self) -> str:
        events = ", ".join(f"{partition}/{offset}" for partition, offset in self.kept_back[:3])
        why = f"explained by the event at partition/offset {events}" if events else "unexplained"
        return f"{self.request_id} at {self.asked_at}: {self.feature}: {why}"


@dataclass(slots=True)
class FeatureCounts:
    """One feature over all requests."""

    same: int = 0
    explained: int = 0
    """Different, because an event was seen live that the gate kept back."""
    different: int = 0
    """Different, and nothing explains it."""
    not_read: int = 0
    """Not compared, because the store did not answer."""

    @property
    def compared(self) -> int:
        """How many requests had it on both sides, and the store answered them."""
        return self.same + self.explained + self.different


@dataclass(slots=True)
class SameReport:
    """What came of the comparison."""

    requests: int = 0
    """Compared."""
    not_rebuilt: int = 0
    """Logged, and the offline data does not know that far yet, or does not have the question."""
    features: dict[str, FeatureCounts] = field(default_factory=dict)
    examples: list[Difference] = field(default_factory=list)
    """The first ones, those that nothing explains before the others."""
    one_side: dict[str, int] = field(default_factory=dict)
    """Feature → requests where only one side has it."""
    not_read: int = 0
    """Requests that were answered without the store: what it holds was not compared, what they said themselves was."""
    materialized: set[str] = field(default_factory=set)
    """Materialised views with a difference that no event explains."""

    @property
    def different(self) -> int:
        """Values that differ without an explanation, or that only one side has."""
        return sum(one.different for one in self.features.values()) + sum(self.one_side.values())

    @property
    def explained(self) -> int:
        """Values that differ because of an event that the gate kept back."""
        return sum(one.explained for one in self.features.values())

    @property
    def compared(self) -> int:
        """Values that both sides have, and that the store answered."""
        return sum(one.compared for one in self.features.values())

    @property
    def share(self) -> float | None:
        """The share of values that are the same; None where nothing was compared."""
        return sum(one.same for one in self.features.values()) / self.compared if self.compared else None

    @property
    def outcome(self) -> Outcome:
        """HELD where every difference is explained, UNKNOWN where nothing could be compared."""
        if self.different:
            return Outcome.BROKEN
        return Outcome.HELD if self.compared else Outcome.UNKNOWN

    def as_lines(self) -> list[str]:
        """Return the report for people."""
        away = [f"{count(self.not_read, 'request')} not read: the store did not answer"] if self.not_read else []
        if not self.compared:
            return [f"nothing to compare: {count(self.not_rebuilt, 'request')} not rebuilt", *away]
        said = f"{count(self.requests, 'request')}, {count(self.compared, 'value')}: "
        if self.explained or self.different:
            said += f"{self.explained + self.different:,} not the same ({self.explained:,} explained)"
        else:
            said += "all the same (100 %)"
        lines = [said + (f"; {count(self.not_rebuilt, 'request')} not rebuilt" if self.not_rebuilt else "")]
        for name, one in sorted(self.features.items()):
            if one.compared > one.same:
                why = f", of which {one.explained:,} explained by events that the gate kept back"
                lines.append(f"{name}: {one.compared - one.same:,} of {one.compared:,} differ{why}")
        lines += [f"{name}: {number:,} on one side only" for name, number in sorted(self.one_side.items())]
        lines += [f"{view} is {_AS_OLD}" for view in sorted(self.materialized)]
        return [*lines, *away, *(f"  {example}" for example in self.examples[:_LINES])]

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON writes it."""
        return {
            "requests": self.requests,
            "not_rebuilt": self.not_rebuilt,
            "not_read": self.not_read,
            "values": self.compared,
            "explained": self.explained,
            "different": self.different,
            "share": self.share,
            "features": {
                name: {
                    "same": one.same,
                    "explained": one.explained,
                    "different": one.different,
                    "not_read": one.not_read,
                }
                for name, one in sorted(self.features.items())
            },
            "one_side": dict(sorted(self.one_side.items())),
            "materialized": sorted(self.materialized),
            "examples": [
                {
                    "request_id": one.request_id,
                    "feature": one.feature,
                    "asked_at": one.asked_at,
                    "kept_back": [list(place) for place in one.kept_back],
                }
                for one in self.examples
            ],
        }


def compare(
    events: Iterable[Mapping[str, Any]],
    rebuilt: Mapping[str, Rebuilt],
    *,
    kept_back: KeptBack | None = None,
    materialized: Collection[str] = (),
) -> SameReport:
    """Compare the features of logged events with rebuilt ones, by request id.

    ``kept_back`` says which events landed and were not let through: a difference that one of them explains is
    counted apart. So is what was answered without the store: it says nothing of what the store would have said.
    ``materialized`` views, as the service calls them, are named where they differ. Null stands for a number that is not
    finite, as in an event.
    """
    report = SameReport()
    plain: list[Difference] = []
    explained: list[Difference] = []
    for event in events:
        other = rebuilt.get(event["request_id"])
        if other is None:
            report.not_rebuilt += 1
            continue
        report.requests += 1
        values, statuses, offsets = values_of(event), statuses_of(event), offsets_of(event)
        away = _is_without_store(values, statuses, event["views"])
        report.not_read += away
        for name in values.keys() ^ other.values.keys():
            report.one_side[name] = report.one_side.get(name, 0) + 1
        for name in values.keys() & other.values.keys():
            counts, view = report.features.setdefault(name, FeatureCounts()), view_of(name, offsets)
            if away and view is not None:
                counts.not_read += 1
                continue
            told = other.statuses is None or statuses[name] is other.statuses[name]
            if told and is_same(values[name], other.values[name]):
                counts.same += 1
                continue
            places = _places(event, view, offsets, kept_back)
            if places:
                counts.explained += 1
            else:
                counts.different += 1
                if view is not None and view in materialized:
                    report.materialized.add(view)
            into = explained if places else plain
            if len(into) < EXAMPLES:
                into.append(Difference(event["request_id"], name, view, _text(event["occurred_at"]), places))
    report.examples = [*plain, *explained][:EXAMPLES]
    return report


def is_same(logged: Any, rebuilt: Any) -> bool:
    """Return whether two values are the same: numbers by their value, and null for what is not finite.

    >>> is_same(5, 5.0), is_same(None, float("nan")), is_same(True, 1), is_same(0.1 + 0.2, 0.3)
    (True, True, False, False)
    """
    if type(rebuilt) is float and not math.isfinite(rebuilt):
        rebuilt = None
    if logged is None or rebuilt is None:
        return logged is rebuilt
    if isinstance(logged, bool) != isinstance(rebuilt, bool):
        return False
    return bool(logged == rebuilt)


def _is_without_store(
    values: Mapping[str, Any], statuses: Mapping[str, Status], views: Iterable[Mapping[str, Any]]
) -> bool:
    """Return whether an answer has nothing that is stored: an answer with one view of several was read."""
    rest = {one["name"]: one.get("changed_at") or one["offsets"] for one in views}
    stored = [(name, view) for name in values if (view := view_of(name, rest)) is not None]
    return bool(stored) and all(statuses[name] is Status.INVALID and not rest[view] for name, view in stored)


def _places(
    event: Mapping[str, Any],
    view: str | None,
    offsets: Mapping[str, tuple[OffsetRange, ...]],
    kept_back: KeptBack | None,
) -> tuple[tuple[int, int], ...]:
    if view is None or kept_back is None:
        return ()
    return kept_back.places(view, event, offsets[view])


def _text(moment: Any) -> str:
    return moment.isoformat() if isinstance(moment, datetime) else str(moment)
