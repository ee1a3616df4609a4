"""The page of a year: inert, with every month and every reason, whatever is in them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import numpy as np
import pytest

from ray_pipeline.model.metrics import Metrics, Paired, measure, paired
from ray_pipeline.report.year_drawings import KINDS, Series, lines
from ray_pipeline.report.year_page import YearMark, YearMonth, YearPage, headline, year_page

from .strategies import HOSTILE
from .test_model_page import assert_inert

AT = datetime(2013, 5, 7, tzinfo=UTC)


def of_models(seed: int, better: float) -> tuple[Metrics, Metrics, Paired]:
    rng = np.random.default_rng(seed)
    truth = rng.random(600)
    label, days = rng.random(600) < truth, np.repeat(np.arange(20), 30)
    frozen = np.clip(truth + rng.normal(0, 0.3, 600), 0.01, 0.99)
    loop = np.clip(truth + rng.normal(0, 0.3 - better, 600), 0.01, 0.99)
    return measure(label, frozen, days, 50), measure(label, loop, days, 50), paired(label, frozen, loop, days, 50)


def month(name: str, seed: int, better: float, *marks: YearMark) -> YearMonth:
    return YearMonth(name, 28_000, 9_300, "late_arrival/2", *of_models(seed, better), marks)


def page(text: str = "because", surprises: tuple[str, ...] = ()) -> YearPage:
    marks = [YearMark(kind, AT.replace(day=1 + place), f"{text} {kind}") for place, (kind, _, _) in enumerate(KINDS)]
    april = YearMonth("2013-04", 28_340, 9_625, "late_arrival/1", *of_models(1, 0)[:2], None)
    return YearPage(
        first="late_arrival/1",
        trained_on="January to March",
        ask_every=3,
        events=282_810,
        months=[april, month("2013-05", 2, 0.2, *marks)],
        total=month("all", 3, 0.2),
        marks=marks,
        seconds={"ingest": 61.0, "gate": 100.7},
        surprises=surprises,
    )


def test_the_page_is_inert_and_tells_every_month_and_every_reason() -> None:
    html = year_page(page())
    assert_inert(html)
    for text in ("2013-04", "2013-05", "One flight of 3 is asked about", "the same model", "282,810", "gate"):
        assert text in html
    for kind, word, _ in KINDS:
        assert f"because {kind}" in html
        assert word in html
    assert re.search(r'<td class="n">[+−]0\.\d{4}<span class="facts">[+−]', html), "signs stand as they are"


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_can_change_the_page(text: str) -> None:
    assert_inert(year_page(page(text, surprises=(text,))))


def test_a_year_without_a_month_or_a_label_has_a_page_too() -> None:
    nothing = YearMonth("all", 0, 0, "late_arrival/1", None, None, None)
    html = year_page(YearPage("late_arrival/1", "January to March", 1, 0, [], nothing, [], {}))
    assert_inert(html)
    assert "Nothing can be compared" in html
    assert "no alarm, and no training" in html


def test_the_headline_says_only_what_the_interval_does() -> None:
    assert headline(month("all", 3, 0.25)).startswith("The loop is better than a model that stays")
    frozen, loop, _ = of_models(4, 0)
    same = YearMonth("all", 1, 1, "m/1", frozen, loop, of_models(4, 0.0)[2])
    assert "cannot be told from" in headline(same)
    frozen, loop, difference = of_models(5, -0.4)
    assert "is worse than" in headline(YearMonth("all", 1, 1, "m/1", frozen, loop, difference))


@pytest.mark.parametrize("values", [[0.7, 0.7], [None, 0.71], [0.69, float("nan")], [0.65]])
def test_lines_are_drawn_of_whatever_is_known(values: list[float | None]) -> None:
    names = ["2013-04", "2013-05"][: len(values)]
    marks = [YearMark("alarm", datetime(2012, 1, 1, tzinfo=UTC), "early"), YearMark("odd", AT, "a kind of later")]
    drawn = str(lines([Series("one", "line", values)], marks, names))
    assert not re.search(r'(points|cx|cy|transform|d)="[^"]*nan', drawn)
    assert drawn.startswith("<svg") and "2013-04" in drawn


def test_nothing_known_is_no_drawing() -> None:
    assert not lines([Series("one", "line", [None, None])], [], ["2013-04", "2013-05"])
    assert not lines([], [], [])
