"""The page of runs, and the report in a notebook."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from ray_pipeline.report.index import RUNS, render_index, summarize
from ray_pipeline.report.notebook import repr_html
from ray_pipeline.report.results import from_bytes, to_bytes
from ray_pipeline.sla.result import GateReport

from .html_reader import Page
from .samples import flights
from .strategies import HOSTILE, reports
from .test_page import assert_inert

SLOW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def test_runs_are_listed_the_newest_first_with_verdict_and_link() -> None:
    held = flights()
    calm = replace(flights(0), run_id="calm", at="2013-02-26T04:30:00Z", datasets=())
    html = render_index([summarize(held, "nightly/report.html"), summarize(calm, "calm/report.html")])
    page = assert_inert(html)
    assert page.text.index("Nothing new to judge.") < page.text.index("Held back: 1 day of departures.")
    assert "./nightly/report.html" in page.values("href")


def test_a_summary_of_stored_results_is_that_of_the_report() -> None:
    report = flights()
    assert summarize(from_bytes(to_bytes(report)), "a") == summarize(report, "a")


@pytest.mark.parametrize("name", [*HOSTILE, "//evil.example", "a?b#c", "..", "a/../..", "https://evil.example"])
def test_a_hostile_run_id_links_below_the_index_or_nowhere(name: str) -> None:
    html = render_index([summarize(replace(flights(1), run_id=name, pipeline=name), f"{name}/report.html")])
    links = [href for href in assert_inert(html).values("href") if not href.startswith("#")]
    assert all(re.fullmatch(r"\./[\w.%/~-]+", link, re.ASCII) and ".." not in link.split("/") for link in links)
    assert len(links) == (0 if {"", ".", ".."} & set(name.split("/")) else 1)


def test_an_index_of_no_runs_says_so() -> None:
    assert "No run yet." in Page(render_index([])).text


def test_very_many_runs_are_cut_and_counted() -> None:
    run = summarize(flights(1), "x")
    html = render_index([replace(run, run_id=f"{number}") for number in range(RUNS + 7)])
    assert "7 older ones are not listed." in html
    assert html.count('class="run"') == RUNS


@SLOW
@given(report=reports)
def test_every_report_has_a_line_in_the_index_and_a_notebook_view(report: GateReport) -> None:
    assert_inert(render_index([summarize(report, report.run_id)]))
    fragment = repr_html(report)
    page = Page(fragment)
    assert not page.tags & {"script", "html", "body", "link", "img", "a"}
    assert not page.ids
    assert fragment.replace("\n", "").isprintable()


def test_the_notebook_view_styles_nothing_but_itself() -> None:
    fragment = repr_html(flights())
    style = fragment[fragment.index("<style>") + 7 : fragment.index("</style>")]
    selectors = [part.strip() for rule in re.findall(r"([^{}]+)\{", style) for part in re.split(r",(?![^(]*\))", rule)]
    assert selectors and all(selector.startswith(".rp-gate") for selector in selectors)


def test_the_notebook_view_says_the_verdict_the_failures_and_the_commands() -> None:
    text = Page(repr_html(flights())).text
    assert text.index("Held back: 1 day of departures.") < text.index("Volume of a day")
    assert "ray-pipeline held release departures 2013-02-09 --reason TEXT" in text
