"""``ray-pipeline quarantine``: rows that the gate set aside."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from ray_pipeline.text import count, visible

from .console import print_json, print_line
from .options import ConfigOption, Output, OutputOption, SetOption

if TYPE_CHECKING:
    from ray_pipeline.gate.entries import Selection
    from ray_pipeline.gate.quarantine import QuarantinedRow

app = typer.Typer(no_args_is_help=True, add_completion=False)
DayOption = Annotated[str | None, typer.Option("--day", help="Only this event day, as 2013-02-08.")]
CheckOption = Annotated[str | None, typer.Option("--check", help="Only rows that this check set aside.")]
OffsetOption = Annotated[
    list[str] | None,
    typer.Option("--offset", metavar="P:O", help="Only these, as 3:1042 or 3:1000-1099. May be given again."),
]


@app.callback()
def quarantine() -> None:
    """Look at rows that the gate set aside, and have them judged again."""


@app.command("list")
def list_(
    datasets: Annotated[list[str] | None, typer.Argument(metavar="DATASET", help="Some datasets; else all.")] = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Count quarantined rows by day and check. A row that breaks two checks counts for both."""
    from ray_pipeline.runtime.curated import quarantine_counts
    from ray_pipeline.runtime.open import open_pipeline

    pipeline = open_pipeline(config, sets or ())
    names = datasets or list(pipeline.config.datasets)
    found = {name: quarantine_counts(pipeline.config, pipeline.store, name) for name in names}
    if output is Output.JSON:
        print_json({name: [asdict(one) for one in counts] for name, counts in found.items()})
        return
    for name, counts in found.items():
        if not counts:
            print_line(visible(f"{name}: nothing is quarantined"))
        for one in counts:
            print_line(visible(f"{name} {one.day}: {count(one.rows, 'row')} by {one.check}"))


@app.command("show")
def show(
    dataset: Annotated[str, typer.Argument(help="A dataset of the configuration.")],
    day: DayOption = None,
    check: CheckOption = None,
    offset: OffsetOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many rows to show.")] = 10,
    payload: Annotated[
        bool, typer.Option("--payload", help="Also print the columns, which may hold anybody's secrets.")
    ] = False,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show quarantined rows with every reason; with --payload their columns too."""
    from ray_pipeline.runtime.curated import quarantined_rows
    from ray_pipeline.runtime.open import open_pipeline

    pipeline = open_pipeline(config, sets or ())
    rows = quarantined_rows(pipeline.config, pipeline.store, dataset, _selection(day, check, offset), limit)
    if output is Output.JSON:
        print_json({"rows": [_as_json(row, payload=payload) for row in rows]})
        return
    if not rows:
        print_line("no quarantined row is like this")
    for row in rows:
        print_line(visible(f"{dataset} {row.partition} {row.offset}  {row.day}  gate {row.run_id}"))
        for reason in row.reasons:
            print_line(visible(f"  {reason.check}: {reason.message}"))
        if payload:
            for name, value in row.row.items():
                print_line(visible(f"    {name}: {value}"))


@app.command("release")
def release(
    dataset: Annotated[str, typer.Argument(help="A dataset of the configuration.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept for ever beside your name.")],
    day: DayOption = None,
    check: CheckOption = None,
    offset: OffsetOption = None,
    waive: Annotated[
        bool, typer.Option("--waive", help="Publish them even where they still break their checks.")
    ] = False,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Have quarantined rows judged again; the next gate publishes those that hold now, once.

    Say which rows: those of a day, of a check, or at some offsets; of several of them, the rows that all of them mean.
    """
    from ray_pipeline.runtime.curated import judge_again
    from ray_pipeline.runtime.open import open_pipeline

    pipeline = open_pipeline(config, sets or ())
    chosen = _selection(day, check, offset)
    entry = judge_again(pipeline.config, pipeline.store, dataset, chosen, reason, waive=waive)
    if output is Output.JSON:
        print_json(asdict(entry))
        return
    print_line(visible(f"{dataset}: to be judged again, by {entry.allowed_by} (entry {entry.n})"))
    print_line(visible(f"next: ray-pipeline gate {dataset}"))


def _selection(day: str | None, check: str | None, offsets: list[str] | None) -> Selection:
    from ray_pipeline.gate.entries import Selection
    from ray_pipeline.runtime.curated import parse_offsets

    if day is not None and len(day) == 10:  # one before the year 1 or after 9999 is longer, and is an event day too
        try:
            date.fromisoformat(day)
        except ValueError:
            raise typer.BadParameter(f"{day!r} is no day; write 2013-02-08", param_hint="--day") from None
    return Selection(day, check, parse_offsets(offsets or ()))


def _as_json(row: QuarantinedRow, *, payload: bool) -> dict[str, object]:
    found = asdict(row)
    columns = found.pop("row")
    return found | ({"row": columns} if payload else {})
