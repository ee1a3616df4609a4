"""``ray-pipeline ingest``: read topics into validated Parquet and dead letters."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from ray_pipeline.text import visible

from .console import err, note, print_json, print_line, watched
from .options import ConfigOption, Output, OutputOption, SetOption

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ray_pipeline.runtime.ingest import IngestReport
    from ray_pipeline.runtime.reports import RunReport

PLAIN_SECONDS = 10.0


def ingest(
    config: ConfigOption = None,
    sets: SetOption = None,
    until_end: Annotated[
        bool, typer.Option("--until-end", help="End when all that the topics hold now is committed.")
    ] = False,
    max_records: Annotated[
        int | None, typer.Option("--max-records", min=1, help="End soon after so many records were read.")
    ] = None,
    timeout: Annotated[float | None, typer.Option("--timeout", min=0.1, help="End after so many seconds.")] = None,
    fail_on_dead_letters: Annotated[
        bool, typer.Option("--fail-on-dead-letters", help="Exit 1 where the run committed a dead letter.")
    ] = False,
    ray_address: Annotated[
        str | None,
        typer.Option("--ray-address", help="A Ray cluster; else RAY_ADDRESS, else a private Ray on this machine."),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Read topics into validated Parquet and dead letters, exactly once.

    Runs until it is stopped, unless a bound is given. The first Ctrl-C or SIGTERM commits what is in hand and ends,
    the second ends at once; either way nothing is lost and nothing is doubled.
    """
    from ray_pipeline.config import load_config
    from ray_pipeline.runtime.ingest import ingest as run_ingest

    settings = load_config(config, sets or ())
    with progress_printer() as on_progress:
        report = run_ingest(
            settings,
            until_end=until_end,
            max_records=max_records,
            timeout=timeout,
            ray_address=ray_address,
            on_progress=on_progress,
            on_message=note,
        )
    if output is Output.JSON:
        print_json(report.to_json())
    else:
        print_summary(report)
    explain_end(report)
    dead = any(counts.dead_lettered for counts in report.datasets.values())
    raise typer.Exit(int(report.outcome) or int(fail_on_dead_letters and dead))


def print_summary(report: IngestReport) -> None:
    """Print one line per dataset and one per rule."""
    for name, counts in report.datasets.items():
        rate = counts.read / report.seconds if report.seconds > 0 else 0.0
        print_line(
            f"{visible(name)}: read {counts.read:,}, landed {counts.landed:,}, dead-lettered {counts.dead_lettered:,}"
            + (f", tombstones {counts.tombstones:,}" if counts.tombstones else "")
            + f" ({rate:,.0f} records/s)"
        )
        for rule, number in sorted(counts.by_rule.items(), key=lambda item: (-item[1], item[0])):
            print_line(f"  {number:>8,}  {visible(rule)}")
        for view, online in report.online.get(name, {}).items():
            for reason, number in sorted(online.set_aside.items()):
                print_line(f"  {number:>8,}  no event of {visible(view)}: {visible(reason)}")


def explain_end(report: IngestReport) -> None:
    """Say what is in the way of a run that did not simply end; stopped partitions were named when they stopped."""
    for name, counts in report.datasets.items():
        if counts.pending_dead_letters:
            note(
                f"{name}: {counts.pending_dead_letters} dead letters are committed but not in the dead-letter topic "
                "yet; the next run writes them"
            )
    for views in report.online.values():
        for view, online in views.items():
            if online.lag:
                why = f" ({visible(online.trouble)})" if online.trouble else ""
                note(f"{visible(view)}: online values lack {online.lag:,} committed offsets{why}; the next run goes on")
    if report.uncommitted and not report.aborted:
        note(
            f"{report.uncommitted:,} offsets were read and could not be committed before the end; nothing is lost: the "
            "next run reads them again"
        )
    if report.aborted:
        note("ended at once: what was not committed is read again by the next run")


class progress_printer:  # noqa: N801  reads as the context manager it is
    """A bar on a terminal; elsewhere a plain line at each turn of the run, and every ten seconds."""

    def __enter__(self) -> Callable[[RunReport], None]:
        self._steps = self._bar() if watched() else self._lines()
        next(self._steps)
        return self._steps.send

    def __exit__(self, *_: object) -> None:
        self._steps.close()

    @staticmethod
    def _lines() -> Generator[None, RunReport, None]:
        last, state = 0.0, ""
        while True:
            report = yield
            changed = report.state.value != state
            if report.partitions and (changed or time.monotonic() - last >= PLAIN_SECONDS):
                last, state = time.monotonic(), report.state.value
                note(in_words(report))

    @staticmethod
    def _bar() -> Generator[None, RunReport, None]:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (BarColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        with Progress(*columns, console=err(), transient=True) as bar:
            task = bar.add_task("starting Ray", total=None)
            while True:
                report = yield
                total = sum(report.targets.values()) or None
                done = sum(p.position for p in report.partitions if p.topic_partition in report.targets)
                bar.update(task, description=in_words(report), total=total, completed=done if total else 0)


def in_words(report: RunReport) -> str:
    """Return one line about a run."""
    records = sum(p.records for p in report.partitions)
    bad = sum(p.bad for p in report.partitions)
    uncommitted = sum(p.position - p.committed for p in report.partitions)
    return (
        f"{report.state.value}: {len(report.partitions)} partitions, {records:,} records read, {bad:,} bad, "
        f"{uncommitted:,} offsets not committed yet"
    )
