"""What is known of a version's errors, as values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ray_pipeline.runtime.drift.text import NOTHING, aligned, figure, table_html
from ray_pipeline.text import count
from ray_pipeline.types import Outcome

if TYPE_CHECKING:
    from ray_pipeline.drift.error_reference import ErrorReference
    from ray_pipeline.drift.estimated import Estimate, Estimated, Miss, Misses

_SHOWN = 14
_HEAD = ("asked", "answers", "labels", "log loss", "estimated", "off by", "AUC", "estimated", "Brier", "estimated")


@dataclass(frozen=True, slots=True)
class ConceptAlarm:
    """A moment at which the errors were too many."""

    labels: int
    """So many labels had been read."""
    published_day: str
    """On which the last of them was published …"""
    asked_day: str
    """… and its question asked."""
    since_day: str | None
    """From when on errors have been more, by estimate."""
    mean: float | None
    """The mean error that fits best since."""


@dataclass(frozen=True, slots=True)
class ConceptDay:
    """The answers of one day (UTC, of the moment asked)."""

    day: str
    answers: int
    labels: int
    loss: float | None
    """Log loss of the labelled ones."""
    misses: Misses | None
    """What their scores expected, what came, and how wrong the first was."""
    unlabelled: Estimated | None
    """What is expected of those without a label."""

    def to_json(self) -> dict[str, Any]:
        """Return the day as a mapping."""
        return {
            "day": self.day,
            "answers": self.answers,
            "labels": self.labels,
            "log_loss": self.loss,
            "estimate_against_labels": None if self.misses is None else self.misses.to_json(),
            "estimate_without_labels": None if self.unlabelled is None else self.unlabelled.to_json(),
        }

    @property
    def expected(self) -> float | None:
        """The estimated log loss: of the labelled ones, and where there are none of the others."""
        if self.misses is not None and self.misses.log_loss is not None:
            return self.misses.log_loss.estimated
        found = None if self.unlabelled is None else self.unlabelled.log_loss
        return None if found is None else found.value


@dataclass(frozen=True, slots=True)
class ConceptReport:
    """A version's errors, against those of its held-out rows."""

    model: str
    version: int
    detector: str
    run_length: float
    reference: ErrorReference | None
    """None: it cannot be compared; ``reason`` says why."""
    answers: int
    labels: int
    """Answers with one, and with a probability."""
    watched: int
    """Those whose label was published on a day that is over: the detector has read them."""
    loss: float | None
    """Their mean log loss."""
    alarms: tuple[ConceptAlarm, ...]
    """Every one; after each the detector starts again."""
    overall: Misses | None
    """Of all labelled answers: what scores expected, and what came."""
    unlabelled: Estimated | None
    """What is expected of the answers that wait for their label, or have it overdue."""
    days: tuple[ConceptDay, ...]
    replaced: int
    """Outcomes that a correction replaced: the newest counts."""
    repeated: int
    """Outcomes that were published again and said the same."""
    reason: str = ""
    notices: tuple[str, ...] = ()

    @property
    def first_alarm(self) -> ConceptAlarm | None:
        """The alarm that came first."""
        return self.alarms[0] if self.alarms else None

    @property
    def fired(self) -> bool:
        """Whether there is an alarm."""
        return bool(self.alarms)

    @property
    def outcome(self) -> Outcome:
        """BROKEN in alarm, UNKNOWN where nothing was read or nothing is known to compare it with, else HELD."""
        if self.fired:
            return Outcome.BROKEN
        return Outcome.HELD if self.watched and self.reference is not None else Outcome.UNKNOWN

    def to_json(self) -> dict[str, Any]:
        """Return the report for programs."""
        reference = self.reference
        return {
            "outcome": int(self.outcome),
            "model": self.model,
            "version": self.version,
            "detector": self.detector,
            "run_length": self.run_length,
            "reference": None
            if reference is None
            else {
                "log_loss": reference.mean,
                "variance": reference.variance,
                "rows": reference.rows,
                "design_effect": reference.design,
            },
            "answers": self.answers,
            "labels": self.labels,
            "watched": self.watched,
            "log_loss": self.loss,
            "alarms": [asdict(one) for one in self.alarms],
            "estimate_against_labels": None if self.overall is None else self.overall.to_json(),
            "estimate_without_labels": None if self.unlabelled is None else self.unlabelled.to_json(),
            "days": [one.to_json() for one in self.days],
            "replaced_outcomes": self.replaced,
            "repeated_outcomes": self.repeated,
            "reason": self.reason,
            "notices": list(self.notices),
        }

    def headline(self) -> str:
        """Say in one sentence whether it errs more than it did."""
        first = self.first_alarm
        if first is not None:
            since = "" if first.since_day is None else f", probably since {first.since_day}"
            return f"ALARM on {first.published_day}, after {count(first.labels, 'label')}{since}"
        if self.reason:
            return self.reason
        return f"no alarm in {count(self.watched, 'label')}"

    def sentences(self) -> Iterator[str]:
        """Yield what stands beside the days."""
        if self.reference is not None:
            yield (
                f"log loss {figure(self.loss)} on {count(self.watched, 'label')} whose day is over; at training "
                f"{figure(self.reference.mean)} on {count(self.reference.rows, 'row')} that it was not fitted to, each "
                f"of which weighs as 1/{self.reference.design:.1f} of an independent one"
            )
        yield f"detector {self.detector}, {self.run_length:,.0f} labels between two false alarms"
        if self.overall is not None:
            yield "before labels its scores expected " + _missed(self.overall)
        if self.unlabelled is not None:
            yield f"{count(self.unlabelled.rows, 'answer')} without a label: expected {_expected(self.unlabelled)}"
        if self.replaced or self.repeated:
            yield f"{count(self.replaced, 'outcome')} corrected, {self.repeated:,} published again unchanged"
        yield from self.notices

    def as_lines(self) -> Iterator[str]:
        """Yield the report for people."""
        yield f"errors of {self.model}/{self.version}: {self.headline()}"
        yield from (f"  {one}" for one in self.sentences())
        if self.days:
            yield ""
            yield from aligned(self.rows())

    def rows(self, days: int = _SHOWN) -> list[tuple[str, ...]]:
        """Return the last days as a table."""
        return [_HEAD, *(_row(one) for one in self.days[-days:])]

    def _repr_html_(self) -> str:
        from html import escape

        said = "<br>".join(escape(one) for one in self.sentences())
        head = f"<b>errors of {escape(self.model)}/{self.version}</b>: {escape(self.headline())}"
        return f"<div>{head}<br>{said}{table_html(self.rows())}</div>"


