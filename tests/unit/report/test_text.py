"""The report in a terminal, and its sentences."""

from __future__ import annotations

import doctest
import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from ray_pipeline.report import sentences, text, words
from ray_pipeline.report.sentences import headline, summary
from ray_pipeline.report.text import render_text
from ray_pipeline.sla.measure import RowRef
from ray_pipeline.sla.result import Disposition, GateReport, Verdict

from .samples import flights
from .strategies import HOSTILE, reports

SLOW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def test_what_failed_comes_before_what_passed() -> None:
    lines = render_text(flights(), width=140).splitlines()
    assert lines[0].startswith("✗ Held back: 1 day of departures. 33,906 rows published")
    verdicts = [line.split()[0] for line in lines if re.match(r"[✗!…?✓] ", line)][1:]
    order = "✗!…?✓"
    first = verdicts[: verdicts.index("✓") + 1]
    assert first == sorted(first, key=order.index)


def test_value_target_trend_and_where_stand_in_a_row() -> None:
    line = next(line for line in render_text(flights(), width=160).splitlines() if "Volume of a day" in line)
    assert re.search(
        r"✗ broken +Volume of a day +135 rows +between 500 and 1,200 \(both included\) +[▁-█]+ +9 Feb", line
    )


def test_commands_are_never_folded() -> None:
    lines = render_text(flights(), width=40).splitlines()
    assert "  ray-pipeline held release departures 2013-02-09 --reason TEXT" in lines


def test_the_channel_of_the_contract_is_in_the_verdict() -> None:
    assert (
        "tell flights-data (email, mailto:flights-data@flights.example) about departures and arrivals"
        in render_text(flights(), width=120)
    )


@pytest.mark.parametrize("width", [40, 80, 100, 160])
def test_tables_keep_to_the_width(width: int) -> None:
    lines = render_text(flights(), width=width).splitlines()
    tables = [line for line in lines if re.match(r"[✗!…?✓] |verdict", line)]
    assert max(map(len, tables)) <= width


def test_colour_is_asked_for() -> None:
    assert "\x1b" not in render_text(flights(2), color=False)
    assert "\x1b[" in render_text(flights(2), color=True)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_cannot_steer_the_terminal(name: str) -> None:
    report = flights(2)
    checks = tuple(replace(check, name=name, target=name, detail=name) for check in report.datasets[0].days[0].checks)
    day = replace(report.datasets[0].days[0], checks=checks)
    hostile = replace(report.datasets[0], dataset=name, days=(day,), problems=(name,))
    shown = render_text(replace(report, report_uri=name, datasets=(hostile,)))
    assert shown.replace("\n", "").isprintable()


@SLOW
@given(report=reports)
def test_every_report_can_be_printed(report: GateReport) -> None:
    assert render_text(report, width=90).replace("\n", "").isprintable()


def test_all_well_is_said_only_where_all_is_well() -> None:
    report = flights(4)
    good = tuple(
        replace(dataset, checks=(), days=tuple(day for day in dataset.days if not day.quarantined))
        for dataset in report.datasets
    )
    assert summary(replace(report, datasets=good)).startswith("Everything holds. ")
    pending = replace(good[0].days[0], disposition=Disposition.PENDING, held=9, published=0, quarantined=0)
    waiting = replace(report, datasets=(replace(good[0], days=(pending,)),))
    assert summary(waiting) == "Nothing broken; waiting: 1 day of departures. 0 rows published, 9 waiting."
    assert headline(replace(report, datasets=())) == "Nothing new to judge."


def test_a_lake_where_nothing_ever_landed_is_not_one_without_news() -> None:
    report = flights(2)
    known = tuple(replace(dataset, days=(), checks=()) for dataset in report.datasets)
    assert headline(replace(report, datasets=known)) == "Nothing new to judge."
    never = tuple(replace(dataset, landed=0) for dataset in known)
    assert headline(replace(report, datasets=never)) == "Nothing has landed yet."


def test_what_became_of_released_rows_is_said() -> None:
    report = flights(2)
    only = replace(report.datasets[0], days=(), checks=(), released=2, refused=1)
    said = "2 released rows published. 1 released row still breaks its checks and stays quarantined."
    assert summary(replace(report, datasets=(only,))) == f"Nothing new to judge. {said}"
    both = replace(report.datasets[0], released=2, refused=1)
    assert summary(replace(report, datasets=(both,))).endswith(f" rows published. {said}")
    dry = replace(report, datasets=(replace(only, refused=0),), dry_run=True)
    assert summary(dry) == "Nothing new to judge. 2 released rows would be published."


def test_below_the_table_is_what_was_seen_and_why_a_check_could_not_be_judged() -> None:
    report = flights(2)
    day = report.datasets[0].days[0]
    places = (RowRef("departures", 0, 41), RowRef("vendor.parquet", -1, 7))
    broken = replace(day.checks[0], check="a", name="A", severity="error", verdict=Verdict.FAILED, detail="Two.")
    unknown = replace(day.checks[0], check="b", name="B", verdict=Verdict.UNKNOWN, detail="It has no such column.")
    no_history = replace(day.checks[0], check="c", name="C", verdict=Verdict.NO_HISTORY, detail="2 days known.")
    checks = (replace(broken, examples=places), unknown, no_history)
    dataset = replace(report.datasets[0], days=(replace(day, checks=checks),), checks=())
    shown = render_text(replace(report, datasets=(dataset,)), width=140)
    assert (
        f"✗ A, {words.day_words(broken.day or '')}: Two. For example departures 0:41 and vendor.parquet row 7." in shown
    )
    assert "? B: It has no such column." in shown
    assert "2 days known" not in shown


def test_a_dataset_check_that_broke_is_named() -> None:
    report = flights(2)
    fresh = replace(report.datasets[0].checks[0], severity="error", verdict=Verdict.FAILED)
    broken = replace(report, datasets=(replace(report.datasets[0], days=(), checks=(fresh,)),))
    assert headline(broken) == "Broken: Freshness of departures."
    assert "tell flights-data" in render_text(broken)


def test_a_dry_run_says_what_would_happen() -> None:
    shown = render_text(replace(flights(), dry_run=True), width=120)
    assert "Would be held back: 1 day of departures. 33,906 rows would be published" in shown
    assert "A dry run: nothing was published" in shown
    assert "ray-pipeline" not in shown


def test_rows_that_were_quarantined_are_said_where_no_day_is_held() -> None:
    report = replace(flights(), datasets=flights().datasets[2:])
    assert summary(report) == "1 row quarantined, the rest holds. 1,424 rows published, 1 quarantined."


@pytest.mark.parametrize("module", [words, text, sentences])
def test_the_examples_of_the_docstrings_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
