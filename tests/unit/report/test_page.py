"""The page of a run: one file, for everybody, whatever the data is called."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings

from ray_pipeline.contracts.expectations import SupportChannel
from ray_pipeline.report.page import linkable, render
from ray_pipeline.sla.measure import RowRef
from ray_pipeline.sla.result import ColumnProfile, Disposition, GateReport, Verdict

from .html_reader import Page
from .samples import contract_texts, flights, wide
from .strategies import HOSTILE, reports

SLOW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
_TAGS = """
html head meta title style body svg defs pattern rect circle symbol path use g text polyline div header footer main nav
section h1 h2 h3 h4 p span b i br a bdi code ul ol li dl dt dd time table colgroup col thead tbody tr th td details
summary
"""
ALLOWED = set(_TAGS.split())


@pytest.fixture(scope="module")
def flights_html() -> str:
    return render(flights(), contract_texts=contract_texts())


def assert_inert(html: str) -> Page:
    page = Page(html)
    assert page.tags <= ALLOWED, page.tags - ALLOWED
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name in ("src", "srcset", "srcdoc")]
    links = {value for _, name, value in page.attributes if name in ("href", "xlink:href")}
    assert all(link.startswith(("#", "./")) or linkable(link) for link in links)
    assert {link[1:] for link in links if link.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert not re.search(r"url\((?!#)", html)
    assert "@import" not in html
    shown = html.replace("\n", "")
    assert shown.isprintable(), [char for char in shown if not char.isprintable()][:5]
    html.encode("utf-8")
    return page


def test_the_page_is_one_file_that_fetches_nothing_and_runs_nothing(flights_html: str) -> None:
    page = assert_inert(flights_html)
    policy = next(value for value in page.values("content") if "default-src" in value)
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    assert "script-src" not in policy and "script" not in page.tags


def test_the_contracts_stand_at_the_bottom(flights_html: str) -> None:
    text = Page(flights_html).text
    last = max(text.rindex(word) for word in ("Not judged", "How to read this page"))
    assert last < text.index("Contract of departures") < text.index("Contract of weather")


def test_the_verdict_comes_first_and_says_who_to_tell(flights_html: str) -> None:
    text = Page(flights_html).text
    sentence = "Held back: 1 day of departures. 33,906 rows published, 14 quarantined, 135 held, 1,651 waiting."
    assert sentence in re.sub(r"\s+", " ", text)
    assert text.index("Held back") < text.index("Who to tell") < text.index("Checks")
    assert 'href="mailto:flights-data@flights.example"' in flights_html


def test_headings_start_with_one_and_skip_no_level(flights_html: str) -> None:
    headings = Page(flights_html).headings
    assert headings.count(1) == 1 and headings[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))


def test_each_check_links_to_its_line_of_the_contract(flights_html: str) -> None:
    found = re.search(r'<a href="#(d1-l(\d+))">contract line \2</a>', flights_html)
    assert found
    line = contract_texts()["departures"].splitlines()[int(found[2]) - 1]
    assert re.search(
        rf'<li id="{found[1]}" class="hit bad"><b>{found[2]}</b><code>{re.escape(line)}</code>', flights_html
    )
    without = render(flights())
    assert "contract line" in without and "#d1-l" not in without


def test_quarantined_rows_come_with_the_command_that_shows_them(flights_html: str) -> None:
    assert (
        "ray-pipeline quarantine show weather --day 2013-02-12 --check wind-speed-plausible" in Page(flights_html).text
    )
    assert "quarantine show" not in render(replace(flights(), dry_run=True))


def test_a_row_of_a_file_is_named_by_its_number() -> None:
    report = flights()
    weather = report.datasets[2]
    day = weather.days[8]
    check = replace(day.checks[0], examples=(RowRef("part-7.parquet", -1, 41),))
    days = (replace(day, checks=(check,)),)
    page = Page(render(replace(report, datasets=(replace(weather, days=days),))))
    assert "part-7.parquet row 41" in page.text


def test_rows_of_a_held_day_are_not_looked_for_in_the_quarantine() -> None:
    report = flights()
    weather = report.datasets[2]
    held = replace(weather.days[8], disposition=Disposition.HELD)
    text = Page(render(replace(report, datasets=(replace(weather, days=(held,)),)))).text
    assert "held release weather 2013-02-12" in text and "quarantine show" not in text


def test_what_passed_is_folded_and_what_did_not_is_not(flights_html: str) -> None:
    for name, inside in (("Volume of a day", False), ("One event for each flight", True)):
        at = flights_html.index(f'<bdi class="name">{name}</bdi>')
        before = flights_html[:at]
        assert (before.count("<details") > before.count("</details>")) is inside


def test_a_classified_column_shows_no_value_even_where_the_report_holds_one() -> None:
    secret = ColumnProfile(
        "passport", "string", 9, 0, "AA-lowest", "ZZ-highest", ((31337.0, 31338.0, 9),), (("QQ-commonest", 9),), 9, True
    )
    report = flights(2)
    html = render(replace(report, datasets=(replace(report.datasets[0], profile=(secret,)),)))
    assert "passport" in html and "Classified in the contract: its values are not shown." in html
    assert not re.search("AA-lowest|ZZ-highest|QQ-commonest|31,?337", html)


def test_what_could_not_be_judged_is_listed_with_its_reason(flights_html: str) -> None:
    text = Page(flights_html).text
    assert "Retention of 3 years" in text and "The lake is younger than that" in text
    assert "The query took longer than 60 s and was stopped." in text


def test_error_bounds_offsets_and_timings_are_shown(flights_html: str) -> None:
    text = Page(flights_html).text
    assert "within 1 %" in text and "offsets 5,300 up to" in text and "measure14.2 s" in text.replace("\n", "")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_wherever_it_stands(name: str) -> None:
    report = flights(3)
    changed = []
    for dataset in report.datasets:
        days = tuple(
            replace(
                day,
                reasons=(name,),
                checks=tuple(
                    replace(
                        check,
                        check=f"{name}{index}",
                        name=name,
                        kind=name,
                        target=name,
                        detail=name,
                        column=name,
                        dimension=name,
                        unit=name,
                        error_bound=name,
                        examples=(RowRef(name, 0, 1),),
                        key=name,
                    )
                    for index, check in enumerate(day.checks)
                ),
            )
            for day in dataset.days
        )
        profile = ColumnProfile(name, name, 3, 1, name, name, (), ((name, 2),))
        changed.append(
            replace(
                dataset,
                dataset=name,
                topic=name,
                days=days,
                profile=(profile,),
                contract_file=name,
                table=name,
                support=(SupportChannel(name, name, name),),
                problems=(name,),
            )
        )
    texts = {name: f"line: {name}\nmore"}
    html = render(
        replace(report, run_id=name, pipeline=name, version=name, datasets=tuple(changed), timings={name: 1.0}),
        contract_texts=texts,
    )
    page = assert_inert(html)
    assert not [cell for cell in page.cells if cell.strip().startswith(("=", "+", "@"))]
    assert "\x1b" not in html and "\u202e" not in html and "49" not in page.values("title")


@SLOW
@given(report=reports)
@example(report=flights(0))
def test_every_report_makes_a_page_that_is_whole_and_inert(report: GateReport) -> None:
    texts = {dataset.dataset: "a: 1\nb: <2>\n" * 40 for dataset in report.datasets}
    assert_inert(render(report, contract_texts=texts))


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("mailto:a@b.example", True),
        ("https://a.example/b", True),
        ("javascript:alert(1)", False),
        ("java\tscript:alert(1)", False),
        ("data:text/html,x", False),
        ("//a.example", False),
        ("https://a.example/\u202ex", False),
    ],
)
def test_only_the_web_and_mail_become_links(url: str, allowed: bool) -> None:
    assert linkable(url) is allowed


def test_three_datasets_of_three_weeks_stay_below_a_megabyte() -> None:
    report = wide(days=21, checks=15, datasets=3)
    assert len(render(report, contract_texts=contract_texts()).encode()) < 1_000_000
    assert len(render(flights(), contract_texts=contract_texts()).encode()) < 1_000_000


def test_a_year_of_twenty_checks_is_drawn_fast_and_small_and_says_what_it_left_out() -> None:
    report = wide(days=365, checks=20)
    render(flights(1))  # templates are compiled once
    started = time.process_time()
    html = render(report, contract_texts=contract_texts())
    assert time.process_time() - started < 2
    assert len(html.encode()) < 3_000_000
    text = Page(html).text
    assert "303 older days in the table of days. All of it is in run_results.json." in text
    assert "9 more days held back" in text


def test_more_columns_than_are_drawn_are_counted() -> None:
    report = flights(2)
    dataset = report.datasets[0]
    many = tuple(replace(dataset.profile[0], name=f"column {number}") for number in range(60))
    assert "20 more columns" in render(replace(report, datasets=(replace(dataset, profile=many),)))


def test_a_long_name_is_cut() -> None:
    report = replace(flights(1), run_id="x" * 100_000)
    assert len(render(report)) < 300_000


def test_a_run_that_changed_nothing_looks_calm() -> None:
    dataset = replace(flights(2).datasets[0], days=(), checks=(), profile=(), offsets=())
    text = Page(render(replace(flights(2), datasets=(dataset,)))).text
    assert "Nothing new to judge." in text and "No check was judged." in text
    assert "Who to tell" not in text and "What to do next" not in text


def test_days_are_told_by_words_and_not_by_colour_alone(flights_html: str) -> None:
    titles = Page(flights_html).values("title")
    assert "9 Feb 2013: held, 0 published, 0 quarantined, 135 held" in titles
    assert "24 Feb 2013: pending, 0 published, 0 quarantined, 837 waiting" in titles
    labels = Page(flights_html).values("aria-label")
    assert any(label == "passed on 20 days; broken on 1 day: 9 Feb" for label in labels)


def test_a_single_day_needs_no_matrix_and_many_days_get_a_calendar() -> None:
    assert "Every check on every day" not in render(flights(1))
    assert 'class="calendar"' in render(wide(days=70, checks=2))
    assert 'class="strip"' in render(wide(days=60, checks=2))


def test_files_that_were_only_inspected_are_neither_published_nor_quarantined() -> None:
    report = flights(3)
    weather = flights(9).datasets[2]
    days = tuple(replace(day, disposition=Disposition.INSPECTED, published=0, quarantined=0) for day in weather.days)
    inspected = replace(report, datasets=(replace(weather, days=days, topic="", support=()),))
    text = re.sub(r"\s+", " ", Page(render(inspected)).text)
    rows = sum(day.rows for day in days)
    assert f"Broken: Wind speed is plausible of weather. {rows:,} rows inspected, none published." in text
    assert "quarantine show" not in text and "decided earlier" not in text


def test_an_unfinished_verdict_never_says_that_all_is_well() -> None:
    report = flights(2)
    dataset = report.datasets[0]
    day = replace(
        dataset.days[0],
        disposition=Disposition.PUBLISHED,
        checks=(replace(dataset.days[0].checks[0], verdict=Verdict.UNKNOWN, severity="error"),),
    )
    text = Page(render(replace(report, datasets=(replace(dataset, days=(day,), checks=()),)))).text
    assert "Could not be judged in full: departures." in re.sub(r"\s+", " ", text)
    assert "Everything holds" not in text


def test_columns_of_which_no_row_is_new_are_not_drawn() -> None:
    report = flights(2)
    empty = tuple(replace(profile, type="", rows=0, nulls=0) for profile in report.datasets[0].profile)
    html = render(replace(report, datasets=(replace(report.datasets[0], profile=empty),)))
    assert "What the new rows look like" not in html
    assert "What the new rows look like" in render(report)


def test_ends_of_times_on_several_days_are_days() -> None:
    ends = ("2013-02-04T09:20:00Z", "2013-02-25T05:21:00Z")
    profile = ColumnProfile("at", "timestamp[us, tz=UTC]", 9, 0, *ends)
    report = flights(2)
    html = render(replace(report, datasets=(replace(report.datasets[0], profile=(profile,)),)))
    assert "<bdi>4 Feb 2013</bdi>" in html
    assert "<bdi>25 Feb 2013</bdi>" in html


def _palettes() -> list[dict[str, str]]:
    css = files("ray_pipeline.report").joinpath("templates/style.css").read_text("utf-8")
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[:2]
    light = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[0]))
    return [light, light | dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[1]))]


def _contrast(one: str, two: str) -> float:
    def luminance(color: str) -> float:
        parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", _palettes(), ids=["light", "dark"])
def test_text_keeps_the_contrast_of_wcag_aa(palette: dict[str, str]) -> None:
    tones = ("ok", "bad", "warn", "wait", "dim")
    washes = [f"{tone}-wash" for tone in tones]
    pairs = [(ink, paper) for ink in ("text", "soft", "link") for paper in ("page", "card", "sunk", *washes)]
    pairs += [(tone, paper) for tone in tones for paper in ("page", "card", f"{tone}-wash")]
    weak = {pair: round(found, 2) for pair in pairs if (found := _contrast(palette[pair[0]], palette[pair[1]])) < 4.5}
    assert not weak
    shapes = {
        tone: round(_contrast(palette[tone], palette["card"]), 2) for tone in ("f-ok", "f-bad", "f-wait", "f-hist")
    }
    assert not {tone: found for tone, found in shapes.items() if found < 3}
