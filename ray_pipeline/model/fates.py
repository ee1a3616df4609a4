"""How many predictions have a label, how many never get one, how many still wait; and what of that is worth a look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import polars as pl

from ray_pipeline.model.labelled import REASON, STATE, State
from ray_pipeline.text import count

TIMES, ABOVE = 3.0, 0.05
"""A day's share is worth a notice from this many times the other days' median, and this far above it."""
SMALL_DAY = 20
"""Fewer predictions of a day say nothing about its shares."""
OTHER_DAYS = 3
"""Fewer other days say nothing about what is usual."""


@dataclass(frozen=True, slots=True)
class Fates:
    """Some predictions by what became of them; the parts add up to all of them."""

    predictions: int = 0
    labelled: int = 0
    waiting: int = 0
    overdue: int = 0
    no_key: int = 0
    no_label: int = 0
    unlabelled: Mapping[str, int] = field(default_factory=dict)
    """Reason of the label set → predictions."""

    @property
    def matured(self) -> float | None:
        """The share with a label, of those that may get one; None where none may."""
        some = self.labelled + self.waiting + self.overdue
        return self.labelled / some if some else None

    def without_label(self) -> dict[str, int]:
        """Return the kinds that never get a label, by name."""
        return {**self.unlabelled, State.NO_LABEL.value: self.no_label, State.NO_KEY.value: self.no_key}

    def share(self, kind: str) -> float:
        """Return the share of all predictions that never get a label for this reason."""
        return self.without_label().get(kind, 0) / self.predictions if self.predictions else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the counts, and the matured share."""
        return {
            "predictions": self.predictions,
            "labelled": self.labelled,
            "waiting": self.waiting,
            "overdue": self.overdue,
            "unlabelled": dict(self.unlabelled),
            "no_label_in_the_outcome": self.no_label,
            "no_label_key": self.no_key,
            "matured": self.matured,
        }


def fates_of(frame: pl.DataFrame, reasons: Sequence[str]) -> Fates:
    """Count the rows of a :class:`~ray_pipeline.model.labelled.Labelled` frame; ``reasons`` come in this order."""
    counts: dict[str, int] = dict(frame.group_by(STATE).len().iter_rows())
    chosen = frame.filter(pl.col(STATE) == State.UNLABELLED).group_by(REASON).len()
    by_reason: dict[str, int] = dict(chosen.iter_rows())
    return Fates(
        predictions=frame.height,
        labelled=counts.get(State.LABELLED, 0),
        waiting=counts.get(State.WAITING, 0),
        overdue=counts.get(State.OVERDUE, 0),
        no_key=counts.get(State.NO_KEY, 0),
        no_label=counts.get(State.NO_LABEL, 0),
        unlabelled={reason: by_reason.get(reason, 0) for reason in reasons},
    )


def notices(total: Fates, days: Mapping[str, Fates], outcomes: str, deadline: str) -> Iterator[str]:
    """Yield a sentence for what is worth a look: outcomes that did not come, and days unlike the others.

    ``outcomes`` is the dataset that labels come from, ``deadline`` how long they may take. A day is unlike the others
    where the share of a kind without label is three times the median of the other days and five points above it.
    """
    if total.overdue:
        late = ", ".join(f"{day}: {fates.overdue:,}" for day, fates in days.items() if fates.overdue)
        yield (
            f"{count(total.overdue, 'prediction')} overdue: no outcome in {outcomes} within {deadline} of the moment "
            f"asked, and later ones are there ({late})"
        )
    large = {day: fates for day, fates in days.items() if fates.predictions >= SMALL_DAY}
    for kind in total.without_label():
        for day, fates in large.items():
            others = [other.share(kind) for name, other in large.items() if name != day]
            usual = median(others) if len(others) >= OTHER_DAYS else None
            share = fates.share(kind)
            if usual is not None and share >= usual * TIMES and share >= usual + ABOVE:
                yield f"{day}: {share:.1%} {kind}, and {usual:.1%} on the median of the other days"
