"""``ray-pipeline demo``: the whole pipeline on real flights, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import note, out, print_line, progress
from .ingest import progress_printer

if TYPE_CHECKING:
    from ray_pipeline.demo.run import DemoReport

DEFAULT_FOLDER = Path(".demo")
DEFAULT_CONFIG = Path("configs/local.yaml")


def demo(
    folder: Annotated[
        Path, typer.Option("--folder", help="Where it writes; an earlier demo's folder is replaced, no other.")
    ] = DEFAULT_FOLDER,
    seed: Annotated[int, typer.Option("--seed", help="Which records are spoiled, and how.")] = 2013,
    days: Annotated[int, typer.Option("--days", min=1, max=28, help="How many days of flights.")] = 21,
    share: Annotated[float, typer.Option("--share", min=0.0, max=0.4, help="The share of records to spoil.")] = 0.02,
) -> None:
    """Run the whole pipeline on real flights, on this machine: no server, no cloud.

    Some weeks of New York's flights of 2013 are published as events to an embedded broker, a stated share of them
    spoiled; Ray actors judge, land and commit them; then `verify` proves the result from its objects alone.
    """
    from ray_pipeline.demo.plan import DemoPlan
    from ray_pipeline.demo.run import run_demo

    with progress("publishing") as published, progress_printer() as ingesting:
        report = run_demo(
            folder.absolute(),
            DEFAULT_CONFIG,
            plan=DemoPlan(seed=seed, days=days, share=share),
            say=note,
            on_published=lambda so_far, total: published(so_far.total, total, "events"),
            on_progress=ingesting,
        )
    print_table(report)
    print_where(report, folder)
    for surprise in report.surprises:
        note(surprise)
    raise typer.Exit(int(report.outcome))


def print_table(report: DemoReport) -> None:
    """Print one row per topic, then its dead letters by rule."""
    from rich.table import Table

    table = Table(title="What became of every record", title_justify="left")
    table.add_column("topic")
    for column in ("read", "landed", "dead-lettered"):
        table.add_column(column, justify="right")
    table.add_column("dead letters by rule")
    for name, counts in report.ingested.datasets.items():
        rules = sorted(counts.by_rule.items(), key=lambda item: (-item[1], item[0]))
        table.add_row(
            name,
            f"{counts.read:,}",
            f"{counts.landed:,}",
            f"{counts.dead_lettered:,}",
            ", ".join(f"{rule} {number}" for rule, number in rules),
        )
    out().print(table)
    read = sum(counts.read for counts in report.ingested.datasets.values())
    seconds = report.ingested.seconds
    print_line(
        f"{read:,} records in {seconds:.1f} s of ingest ({read / seconds:,.0f} records/s, the start of the Ray actors "
        f"included); {report.seconds:.0f} s in all."
    )
    print_line("The counts are those that the seed foretells." if not report.surprises else "The counts are WRONG.")


def print_where(report: DemoReport, folder: Path) -> None:
    """Print what was proven, where everything is, and what to try next."""
    print_line()
    print_line(str(report.verified))
    print_line()
    print_line(f"Landed Parquet   {folder / 'lake' / 'flights' / 'data'}")
    print_line(f"Dead letters     {folder / 'lake' / 'flights' / 'bad'}   (Parquet: raw bytes and every reason)")
    print_line(f"Commit log       {folder / 'lake' / 'flights' / '_log'}")
    print_line("Contracts        contracts/flights/")
    print_line()
    print_line(
        "The embedded broker is gone, with its dead-letter topics: there they were at-least-once, with ids. "
        "Exactly once needs a real Kafka."
    )
    print_line()
    print_line("Try next, no broker needed:")
    for command in (
        "ray-pipeline status",
        "ray-pipeline dead-letters list departures",
        "ray-pipeline files departures",
    ):
        print_line(f"  .venv/bin/{command}")
