"""What the demo prints of its gate: a table of fates, findings in words, where the report is, who read it back."""

from __future__ import annotations

import shlex
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from ray_pipeline.text import count, visible

from .console import out, print_line

if TYPE_CHECKING:
    from rich.table import Table

    from ray_pipeline.demo.run import DemoReport
    from ray_pipeline.sla.result import DatasetResult

TABLE_WIDTH = 110
REASON = "They sent kilometres; we use the route, not the distance."
_INDENT = 13
_STYLES = {"held": "bold red", "quarantined": "red", "waiting": "blue", "warning": "yellow"}


def print_gate(report: DemoReport) -> None:
    """Print what became of every landed row, why, and that it is there for others."""
    from ray_pipeline.demo.story import findings

    console = out()
    width = min(console.width, TABLE_WIDTH)
    print_line()
    console.print(_table(report), width=width)
    print_line(f"The gate's clock is the end of the replay, {report.plan.ends_at:%Y-%m-%d %H:%M} UTC. What it found:")
    told, more = findings(report.gated)
    for finding in told:
        _print_wrapped(f"{finding.where}: {finding.what}", width, finding.fate)
    if more:
        _print_wrapped(f"{count(more, 'more warning')} in the report.", width, "and")
    print_line()
    _print_exit(report, width)
    print_line()
    if report.gated.report_uri is not None:
        print_line(f"Gate report      {Path(report.gated.report_uri).as_uri()}")
        print_line(f"All gate runs    {Path(report.index).as_uri()}")
    for name, read in report.read_back.items():
        print_line(f"Read back        polars reads {count(read.polars, 'row')} of {name}, DuckDB {read.duckdb:,}")


def next_commands(report: DemoReport) -> list[str]:
    """Return what to try on the gate's books; the last ones release the day in kilometres."""
    at = f"{report.plan.ends_at:%Y-%m-%dT%H:%M:%SZ}"
    commands = ["held list", "quarantine list"]
    rows = {name: fate.quarantined for name, fate in report.fates.items() if fate.quarantined}
    if rows:
        commands.append(f"quarantine show {min(rows, key=lambda name: rows[name])} --payload")
    commands.append("curated departures")
    planted = str(report.plan.kilometres_on)
    for name, fate in report.fates.items():
        if planted in fate.held:
            commands.append(f"held release {name} {planted} --reason {shlex.quote(REASON)}")
            commands.append(f"gate {name} --at {at}")
    return commands


def _print_exit(report: DemoReport, width: int) -> None:
    from ray_pipeline.report.sentences import counts

    code = int(report.gated.outcome)
    said = f"{counts(report.gated)} Every landed row is exactly one of these."
    if code == 1:
        said += " The gate's own exit code is 1, because error checks broke: that is for a scheduler."
    if not report.surprises:
        said += " The demo's is 0, because all of it is what the seed foretells."
    for line in textwrap.wrap(said, width):
        print_line(visible(line))


def _print_wrapped(text: str, width: int, fate: str) -> None:
    """Print a paragraph beside the word that says what it is about."""
    from rich.text import Text

    console = out()
    whole = visible(text).replace(" %", "~%")  # a number and its unit stay on one line
    for number, line in enumerate(textwrap.wrap(whole, width - _INDENT, break_on_hyphens=False)):
        word = fate if number == 0 else ""
        console.print(
            Text.assemble((f"{word:<{_INDENT}}", _STYLES.get(fate, "")), line.replace("~%", " %")), soft_wrap=True
        )


def _table(report: DemoReport) -> Table:
    from rich.table import Table

    table = Table(title="What the gate made of every landed row", title_justify="left")
    table.add_column("dataset")
    for column in ("days", "published", "quarantined", "held", "waiting"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    for found in report.gated.datasets:
        waiting = sum(report.waiting(found.dataset).values())
        table.add_row(
            found.dataset,
            f"{len(found.days):,}",
            f"{found.published:,}",
            f"{found.quarantined:,}",
            f"{found.held - waiting:,}",
            f"{waiting:,}",
            _verdict(report, found),
        )
    return table


def _verdict(report: DemoReport, found: DatasetResult) -> str:
    said = []
    if held := report.held(found.dataset):
        said.append(f"{count(len(held), 'day')} held back")
    if found.quarantined:
        said.append(f"{found.quarantined:,} set aside")
    if waiting := report.waiting(found.dataset):
        said.append(f"{count(len(waiting), 'day')} not over")
    return ", ".join([*found.problems, *said]) or "all of it holds"