def _row(one: ConceptDay) -> tuple[str, ...]:
    misses = one.misses
    loss, auc, brier = (None, None, None) if misses is None else (misses.log_loss, misses.auc, misses.brier)
    waiting = one.unlabelled if misses is None else None
    off = NOTHING if loss is None else f"{loss.error:+.3f}"
    cells = [NOTHING if loss is None else f"{loss.realised:.3f}", _estimated(loss, waiting, "log_loss"), off]
    for name, miss in (("auc", auc), ("brier", brier)):
        cells += [NOTHING if miss is None else f"{miss.realised:.3f}", _estimated(miss, waiting, name)]
    return (one.day, f"{one.answers:,}", f"{one.labels:,}", *cells)


def _estimated(miss: Miss | None, waiting: Estimated | None, name: str) -> str:
    found: Estimate | None = None if waiting is None else getattr(waiting, name)
    if miss is not None:
        return f"{miss.estimated:.3f} ± {miss.standard_error:.3f}"
    return NOTHING if found is None else f"{found.value:.3f} ± {found.standard_error:.3f}"


def _missed(found: Misses) -> str:
    said = [
        f"{word} {miss.estimated:.3f} ± {miss.standard_error:.3f}, and it was {miss.realised:.3f}"
        for word, miss in (("log loss", found.log_loss), ("AUC", found.auc), ("Brier", found.brier))
        if miss is not None
    ]
    return "; ".join(said) or "nothing that can be compared"


def _expected(found: Estimated) -> str:
    said = [
        f"{word} {one.value:.3f} ± {one.standard_error:.3f}"
        for word, one in (("log loss", found.log_loss), ("AUC", found.auc), ("Brier", found.brier))
        if one is not None
    ]
    return ", ".join(said)
