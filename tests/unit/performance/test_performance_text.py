"""A model's performance as people read it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ray_pipeline.model.fates import Fates
from ray_pipeline.model.metrics import measure
from ray_pipeline.runtime.predictions.performance import Performance, PerformanceReport
from ray_pipeline.runtime.predictions.performance_text import metrics_line
from ray_pipeline.types import Outcome

RANDOM = np.random.default_rng(1)
SAID = RANDOM.random(400)
METRICS = measure(RANDOM.random(400) < SAID, SAID, np.arange(400) // 100, resamples=50, seed=3)
FATES = Fates(500, 400, 20, 5, 3, 2, {"cancelled": 60, "diverted": 10})
REPORT = PerformanceReport(
    model="late_arrival",
    version=None,
    label_sets=("late_arrival",),
    outcomes=("arrivals",),
    deadline_hours=24.0,
    watermark_us=1_360_000_000_000_000,
    resamples=50,
    seed=3,
    repeated=4,
    replaced=2,
    repeated_outcomes=1,
    total=Performance("all", FATES, METRICS),
    days=(Performance("2013-02-04", FATES, METRICS), Performance("2013-02-05", Fates(7, 0, 7), None)),
    versions=(Performance("1", FATES, METRICS), Performance("2", Fates(7, 0, 7), None)),
    notices=("5 predictions overdue: <none>",),
)


def test_lines_say_every_count_once_and_in_full() -> None:
    text = "\n".join(REPORT.as_lines())
    assert text.startswith("model         late_arrival: 500 predictions\n")
    for said in (
        "labelled    400 (94.1% of those that may get one)",
        "waiting     20",
        "overdue     5",
        "cancelled   60",
        "diverted    10",
        "no label key  3",
        "no label in the outcome  2",
        "4 answers more to requests that had one; the first counts",
        "2 outcomes replaced by a correction",
        "1 outcome published again, unchanged",
        "24 hours after the moment asked, judged at 2013-02-04T17:46:40Z",
        "notice: 5 predictions overdue",
    ):
        assert said in text, said


def test_the_table_has_a_line_for_each_day_each_version_and_all() -> None:
    lines = list(REPORT.as_lines())
    start = next(i for i, line in enumerate(lines) if line.lstrip().startswith("asked"))
    table = lines[start : start + 6]
    assert [line.split("  ")[0].strip() for line in table[1:]] == [
        "2013-02-04",
        "2013-02-05",
        "version 1",
        "version 2",
        "all",
    ]
    assert len({len(line) for line in table}) == 1
    assert table[2].rstrip().endswith("–")
    assert f"{METRICS.auc.value:.3f} [{METRICS.auc.low:.3f}, {METRICS.auc.high:.3f}]" in table[1]


def test_the_outcome_is_unknown_until_something_has_a_label() -> None:
    assert REPORT.outcome is Outcome.HELD
    waiting = replace(REPORT, total=Performance("all", Fates(7, 0, 7), None), watermark_us=None)
    assert waiting.outcome is Outcome.UNKNOWN
    assert "no outcome has landed yet" in "\n".join(waiting.as_lines())


def test_a_page_shows_no_foreign_markup() -> None:
    page = REPORT._repr_html_()
    assert "&lt;none&gt;" in page
    assert "<none>" not in page
    assert page.count("<tr>") == 6


def test_json_has_the_same_numbers() -> None:
    said = REPORT.to_json()
    assert said["all"]["predictions"] == 500
    assert said["all"]["metrics"]["auc"]["value"] == METRICS.auc.value
    assert said["bootstrap"] == {"resamples": 50, "seed": 3, "all": "days", "one day": "rows"}


def test_metrics_of_a_version_fit_in_a_line() -> None:
    line = metrics_line(METRICS.to_json())
    assert line.startswith("400 rows, AUC 0.")
    assert "Brier 0." in line
    assert metrics_line({}) == ""
