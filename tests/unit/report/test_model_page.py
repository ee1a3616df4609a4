"""The page of a model version: one file for everybody, that says the truth of its numbers."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ray_pipeline.drift.counts import assign
from ray_pipeline.drift.edges import CategoryColumn, NumericColumn, numeric_column
from ray_pipeline.model.metrics import Bin, Measure, Metrics, measure
from ray_pipeline.report import model_drawings
from ray_pipeline.report.model_page import model_page
from ray_pipeline.report.model_sentences import gain, headline, judged_split, measure_words, remark, tone
from ray_pipeline.report.page import linkable

from .html_reader import Page
from .model_samples import baseline, manifest, probabilities
from .strategies import HOSTILE

SLOW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
FORBIDDEN = {"script", "iframe", "object", "embed", "form", "link", "img", "base", "input", "foreignobject"}


def assert_inert(html: str) -> Page:
    page = Page(html)
    assert not page.tags & FORBIDDEN
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name in ("src", "srcset", "srcdoc")]
    links = {value for _, name, value in page.attributes if name in ("href", "xlink:href")}
    assert all(link.startswith("#") or linkable(link) for link in links)
    assert {link[1:] for link in links} <= set(page.ids) and len(page.ids) == len(set(page.ids))
    assert not re.search(r"url\((?!#)", html) and "@import" not in html
    shown = html.replace("\n", "")
    assert shown.isprintable(), [char for char in shown if not char.isprintable()][:5]
    return page


@pytest.fixture(scope="module")
def html() -> str:
    return model_page(manifest(), baseline(), notices=("calendar__month is the same in every row",))


def test_the_page_is_one_file_that_fetches_nothing_and_runs_nothing(html: str) -> None:
    page = assert_inert(html)
    assert any(value.startswith("default-src 'none'") for value in page.values("content"))
    assert html == model_page(manifest(), baseline(), notices=("calendar__month is the same in every row",))
    assert all(after - before <= 1 for before, after in zip(page.headings, page.headings[1:], strict=False))


def test_it_says_what_a_person_asks_first(html: str) -> None:
    text = Page(html).text
    judged = Metrics.from_json(manifest().metrics["test"])
    assert re.search(r"Of 100 questions that it calls \d+ % likely, \d+ came true\.", text)
    assert f"AUC {measure_words(judged.auc)} on 400 rows of split test" in text
    assert "calendar__month is the same in every row" in text
    for said in ("late_arrival/3", "25 Feb 2013, 06:00 UTC", "the calibrator was fitted to it", "1,084 questions",
                 "3292397526717542965", "1.0.0", "partition 0: 0 to 4,351",
                 "75 % present, 25 % not found",
                 "22.7 %", "a" * 64, "f" * 64, "ray-pipeline model show late_arrival/3", "418,210"):  # fmt: skip
        assert said in text, said


def test_every_column_is_shown_as_its_baseline_has_it(html: str) -> None:
    text = Page(html).text
    assert "minutes before the question" in text and "0.1 % missing" in text and "No value at all." in text
    assert "0carrier" in text and "and 3 more" in text
    without = model_page(manifest())
    assert_inert(without)
    assert "missing</span>" not in without and "2 categories" in Page(without).text


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_can_change_the_page(name: str) -> None:
    columns = tuple(name + one for one in ("delay", "holiday", "carrier", "landed_at", "nothing"))
    counted = baseline(columns) if "\ud800" not in name else None  # Arrow's text is UTF-8
    page = assert_inert(model_page(manifest(name), counted, notices=(name,)))
    plain = assert_inert(model_page(manifest(), baseline(), notices=("x",)))
    assert page.tags <= plain.tags | {"wbr"}


@SLOW
@given(st.text(max_size=30))
def test_nor_can_any_other_text(name: str) -> None:
    assert_inert(model_page(manifest(name), None, notices=(name,)))


def test_a_version_without_a_number_says_how_to_find_it() -> None:
    text = Page(model_page(manifest(number=0))).text
    assert (
        "ray-pipeline model list late_arrival" in text
        and "late_arrival/NUMBER" in text
        and "late_arrival/0" not in text
    )


def test_commands_are_quoted_for_a_shell_and_for_python() -> None:
    text = Page(model_page(manifest("a b'; rm -rf ~"))).text
    assert "ray-pipeline model show 'a b'\"'\"'; rm -rf ~/3'" in text
    assert 'registry.manifest("a b\'; rm -rf ~", 3)' in text


def test_what_is_not_known_is_not_made_up() -> None:
    bare = manifest(
        metrics={}, importance=(), training={}, views=(), files={}, types=(), code={}, parameters={}, spec={}
    )
    text = Page(model_page(bare)).text
    assert "How good it is was not measured." in text and "Importance is not known." in text
    one_class = measure([True] * 20, [0.5] * 20, [0] * 20)
    text = Page(model_page(manifest(metrics={"test": one_class.to_json()}, importance=()))).text
    assert "Its AUC is not known" in text and "labels are of one kind" in text and tone(one_class) == "dim"


def metrics(**changes: Any) -> Metrics:
    given = Metrics.from_json(manifest().metrics["test"])
    return replace(given, **changes)


def test_the_tone_is_good_only_where_chance_and_the_base_rate_are_beaten() -> None:
    good = metrics(auc=Measure(0.7, 0.6, 0.8), log_loss=Measure(0.3), base_rate=Measure(0.2))
    assert tone(good) == "ok" and "below that of always saying 20.0 %" in remark("test", good)
    assert tone(replace(good, auc=Measure(0.6, 0.49, 0.7))) == "warn"
    poor = replace(good, log_loss=Measure(0.9))
    assert tone(poor) == "warn" and "would have been as good or better" in remark("test", poor)
    assert tone(None) == "dim" and remark(None, None) == ""
    assert tone(Metrics.from_json(manifest(skill=False).metrics["test"])) == "warn"


def test_the_gain_is_against_saying_the_base_rate_every_time() -> None:
    labels = np.random.default_rng(1).random(400) < 0.3
    constant = measure(labels, np.full(400, labels.mean()), np.arange(400) // 40)
    assert gain(constant) == pytest.approx(0.0, abs=1e-12)
    assert gain(metrics(base_rate=Measure(0.0))) is None and gain(metrics(log_loss=Measure(None))) is None


def test_the_headline_is_of_the_highest_bin() -> None:
    found = metrics(curve=(Bin(100, 0.1, 0.12), Bin(100, 0.3, 0.29), Bin(0, 0.2, 0.5)))
    assert headline(found) == "Of 100 questions that it calls 30 % likely, 29 came true."


def test_the_tested_split_is_the_one_that_the_spec_names() -> None:
    found = {name: metrics() for name in ("test", "later")}
    assert judged_split(manifest(), found) == "test" and judged_split(manifest(spec={}), found) == "later"
    assert judged_split(manifest(), {}) is None


def test_score_bins_hold_every_score_within_zero_and_one() -> None:
    said = np.array([*probabilities(), 0.0, 1.0])
    column = numeric_column("score", said)
    bins = model_drawings.score_bins(column, np.bincount(assign(column, said), minlength=column.bins))
    assert sum(rows for _, _, rows in bins) == len(said)
    assert all(0 <= low < high <= 1 for low, high, _ in bins)
    for values in ([0.0, 1.0], [0.5], [1.0, 1.0], [0.0]):
        column = numeric_column("score", np.array(values))
        found = model_drawings.score_bins(column, np.bincount(assign(column, values), minlength=column.bins))
        assert sum(rows for _, _, rows in found) == len(values)


@SLOW
@given(st.lists(st.floats(width=32) | st.integers(-3, 3).map(float), max_size=200))
def test_any_column_can_be_drawn(values: list[float]) -> None:
    column = numeric_column("x", np.asarray(values, float))
    plot, low, high = model_drawings.column_plot(column, np.bincount(assign(column, values), minlength=column.bins))
    assert "nan" not in plot and "inf" not in plot.replace("infinite", "")
    assert bool(plot) == any(value == value for value in values) or (low, high) == ("any value", "")


def test_columns_of_few_values_and_ends_are_told() -> None:
    few = NumericColumn("stops", (0.0, 1.0, 2.0, np.nextafter(2.0, 3.0)), few=True)
    plot, low, high = model_drawings.column_plot(few, np.array([5, 0, 3, 2, 1, 0]))
    assert (low, high) == ("0", "2") and "6 rows in 3 bins" in plot
    many = NumericColumn("delay", (0.0, 10.0, 20.0))
    plot, low, high = model_drawings.column_plot(many, np.array([0, 4, 4, 4, 4]))
    assert (low, high) == ("below 0", "20 and above") and "<svg" in plot
    pooled = model_drawings.categories_of(CategoryColumn("c", ("AA", "UA")), np.array([1, 2, 9, 4]))
    assert pooled == [("UA", 9), ("AA", 2), ("all others", 4)]


def test_a_curve_says_its_numbers_to_those_who_do_not_see_it() -> None:
    drawn = model_drawings.calibration((Bin(10, 0.1, 0.2), Bin(10, 0.9, 1.0)), ())
    assert "said 10.0 %, came true 20.0 %" in drawn and "100 %" in drawn
    assert model_drawings.calibration((), ()) == ""
