"""What a decision is made from: everything that was looked at, as values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ray_pipeline.config.retrain import Arming

from .state import LoopState


@dataclass(frozen=True, slots=True)
class Champion:
    """The version that answers."""

    version: int
    trained_us: int | None
    """Up to when it knows labels; None where its training set does not say."""
    loss: float | None = None
    """Its log loss on the rows that were held out at its training."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What one source says of the champion now."""

    name: Arming
    excess: float | None = None
    """Its log loss above the champion's own; None where nothing can be said."""
    low: float | None = None
    """The low end of the interval of that."""
    high: float | None = None
    rows: int = 0
    days: int = 0
    fired: bool | None = None
    """Of a signal that is no loss (a detector, an alarm): whether it fires. None: it cannot be said."""
    said: str = ""
    """One sentence on what was seen."""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """Whether it says anything; a loss that is no number does not."""
        if self.fired is not None:
            return True
        return self.excess is not None and math.isfinite(self.excess)

    def to_json(self) -> dict[str, Any]:
        """Return the signal as evidence: numbers that are none are null."""
        found = asdict(self)
        for name in ("excess", "low", "high"):
            value = found[name]
            found[name] = value if value is not None and math.isfinite(value) else None
        return found | {"name": str(self.name), "facts": dict(self.facts)}


@dataclass(frozen=True, slots=True)
class Observed:
    """The world, as far as a decision needs it."""

    model: str
    state: LoopState = field(default_factory=LoopState)
    """What the ledger adds up to."""
    champion: Champion | None = None
    signals: tuple[Signal, ...] = ()
    """Of any kind: the policy says which of them arm."""
    red: tuple[str, ...] = ()
    """Why the gate is red, as sentences; empty: it is green."""
    new_labels: int | None = None
    """Labels published since the champion was trained, and since the last run; None: they cannot be counted."""
    first_us: int | None = None
    """Where the training data begins; None: not known."""
