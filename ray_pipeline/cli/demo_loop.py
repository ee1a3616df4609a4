"""What the demo prints of the loop: which windows moved, and what the controller would do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ray_pipeline.text import visible

from .console import out, print_line

if TYPE_CHECKING:
    from ray_pipeline.demo.loop import LoopStory
    from ray_pipeline.demo.run import DemoReport

TABLE_WIDTH = 110


def print_loop(report: DemoReport) -> None:
    """Print what the watch said of each dataset's last week, and the controller's decision; nothing without a model."""
    if report.loop is None:
        return
    width = min(out().width, TABLE_WIDTH)
    print_line()
    for paragraph in _paragraphs(report.loop):
        for line in textwrap.wrap(paragraph, width, break_on_hyphens=False, break_long_words=False):
            print_line(visible(line))


def _paragraphs(story: LoopStory) -> Iterator[str]:
    from ray_pipeline.runtime.drift.text import sentence

    closed = story.watched.closed
    for record in closed:
        yield f"Drift, {sentence(record)}."
    if not closed:
        yield "Drift: every dataset has its baseline, and no week is over that could be compared with it."
    yield f"Retraining: {story.step.decision.action}, {story.step.decision.reason}."


def next_loop_commands(report: DemoReport) -> Iterator[str]:
    """Yield what to try next with the loop."""
    if report.loop is not None:
        yield "drift status"
        yield "retrain run --dry-run"
