"""The page of drift: one file for everybody, with the baseline and the window drawn over each other."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from ray_pipeline.drift.edges import CategoryColumn, NumericColumn
from ray_pipeline.report import drift_drawings
from ray_pipeline.report.drift_page import ShownWindow, drift_page

from .drift_samples import errors, nothing, quiet, subject, verdict
from .html_reader import Page
from .strategies import HOSTILE
from .test_model_page import assert_inert

AT = "2013-03-01T00:00:00.000000Z"


@pytest.fixture(scope="module")
def html() -> str:
    return drift_page("flights", AT, [subject(), quiet(), nothing()], errors())


def test_the_page_is_one_file_that_fetches_nothing_and_runs_nothing(html: str) -> None:
    page = assert_inert(html)
    assert any(value.startswith("default-src 'none'") for value in page.values("content"))
    assert html == drift_page("flights", AT, [subject(), quiet(), nothing()], errors())
    assert all(after - before <= 1 for before, after in zip(page.headings, page.headings[1:], strict=False))


def test_it_says_first_who_is_in_alarm_and_since_when(html: str) -> None:
    text = Page(html).text
    assert "Weather is not as at training; late_arrival/3 errs more than it did" in text
    assert "in alarm since 8 Feb 2013" in text
    assert "temperature: effect 0.31, p 0.004, mean +0.90 sd, missing 1.0 % → 5.0 %" in text
    assert "12 rows came after their window was closed" in text
    assert "Its first window is not over yet." in text


def test_every_column_that_has_values_is_drawn_over_its_baseline(html: str) -> None:
    alone = drift_page("flights", AT, [subject()])
    assert alone.count('class="over"') == 3, "temperature, same and the score"
    assert "AA" in Page(alone).text and "45.0 %" not in alone
    assert "No value in the baseline, or none in the window." in Page(alone).text
    assert alone.count('class="trend"') == 6


def test_what_moved_comes_first_and_the_score_is_named_as_what_it_is(html: str) -> None:
    text = Page(drift_page("flights", AT, [subject()])).text
    assert text.rindex("temperature") < text.rindex("rain") and "what the model said" in text


def test_a_window_of_which_nothing_can_be_said_is_no_alarm_and_no_all_clear() -> None:
    found = replace(nothing(), windows=[ShownWindow(verdict(1, drift=None), fired=False)], reason="too few rows")
    text = Page(drift_page("flights", AT, [found])).text
    assert "Nothing can be said yet" in text and "Too few rows." in text and "cannot be told" in text


def test_nothing_watched_says_how_to_begin() -> None:
    text = Page(drift_page("flights", AT, [])).text
    assert "Nothing is watched yet" in text and "ray-pipeline drift baseline" in text


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_can_leave_its_place(name: str) -> None:
    found = replace(subject(name), reason=name, notices=(name,), compared_with=name)
    assert_inert(drift_page(name, AT, [found], replace(errors(), model=name, headline=name, lines=[name])))


def test_the_line_and_the_area_fill_the_same_axis() -> None:
    column = NumericColumn("x", (0.0, 1.0, 2.0))
    found = drift_drawings.overlay(column, np.array([5, 0, 10, 10, 0]), np.array([0, 0, 0, 10, 30]))
    assert (found.low, found.high) == ("0", "2 and above")
    assert re.search(r'class="line now" d="M0 74', str(found.drawing))
    assert not drift_drawings.overlay(column, np.array([5, 0, 0, 0, 0]), np.array([0, 1, 0, 0, 0])).drawing


def test_categories_are_listed_by_their_greater_share() -> None:
    column = CategoryColumn("c", ("a", "b"))
    found = drift_drawings.shares(column, np.array([0, 9, 1, 0]), np.array([0, 0, 2, 8]))
    assert [(one.name, one.before, one.now) for one in found] == [
        ("a", 0.9, 0.0), ("all others", 0.0, 0.8), ("b", 0.1, 0.2)]  # fmt: skip
