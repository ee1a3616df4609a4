"""A year of the loop as one HTML file: a model that nobody trains again, the champion, and why each one was replaced.

As the gate's page it fetches nothing and runs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from ray_pipeline.model.metrics import Measure, Metrics, Paired
from ray_pipeline.text import count

from . import year_drawings
from .model_drawings import percent
from .page import environment
from .year_drawings import Series, YearMark

__all__ = ["YearMark", "YearMonth", "YearPage", "headline", "year_page"]


@dataclass(frozen=True, slots=True)
class YearMonth:
    """One month of answers, or all of them."""

    name: str
    flights: int
    asked: int
    champion: str
    """Who answered in the loop."""
    frozen: Metrics | None
    """Of the first model, on the labelled flights; None where none has a label."""
    loop: Metrics | None
    """Of the loop, on the same ones."""
    difference: Paired | None
    """The loop's minus the first model's; None as well where the first model is the loop's champion."""
    marks: Sequence[YearMark] = ()


@dataclass(frozen=True, slots=True)
class YearPage:
    """What the page tells."""

    first: str
    """The model that stays, as ``late_arrival/1``."""
    trained_on: str
    """Its months."""
    ask_every: int
    events: int
    months: Sequence[YearMonth]
    total: YearMonth
    marks: Sequence[YearMark]
    seconds: Mapping[str, float]
    """By stage."""
    surprises: Sequence[str] = ()
    notices: Sequence[str] = ()
    made_at: datetime | None = None


def year_page(page: YearPage) -> str:
    """Return the page."""
    trains = [mark for mark in page.marks if mark.kind == "training"]
    return (
        environment()
        .get_template("year.html.j2")
        .render(
            page=page,
            tone="bad" if page.surprises else _tone(page.total.difference),
            headline=headline(page.total),
            trainings=count(len(trains), "training"),
            tallies=[(word, sum(mark.kind == kind for mark in page.marks)) for kind, word, _ in year_drawings.KINDS],
            plots=[
                (title, year_drawings.lines(_series(page.months, name), page.marks, [one.name for one in page.months]))
                for name, title in (("auc", "AUC, higher is better"), ("log_loss", "Log loss, lower is better"))
            ],
            kinds=[(word, year_drawings.symbol(kind)) for kind, word, _ in year_drawings.KINDS],
            symbols={kind: year_drawings.symbol(kind) for kind, _, _ in year_drawings.KINDS},
            words={kind: word for kind, word, _ in year_drawings.KINDS},
            rows=[_row(one) for one in (*page.months, page.total)],
            total_seconds=sum(page.seconds.values()),
        )
    )


def headline(total: YearMonth) -> str:
    """Say in one sentence what the loop was worth.

    >>> headline(YearMonth("all", 0, 0, "m/1", None, None, None))
    'Nothing can be compared: the first model stayed champion, or no answer has a label'
    """
    if total.difference is None or total.difference.auc.value is None or total.difference.log_loss.value is None:
        return "Nothing can be compared: the first model stayed champion, or no answer has a label"
    auc, loss = total.difference.auc, total.difference.log_loss
    word = {1: "is better than", -1: "is worse than"}.get(_side(loss), "cannot be told from")
    return f"The loop {word} a model that stays: AUC {signed(auc.value)}, log loss {signed(loss.value)}"


def signed(value: float | None, places: int = 4) -> str:
    """Return a difference with its sign.

    >>> signed(0.0312), signed(-0.002), signed(None)
    ('+0.0312', '−0.0020', '–')
    """
    return "–" if value is None else f"{value:+.{places}f}".replace("-", "−")


def _side(loss: Measure) -> int:
    """Return 1 where the loop is better beyond its interval, -1 where it is worse, 0 where it cannot be told."""
    if loss.high is not None and loss.high < 0:
        return 1
    return -1 if loss.low is not None and loss.low > 0 else 0


def _tone(difference: Paired | None) -> str:
    return "dim" if difference is None else {1: "ok", -1: "warn"}.get(_side(difference.log_loss), "dim")


def _series(months: Sequence[YearMonth], name: str) -> tuple[Series, Series]:
    def of(which: str) -> list[float | None]:
        found = (getattr(one, which) for one in months)
        return [None if metrics is None else getattr(metrics, name).value for metrics in found]

    return Series("the first model, which stays", "past", of("frozen")), Series("the loop", "line", of("loop"))


def _row(one: YearMonth) -> Mapping[str, object]:
    difference = one.difference
    return {
        "name": one.name,
        "flights": one.flights,
        "asked": one.asked,
        "labelled": 0 if one.loop is None else one.loop.rows,
        "late": percent(None if one.loop is None else one.loop.base_rate.value),
        "champion": one.champion,
        "cells": [
            (_plain(one.frozen, name), _plain(one.loop, name), *_difference(difference, name))
            for name in ("auc", "log_loss")
        ],
        "marks": one.marks,
    }


def _plain(metrics: Metrics | None, name: str) -> str:
    value = None if metrics is None else getattr(metrics, name).value
    return "–" if value is None else f"{value:.4f}"


def _difference(difference: Paired | None, name: str) -> tuple[str, str]:
    if difference is None:
        return "the same model", ""
    found: Measure = getattr(difference, name)
    span = "" if found.low is None else f"{signed(found.low)} to {signed(found.high)}"
    # Numbers with a sign are no formula of a foreign text: they stand as they are.
    return Markup(signed(found.value)), Markup(span)  # noqa: S704
