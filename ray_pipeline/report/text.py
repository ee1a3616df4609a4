"""A run in a terminal: the sentence, then a table of checks for each dataset, what failed first, then what to do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import TYPE_CHECKING

from ray_pipeline.sla.measure import RowRef
from ray_pipeline.sla.result import DatasetResult, GateReport, Verdict
from ray_pipeline.text import count, visible

from .sentences import contacts, next_steps, remark, summary
from .tally import CheckSeries, Group, series_of
from .words import day_words, listed, quantity, ranges_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

SPARK = "▁▂▃▄▅▆▇█"
_MARKS = {Group.BROKEN: "✗", Group.WARNING: "!", Group.PENDING: "…", Group.UNKNOWN: "?", Group.PASSED: "✓"}
_STYLES = {
    Group.BROKEN: "bold red",
    Group.WARNING: "yellow",
    Group.PENDING: "blue",
    Group.UNKNOWN: "magenta",
    Group.PASSED: "green",
}
_SENTENCES = {0: ("✓", "bold green"), 1: ("✗", "bold red"), 3: ("?", "bold magenta")}


def render_text(report: GateReport, width: int = 100, color: bool = False) -> str:
    """Return a run for a terminal of this width; without ``color`` there is no escape sequence in it.

    What data and contracts say is made visible first: no name of theirs can steer the terminal.
    """
    from rich.console import Console

    console = Console(
        file=StringIO(),
        width=width,
        force_terminal=color,
        no_color=not color,
        color_system="standard" if color else None,
        markup=False,
        highlight=False,
        emoji=False,
        legacy_windows=False,
    )
    with console.capture() as capture:
        print_text(report, console)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def print_text(report: GateReport, console: Console) -> None:
    """Print a run; commands and addresses stay on one line each, for they will be copied."""
    for part in renderables(report, console.width):
        whole = bool(getattr(part, "no_wrap", False))  # print() forgets it, for it joins texts to one
        console.print(part, no_wrap=whole or None, overflow="ignore" if whole else None, crop=not whole)


def renderables(report: GateReport, width: int = 100) -> Iterator[Table | Text]:
    """Yield a run as rich prints it; :func:`print_text` prints it so that no command is folded."""
    from rich.text import Text

    mark, style = _SENTENCES.get(int(report.outcome), ("?", "bold"))
    yield Text.assemble((f"{mark} {visible(summary(report))}", style))
    if note := remark(report):
        yield Text(f"  {note}")
    for contact in contacts(report):
        channel = contact.channel
        how = ", ".join(part for part in (channel.tool, channel.url) if part)
        told = listed(contact.datasets)
        yield Text(visible(f"  tell {channel.channel}" + (f" ({how})" if how else "") + f" about {told}"))
    for dataset in report.datasets:
        yield Text()
        yield from _dataset(dataset, width)
    if steps := next_steps(report):
        yield Text("\nnext:", style="bold")
        for step in steps:
            yield Text(visible(f"  # {step.why}"), style="dim")
            yield _whole(f"  {step.command}")
    if report.report_uri:
        yield Text()
        yield _whole(f"report: {report.report_uri}")


def unicode_spark(values: Sequence[float], most: int = 12) -> str:
    """Return the last values as blocks, from the lowest to the highest of them.

    >>> unicode_spark([1, 5, 3, 9]), unicode_spark([4, 4, 4]), unicode_spark([])
    ('▁▅▃█', '▄▄▄', '')
    """
    shown = [value for value in values if math.isfinite(value)][-most:]
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    if low == high or not math.isfinite(high - low):
        return SPARK[3 if low else 0] * len(shown)
    return "".join(SPARK[min(7, int((value - low) / (high - low) * 8))] for value in shown)


def _whole(line: str) -> Text:
    """Return a line that is never folded, for it will be copied."""
    from rich.text import Text

    return Text(visible(line), no_wrap=True, overflow="ignore")


def _dataset(dataset: DatasetResult, width: int) -> Iterator[Table | Text]:
    from rich.text import Text

    rows = sum(day.new_rows for day in dataset.days)
    facts = f"{count(rows, 'new row')}, {count(len(dataset.days), 'day')}, contract {dataset.contract.version}"
    yield Text.assemble((visible(dataset.dataset), "bold"), visible(f"  {facts}"))
    for problem in dataset.problems:
        yield Text(visible(f"? {problem}"), style="bold magenta")
    series = series_of(dataset)
    if series:
        yield _table(series, width)
        yield from _reasons(series)
    for found in dataset.not_judged:
        line = f" (contract line {found.line})" if found.line else ""
        yield Text(visible(f"- not judged: {found.what}: {found.why}{line}"), style="dim")


def _reasons(series: Sequence[CheckSeries]) -> Iterator[Text]:
    """Yield what was seen where an error check broke, and why a check could not be judged, of the newest such day."""
    from rich.text import Text

    for found in series:
        shown = found.shown
        unjudged = found.group is Group.UNKNOWN and shown.verdict is not Verdict.NO_HISTORY
        if not (unjudged or found.group is Group.BROKEN) or not shown.detail:
            continue
        where = f", {day_words(shown.day)}" if shown.day and not unjudged else ""
        line = f"{_MARKS[found.group]} {shown.name or shown.check}{where}: {shown.detail}"
        if shown.examples:
            line += f" For example {listed([_place(row) for row in shown.examples[:3]])}."
        yield Text(visible(line), style=_STYLES[found.group])


def _place(row: RowRef) -> str:
    return f"{row.source} {row.partition}:{row.offset}" if row.partition >= 0 else f"{row.source} row {row.offset}"


def _table(series: Sequence[CheckSeries], width: int) -> Table:
    from rich.table import Table
    from rich.text import Text

    wide = width >= 76
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", expand=False)
    table.add_column("verdict", no_wrap=True)
    table.add_column("check", ratio=3, overflow="fold")
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("target", ratio=3, overflow="fold")
    if wide:
        table.add_column("trend", no_wrap=True)
        table.add_column("where", ratio=2, overflow="fold")
    for found in series:
        shown = found.shown
        cells = [
            Text(f"{_MARKS[found.group]} {_word(found)}", style=_STYLES[found.group]),
            Text(visible(shown.name or shown.check)),
            Text(visible(quantity(shown.value, shown.unit))),
            Text(visible(shown.target)),
        ]
        if wide:
            cells += [
                Text(unicode_spark([value for _, value, _ in found.trend], 12 if width < 110 else 21)),
                Text(visible(_where(found))),
            ]
        table.add_row(*cells)
    return table


def _word(series: CheckSeries) -> str:
    if series.group is Group.UNKNOWN:
        return "no history" if series.shown.verdict is Verdict.NO_HISTORY else "not judged"
    return series.group.value


def _where(series: CheckSeries) -> str:
    days = sorted(result.day for result in series.failing if result.day)
    return ranges_of(days) if days else ""
