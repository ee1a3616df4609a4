"""What is watched as one HTML file: each column's baseline, the last window drawn over it, and all verdicts.

As the other pages it fetches nothing and runs nothing, and no name that data brought can change either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ray_pipeline.drift.baseline import SCORE, Baseline
from ray_pipeline.drift.counts import BlockCounts
from ray_pipeline.drift.verdict import ColumnVerdict, WindowVerdict
from ray_pipeline.text import count

from . import drift_drawings
from .drift_drawings import Overlay, Share, percent
from .page import environment
from .words import day_words, listed, number

DRAWN, TOP, WINDOWS, TREND = 12, 6, 12, 60
"""Columns that are not folded away, categories of one, windows in the table, and windows that a trend goes back."""
_KINDS = {"number": "number", "category": "category", "flag": "flag", "score": "what the model said"}


@dataclass(frozen=True, slots=True)
class ShownWindow:
    """A closed window."""

    verdict: WindowVerdict
    fired: bool
    """Whether the subject was in alarm after it."""


@dataclass(frozen=True, slots=True)
class ShownSubject:
    """What is known of one dataset that is watched."""

    name: str
    reason: str
    """Why nothing can be said; empty where something can."""
    baseline: Baseline | None
    compared_with: str
    """The baseline in words."""
    windows: Sequence[ShownWindow]
    """Those that were compared with it, oldest first."""
    live: Mapping[str, BlockCounts]
    """Of the last window: by column, and the score's."""
    since: str
    """The first day of the alarm; empty where there is none."""
    alarmed: Sequence[str]
    """The columns that fired it."""
    open: str
    """The window that is not over, in words."""
    late_rows: int
    notices: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ShownErrors:
    """What is known of the model's errors."""

    model: str
    headline: str
    fired: bool
    reference: float | None
    """Log loss on the rows that it was not fitted to."""
    days: Sequence[tuple[str, int, int, float | None, float | None]]
    """Day, answers, labels, estimated and measured log loss."""
    lines: Sequence[str]
    """The rest, as sentences."""


@dataclass(frozen=True, slots=True)
class _Card:
    name: str
    kind: str
    tone: str
    facts: tuple[str, ...]
    drawing: Overlay
    top: tuple[Share, ...]
    more: str
    trend: Markup
    reason: str


def drift_page(pipeline: str, at: str, subjects: Sequence[ShownSubject], errors: ShownErrors | None = None) -> str:
    """Return the page of all that is watched, as of ``at``."""
    tone = _tone(subjects, errors)
    return (
        environment()
        .get_template("drift.html.j2")
        .render(
            pipeline=pipeline,
            at=at,
            tone=tone,
            headline=_headline(subjects, errors),
            subjects=[_Shown(one) for one in subjects],
            errors=errors,
            daily=_daily(errors),
            percent=percent,
            figure=_figure,
        )
    )


