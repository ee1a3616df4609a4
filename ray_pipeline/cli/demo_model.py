"""What the demo prints of its model: how good it is, one answer over HTTP, and what became of all its answers."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from statistics import median, quantiles
from typing import TYPE_CHECKING

from ray_pipeline.text import count, visible

from .console import out, print_line

if TYPE_CHECKING:
    from ray_pipeline.demo.model import ModelStory
    from ray_pipeline.demo.run import DemoReport

TABLE_WIDTH = 110
LEAST_DAYS = 5


def print_model(report: DemoReport) -> None:
    """Print what was trained, what it answered, and how right it was; or why there is no model."""
    width = min(out().width, TABLE_WIDTH)
    if report.model is None:
        said = [_too_short(report.plan.days)]
    else:
        said = [paragraph(report.model) for paragraph in (_trained, _live, _landed, _performance, _same)]
    print_line()
    for paragraph in said:
        for line in textwrap.wrap(paragraph, width, break_on_hyphens=False, break_long_words=False):
            print_line(visible(line))


def _too_short(days: int) -> str:
    return (
        f"No model: a stretch of {count(days, 'day')} is too short to train on the first days, calibrate on later ones "
        f"and test on the last that is published. With --days {LEAST_DAYS} there is one."
    )


def _trained(story: ModelStory) -> str:
    version = story.trained.version
    strongest = ", ".join(str(one["name"]) for one in version.importance[:3])
    test = version.metrics[version.spec["splits"]["test"]]
    return (
        f"Model {version.shown}: {count(len(version.columns), 'column')}, trained on "
        f"{story.trained.rows[version.spec['splits']['fit']]:,} flights. On the {test['rows']:,} of the last days, "
        f"which it has not seen: AUC {_measure(test['auc'])}, Brier {_measure(test['brier'])} where "
        f"{test['base_rate']['value']:.0%} are late. What it leans on most: {strongest}. Champion, because it is the "
        f"first one."
    )


def _live(story: ModelStory) -> str:
    asked, answer = story.asked, story.answered
    seconds = sorted(story.seconds)
    slow = quantiles(seconds, n=20)[-1] if len(seconds) > 1 else seconds[0]
    missing = [name for name, found in answer["features"].items() if found["status"] != "PRESENT"]
    lacks = f"without {', '.join(missing)}" if missing else "all features present"
    return (
        f"Over HTTP, POST /predict: {asked['carrier']} from {asked['origin']} to {asked['destination']}, "
        f"{asked['tail_number']}, late with probability {answer['probability']:.2f} ({lacks}, version "
        f"{answer['model']['version']}, request {answer['request_id']}). {story.live} such questions, one after the "
        f"other: median {median(seconds) * 1000:.0f} ms, 95 % within {slow * 1000:.0f} ms, for the one who asks."
    )


def _landed(story: ModelStory) -> str:
    [gated] = story.gated.datasets
    return (
        f"Each of the {story.answers:,} answers is an event of its topic: {story.landed:,} landed, "
        f"{gated.published:,} of them published by the gate, {sum(day.held for day in gated.days):,} wait for their "
        f"day to end."
    )


def _performance(story: ModelStory) -> str:
    total = story.performance.total
    kinds = "".join(f", {number:,} {kind}" for kind, number in total.fates.without_label().items() if number)
    said = "" if total.metrics is None else f"; of the labelled ones AUC {_measure(total.metrics.to_json()['auc'])}"
    return (
        f"Joined with the arrivals that landed: {total.fates.labelled:,} have their label, {total.fates.waiting:,} "
        f"still wait, {total.fates.overdue:,} overdue{kinds}{said}."
    )


def _same(story: ModelStory) -> str:
    same = story.same
    equal = same.compared - same.explained - same.different
    rebuilt = sum(one.same.requests for one in same.versions)
    said = (
        f"The features that it saw, built once more from the offline tables: {same.compared:,} values of "
        f"{count(rebuilt, 'answer')} compared, {equal:,} equal, {same.explained:,} explained by rows that the gate "
        f"kept back, {same.different:,} different."
    )
    why = {reason: number for one in same.versions for reason, number in one.not_rebuilt.items()}
    return said + "".join(f" {count(number, 'answer')} not rebuilt: {reason}." for reason, number in why.items())


def _measure(found: dict[str, float | None]) -> str:
    value, low, high = found["value"], found["low"], found["high"]
    if value is None:
        return "not defined"
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f} ({low:.3f} to {high:.3f})"


def next_model_commands(report: DemoReport) -> Iterator[str]:
    """Yield what to try next with the model."""
    if report.model is not None:
        yield "model show late_arrival"
        yield "model performance late_arrival"
        yield f"predictions show {report.model.answered['request_id']}"
