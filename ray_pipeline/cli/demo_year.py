"""What ``ray-pipeline demo --year`` prints: a line for each month as it ends, then table, reasons and seconds."""

from __future__ import annotations

import shlex
import textwrap
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from ray_pipeline.text import count, visible

from .console import note, out, print_line

if TYPE_CHECKING:
    from ray_pipeline.demo.year_report import Month, YearReport
    from ray_pipeline.model.metrics import Measure
    from ray_pipeline.report.year_page import YearMonth
    from ray_pipeline.types import Outcome

DEFAULT_FOLDER = Path(".demo-year")
CONFIG = Path("configs/year.yaml")
TABLE_WIDTH = 130
MOST_REASONS = 40


def run(folder: Path | None, months: str) -> Outcome:
    """Run the year, print what it did, and return its outcome; ``UsageError`` where ``months`` are none."""
    from ray_pipeline.demo.year_plan import YearPlan

    plan = YearPlan.of(months)  # before anything heavy is imported
    from ray_pipeline.demo.year import run_year

    chosen = folder or DEFAULT_FOLDER
    report = run_year(chosen.absolute(), CONFIG, plan=plan, say=note, on_month=_tell)
    print_table(report)
    print_reasons(report)
    print_where(report, chosen)
    for surprise in report.surprises:
        note(surprise)
    return report.outcome


def _tell(month: Month) -> None:
    found = month.compared
    auc = "no labels yet"
    if found.loop is not None and found.frozen is not None:
        auc = f"AUC {_value(found.loop.auc)}"
        if found.difference is not None:
            auc += f", of the first model {_value(found.frozen.auc)}"
    kinds = Counter(mark.kind for mark in month.marks)
    happened = ", ".join(count(number, kind) for kind, number in kinds.items()) or "nothing happened"
    answered = f"{month.answered.champion} answered {month.answered.published:,} questions"
    note(f"{month.start:%B}: {answered}, {auc}; {happened}")


def print_table(report: YearReport) -> None:
    """Print the first model against the loop, month by month."""
    from rich.table import Table

    from ray_pipeline.demo.year_story import month_rows, notices, total_row

    console = out()
    width = min(console.width, TABLE_WIDTH)
    table = Table(title=f"{report.first}, which stays, against the loop", title_justify="left")
    table.add_column("month")
    table.add_column("champion")
    for column in ("labelled", "late", "AUC stays", "loop", "difference", "log loss stays", "loop", "difference"):
        table.add_column(column, justify="right")
    for row in (*month_rows(report), total_row(report)):
        table.add_row(*_cells(row), end_section=row.name == report.months[-1].name)
    console.print(table, width=width)
    every = (
        "every flight" if report.plan.ask_every == 1 else f"one flight of {report.plan.ask_every}, by a hash of its id,"
    )
    print_line(
        f"{sum(report.plan.published.values()):,} events flowed; {every} was asked about, an hour before it was to "
        "leave. Differences are the"
    )
    print_line("loop's minus those of the model that stays, with 95 % intervals of a paired bootstrap over days.")
    for line in notices(report):
        for part in textwrap.wrap(visible(line), width):
            print_line(part)


def _cells(row: YearMonth) -> list[str]:
    cells = [row.name, row.champion]
    if row.loop is None or row.frozen is None:
        return [*cells, "0", *["–"] * 7]
    cells += [f"{row.loop.rows:,}", f"{row.loop.base_rate.value or 0:.1%}"]
    for name in ("auc", "log_loss"):
        cells += [_value(getattr(row.frozen, name)), _value(getattr(row.loop, name))]
        cells.append("same model" if row.difference is None else _difference(getattr(row.difference, name)))
    return cells


def print_reasons(report: YearReport) -> None:
    """Print why each model was replaced, and why others were not."""
    print_line()
    print_line("What happened, and why:" if report.marks else "Nothing happened: no alarm, and no training.")
    for mark in report.marks[:MOST_REASONS]:
        lines = textwrap.wrap(visible(mark.text), TABLE_WIDTH - 24, break_on_hyphens=False)
        for number, line in enumerate(lines):
            head = f"{mark.at:%Y-%m-%d}  {mark.kind:<10}" if number == 0 else " " * 22
            print_line(f"{head}  {line}")
    if len(report.marks) > MOST_REASONS:
        print_line(f"and {len(report.marks) - MOST_REASONS} more on the page")
    print_line(
        f"{count(report.windows, 'window')} of a week judged for drift, {report.in_alarm} with their subject in alarm."
    )


def print_where(report: YearReport, folder: Path) -> None:
    """Print the seconds, what was proven, and what to try next."""
    print_line()
    print_line("Seconds by stage: " + ", ".join(f"{stage} {took:.1f}" for stage, took in report.timings.items()))
    print_line(f"{report.seconds:.0f} s in all.")
    print_line()
    print_line(f"verify --quick: {report.verified.outcome.name.lower()}; no record was judged again")
    print_line(f"Page             {report.page.as_uri()}")
    print_line(f"Lake             {folder / 'lake' / 'flights'}")
    print_line()
    print_line("Try next, no broker needed:")
    where = "" if folder == DEFAULT_FOLDER else f"LAKE={shlex.quote(str(folder.absolute() / 'lake'))} "
    for command in ("drift status", "retrain log", "model list late_arrival", "verify"):
        print_line(f"  {where}.venv/bin/ray-pipeline {command} --config {CONFIG}")


def _value(measure: Measure) -> str:
    return "–" if measure.value is None else f"{measure.value:.4f}"


def _difference(measure: Measure) -> str:
    if measure.value is None:
        return "–"
    span = "" if measure.low is None else f"\n{measure.low:+.3f} to {measure.high:+.3f}"
    return f"{measure.value:+.4f}{span}"