class _Shown:
    """A subject as its part of the page shows it."""

    def __init__(self, subject: ShownSubject) -> None:
        self.subject, self.name = subject, subject.name
        last = subject.windows[-1] if subject.windows else None
        self.last = last.verdict if last else None
        self.tone = _tone_of(subject)
        self.word = {"bad": "alarm", "warn": "moved, no alarm", "ok": "as usual"}.get(self.tone, "cannot be told")
        self.moved = [] if self.last is None else [_moved(one) for one in self.last.moved]
        cards = [] if self.last is None else list(self._cards(self.last))
        self.cards, self.folded = cards[:DRAWN], cards[DRAWN:]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The newest windows, one line each."""
        return [
            {"window": _days(one.verdict), "rows": one.verdict.rows, "tone": _window_tone(one.verdict),
             "word": _window_word(one.verdict), "fired": one.fired,
             "moved": listed([column.name for column in one.verdict.moved][:4])
             + (f" and {len(one.verdict.moved) - 4} more" if len(one.verdict.moved) > 4 else "")}
            for one in reversed(self.subject.windows[-WINDOWS:])
        ]  # fmt: skip

    def _cards(self, last: WindowVerdict) -> Iterator[_Card]:
        order = {one.name: place for place, one in enumerate(last.moved)}
        for one in sorted(last.columns, key=lambda one: (order.get(one.name, len(order)), -(one.effect or 0.0))):
            yield self._card(one, last)

    def _card(self, one: ColumnVerdict, last: WindowVerdict) -> _Card:
        shown = self.subject.windows[-TREND:]
        found = [next((c for c in each.verdict.columns if c.name == one.name), None) for each in shown]
        trend = drift_drawings.trend([each.verdict.window for each in shown], found, last.min_effect, last.alpha)
        drawing, top, more = self._drawn(one)
        tone = "bad" if one.drift else "dim" if one.drift is None else "ok"
        return _Card(
            one.name, _KINDS.get(one.kind, one.kind), tone, tuple(_facts(one)), drawing, top, more, trend, one.reason
        )

    def _drawn(self, one: ColumnVerdict) -> tuple[Overlay, tuple[Share, ...], str]:
        base, live = self.subject.baseline, self.subject.live.get(one.name)
        if base is None or live is None:
            return Overlay(Markup("")), (), ""
        is_score = one.kind == "score" or one.name not in base.names
        counted = base.of_score() if is_score else base.of(one.name)
        column = base.score if is_score else base.column(one.name)
        if column is None or counted is None:
            return Overlay(Markup("")), (), ""
        listing = drift_drawings.shares(column, counted.total, live.total)
        more = f"and {len(listing) - TOP} more" if len(listing) > TOP else ""
        drawing = drift_drawings.overlay(column, counted.total, live.total)
        none = "" if listing or drawing.drawing else "No value in the baseline, or none in the window."
        return drawing, tuple(listing[:TOP]), more or none


def _facts(one: ColumnVerdict) -> Iterator[str]:
    if one.effect is not None:
        yield f"effect {_figure(one.effect)}"
    if one.p_adjusted is not None:
        yield f"p {_figure(one.p_adjusted)}"
    if one.shift is not None:
        yield f"mean {'+' if one.shift >= 0 else '−'}{abs(one.shift):.2f} sd"
    if one.missing or one.missing_before:
        yield f"missing {percent(one.missing_before)} → {percent(one.missing)}"


def _moved(one: ColumnVerdict) -> str:
    return f"{one.name}: {', '.join(_facts(one))}"


def _tone_of(subject: ShownSubject) -> str:
    if not subject.windows:
        return "dim"
    if subject.windows[-1].fired:
        return "bad"
    if all(one.verdict.drift is None for one in subject.windows):
        return "dim"
    return "warn" if subject.windows[-1].verdict.drift else "ok"


def _tone(subjects: Sequence[ShownSubject], errors: ShownErrors | None) -> str:
    tones = [*map(_tone_of, subjects), *(["bad"] if errors is not None and errors.fired else [])]
    return next((tone for tone in ("bad", "warn", "ok") if tone in tones), "dim")


def _headline(subjects: Sequence[ShownSubject], errors: ShownErrors | None) -> str:
    fired = [one.name for one in subjects if _tone_of(one) == "bad"]
    said = [f"{listed(fired)} {'is' if len(fired) == 1 else 'are'} not as at training"] if fired else []
    if errors is not None and errors.fired:
        said.append(f"{errors.model} errs more than it did")
    if said:
        return "; ".join(said)
    told = [one for one in subjects if _tone_of(one) != "dim"]
    if not told:
        return "nothing can be said yet" if subjects else "nothing is watched yet"
    return f"no alarm in {count(len(told), 'dataset')}"


def _window_tone(verdict: WindowVerdict) -> str:
    return "dim" if verdict.drift is None else "warn" if verdict.drift else "ok"


def _window_word(verdict: WindowVerdict) -> str:
    return "cannot be told" if verdict.drift is None else "moved" if verdict.drift else "as usual"


def _days(verdict: WindowVerdict) -> str:
    return f"{day_words(verdict.window.first, year=True)} up to {day_words(verdict.window.until)}"


def _daily(errors: ShownErrors | None) -> Markup:
    if errors is None:
        return Markup("")
    lines = [
        ("measured log loss", [one[4] for one in errors.days]),
        ("estimated log loss", [one[3] for one in errors.days]),
    ]
    return drift_drawings.by_day([one[0] for one in errors.days], lines, errors.reference)


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return "< 0.001" if 0 < value < 0.001 else number(round(value, 3))


__all__ = ["SCORE", "ShownErrors", "ShownSubject", "ShownWindow", "drift_page"]
