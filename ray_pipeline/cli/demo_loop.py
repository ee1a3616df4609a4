"""What the demo prints of the loop: what moved, how the model errs, and what the controller would do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

from ray_pipeline.text import count, visible

from .console import out, print_line

if TYPE_CHECKING:
    from rich.table import Table

    from ray_pipeline.demo.loop import LoopStory
    from ray_pipeline.demo.plan import DemoPlan
    from ray_pipeline.demo.run import DemoReport
    from ray_pipeline.runtime.drift.log import WindowRecord
    from ray_pipeline.runtime.drift.standing import SubjectWatch

TABLE_WIDTH = 110
PLANTED, COLUMN = "departures", "distance_miles"
_INDENT = 13


def print_loop(report: DemoReport) -> None:
    """Print what drift made of each day, the champion's errors, and the controller's decision; nothing without a model.

    Nothing is printed of a table either where the stretch is too short for a day to be judged.
    """
    story = report.loop
    if story is None:
        return
    console = out()
    width = min(console.width, TABLE_WIDTH)
    print_line()
    if story.watched.closed:
        console.print(_table(story), width=width)
    for word, said in _told(story, report.plan):
        for line in textwrap.wrap(
            f"{word:<{_INDENT}}{said}",
            width,
            subsequent_indent=" " * _INDENT,
            break_on_hyphens=False,
            break_long_words=False,
        ):
            print_line(visible(line))


def _table(story: LoopStory) -> Table:
    from rich.table import Table

    table = Table(title="What drift made of the days after the first two weeks", title_justify="left")
    table.add_column("dataset")
    for column in ("usual days", "rows", "days judged", "moved"):
        table.add_column(column, justify="right")
    table.add_column("alarm")
    for one in story.watched.subjects:
        if one.baseline is not None:
            table.add_row(*_row(one))
    return table


def _row(one: SubjectWatch) -> tuple[str, ...]:
    assert one.baseline is not None, "asked of those that have one"
    judged = [record.verdict for record in one.series if record.verdict.drift is not None]
    last = one.last
    said = "its first day is not over" if last is None else "ALARM" if last.alarm.fired else "no alarm"
    base = one.baseline.baseline
    moved = sum(bool(found.drift) for found in judged)
    return one.subject, str(len(base.blocks)), f"{base.rows:,}", str(len(judged)), str(moved), said


def _told(story: LoopStory, plan: DemoPlan) -> Iterator[tuple[str, str]]:
    from ray_pipeline.runtime.drift.text import moved_words

    if not story.watched.closed:
        yield "drift", "No day is over that could be compared with two weeks before it."
    for record in story.watched.closed:
        if record.verdict.drift:
            day = date.fromisoformat(record.verdict.window.first)
            subject = record.verdict.subject
            planted = subject == PLANTED and day == plan.kilometres_on
            yield "moved", f"{subject}, {day.day} {day:%b}: {moved_words(record)}.{_why(story, record, planted)}"
    concept = story.status.concept
    if concept is not None:
        loss = "" if concept.loss is None else f"; log loss {concept.loss:.3f}"
        before = "" if concept.reference is None else f", {concept.reference.mean:.3f} at training"
        yield "errors", f"{concept.model}/{concept.version}: {concept.headline()}{loss}{before}."
    yield "retraining", f"{story.step.decision.action}, {story.step.decision.reason}."
    for signal in story.step.decision.evidence.get("signals", ()):
        yield "", f"{signal['name']}: {signal['said']}."


def _why(story: LoopStory, record: WindowRecord, planted: bool) -> str:
    """Say what is known of a day that moved: that it was planted, and what an alarm takes."""
    said = " The planted kilometres: the day that the gate holds." if planted else ""
    least, last = story.config.drift.windows
    return said if record.alarm.fired else f"{said} An alarm takes {least} of {count(last, 'day')}."


def next_loop_commands(report: DemoReport) -> Iterator[str]:
    """Yield what to try next with the loop."""
    if report.loop is None:
        return
    at = f"{report.plan.ends_at:%Y-%m-%dT%H:%M:%SZ}"
    yield f"drift status --at {at}"
    if any(one.verdict.subject == PLANTED and one.verdict.drift for one in report.loop.watched.closed):
        yield f"drift explain {PLANTED} {COLUMN} --window {report.plan.kilometres_on}"
    yield f"retrain --dry-run --at {at}"
