"""``ray-pipeline verify``: prove that nothing is lost and nothing is doubled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from ray_pipeline.text import count, visible

from .console import err, note, print_json, print_line, watched
from .options import ConfigOption, Output, OutputOption, SetOption

if TYPE_CHECKING:
    from ray_pipeline.lake.verify import Progress


def verify(
    datasets: Annotated[list[str] | None, typer.Argument(metavar="DATASET", help="Some datasets; else all.")] = None,
    brokers: Annotated[
        bool, typer.Option("--brokers", help="Also compare the dead-letter topics with the bad files (I8).")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Judge no record again; ranges, sums and files are checked all the same.")
    ] = False,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Prove that nothing is lost and nothing is doubled.

    Reads every object of the commit logs and every file that they name, and judges each record again. Exits 0 where
    all that was checked holds, 1 where an invariant is broken (its first object and offset are named), 3 where
    something could not be read, or nothing was ingested yet.
    """
    from ray_pipeline.runtime.open import open_pipeline

    pipeline = open_pipeline(config, sets or ())
    with _shown() as progress:
        report = pipeline.verify(*(datasets or ()), brokers=brokers, quick=quick, progress=progress)
    if output is Output.JSON:
        print_json(report.to_json())
    else:
        for line in str(report).splitlines():
            print_line(visible(line))
    raise typer.Exit(report.outcome)


@contextmanager
def _shown() -> Iterator[Callable[[Progress], None]]:
    """Show a bar that starts anew for each log; elsewhere a line for each log that is done."""
    if not watched():

        def tell(progress: Progress) -> None:
            if progress.entry == progress.entries:
                note(f"{progress.log}: {count(progress.entries, 'entry', 'entries')}, {progress.rows:,} rows so far")

        yield tell
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=err(), transient=True) as bar:
        task = bar.add_task("looking for logs", total=None)
        yield lambda it: bar.update(
            task, completed=it.entry, total=it.entries, description=visible(f"{it.rows:,} rows  {it.log}")
        )
