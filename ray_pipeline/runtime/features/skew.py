"""What a comparison of online and offline values found, view by view."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from html import escape
from math import comb
from typing import Any

from ray_pipeline.features.training_spec import moment_text
from ray_pipeline.text import count
from ray_pipeline.types import Outcome

SOUGHT = 0.01
"""The share of entities whose skew a sample is judged by."""


@dataclass(frozen=True, slots=True)
class Example:
    """One entity whose values differ."""

    entity: str
    """The SHA-256 of its key, the first 16 digits; the key itself where it was asked for."""
    features: tuple[str, ...]
    values: Mapping[str, tuple[Any, Any]] | None = None
    """Feature → (online, offline), where values were asked for."""


@dataclass(frozen=True, slots=True)
class ViewSkew:
    """One view. Every entity that was compared is the same, different, or behind on one side."""

    view: str
    at_us: int | None
    """The moment at which both sides were read; None where one of them knows nothing yet."""
    online_us: int | None
    """Publication of the newest event that the online store knows of."""
    offline_us: int | None
    entities: int = 0
    """Of the view, online or offline."""
    compared: int = 0
    same: int = 0
    different: int = 0
    online_behind: int = 0
    """Online lacks events, or a materialisation, that the offline table has."""
    offline_behind: int = 0
    """Offline lacks what is online, or the state no longer reaches back to what offline knows."""
    features: Mapping[str, int] = field(default_factory=dict)
    """Feature → different entities in which it differs."""
    statuses: Mapping[str, int] = field(default_factory=dict)
    """``online/offline`` → different entities that have these statuses."""
    examples: tuple[Example, ...] = ()
    why: str = ""
    """Why nothing could be compared."""

    @property
    def certainty(self) -> float:
        """The probability that a skew in one of a hundred entities, at least one, is among those compared."""
        if not self.entities:
            return 0.0
        skewed = max(1, round(self.entities * SOUGHT))
        return 1 - comb(self.entities - skewed, self.compared) / comb(self.entities, self.compared)

    @property
    def outcome(self) -> Outcome:
        """BROKEN where values differ; UNKNOWN where a side is behind, so that it cannot be told."""
        if self.different:
            return Outcome.BROKEN
        behind = self.online_behind or self.offline_behind
        return Outcome.UNKNOWN if behind or self.why else Outcome.HELD

    def rate(self, feature: str) -> float | None:
        """Return the share of comparable entities in which the feature differs; None where there is none."""
        judged = self.same + self.different
        return self.features.get(feature, 0) / judged if judged else None

    def to_json(self) -> dict[str, Any]:
        """Return what ``features verify --output json`` prints of the view."""
        found = asdict(self) | {"outcome": int(self.outcome), "certainty": self.certainty}
        for name in ("at_us", "online_us", "offline_us"):
            value = found.pop(name)
            found[name.removesuffix("_us")] = None if value is None else moment_text(value)
        found["rates"] = {name: self.rate(name) for name in self.features}
        return found

    def lines(self) -> Iterator[str]:
        """Yield the same for people."""
        if self.why:
            yield f"{self.view}: could not be compared: {self.why}"
            return
        verdict = {Outcome.HELD: "no skew", Outcome.BROKEN: "SKEW"}.get(self.outcome, "one side is behind")
        at = "" if self.at_us is None else f" at {moment_text(self.at_us)}"
        yield f"{self.view}: {verdict}; {self.compared:,} of {count(self.entities, 'entity', 'entities')} compared{at}"
        if self.compared < self.entities:
            yield f"  a skew of 1 % of the entities would be seen with probability {self.certainty:.4f}"
        for number, what in (
            (self.different, "different"),
            (self.online_behind, "online is behind"),
            (self.offline_behind, "offline is behind, or the online state does not reach back as far"),
        ):
            if number:
                yield f"  {number:,}  {what}"
        for name in self.features:
            yield f"  {name}: {self.rate(name) or 0:.2%} differ"
        for pair, number in self.statuses.items():
            yield f"  {number:,}  {pair} (online/offline)"
        for example in self.examples:
            shown = ", ".join(example.features) or "the same values; status or time of change differ"
            if example.values is not None:
                shown = ", ".join(f"{name} {one} ≠ {other}" for name, (one, other) in example.values.items())
            yield f"  e.g. {example.entity}: {shown}"


@dataclass(frozen=True, slots=True)
class SkewReport:
    """Every view that was compared."""

    views: tuple[ViewSkew, ...]

    @property
    def outcome(self) -> Outcome:
        """The worst: BROKEN, then UNKNOWN."""
        outcomes = {view.outcome for view in self.views}
        worst = [one for one in (Outcome.BROKEN, Outcome.UNKNOWN) if one in outcomes]
        return worst[0] if worst else Outcome.HELD

    def to_json(self) -> dict[str, Any]:
        """Return what ``features verify --output json`` prints."""
        return {"outcome": int(self.outcome), "views": [view.to_json() for view in self.views]}

    def lines(self) -> Iterator[str]:
        """Yield the same for people."""
        for view in self.views:
            yield from view.lines()
        if any(view.different for view in self.views):
            yield "online rests on what landed: rows that the gate quarantined or holds back are not offline"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(chr(10).join(self.lines()))}</pre>"
