"""``ray-pipeline demo``: the whole pipeline on real flights, on this machine."""

from __future__ import annotations

import shlex
import textwrap
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Self

import typer

from ray_pipeline.errors import UsageError

from .console import Progress, note, out, print_line, progress
from .demo_features import print_features
from .demo_gate import next_commands, print_gate
from .demo_loop import next_loop_commands, print_loop
from .demo_model import next_model_commands, print_model
from .ingest import progress_printer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ray_pipeline.demo.publish import Published
    from ray_pipeline.demo.run import DemoReport
    from ray_pipeline.runtime.jobs.measure_pass import Progress as Measured
    from ray_pipeline.runtime.reports import RunReport

DEFAULT_FOLDER = Path(".demo")
DEFAULT_CONFIG = Path("configs/local.yaml")
TABLE_WIDTH = 110
SEED, DAYS, SHARE = 2013, 21, 0.02


def demo(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            help="Where it writes; an earlier demo's folder is replaced, no other.",
            show_default=".demo, of a year .demo-year",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Which records are spoiled, and how.")] = SEED,
    days: Annotated[int, typer.Option("--days", min=1, max=28, help="How many days of flights.")] = DAYS,
    share: Annotated[float, typer.Option("--share", min=0.0, max=0.4, help="The share of records to spoil.")] = SHARE,
    year: Annotated[
        bool, typer.Option("--year", help="The whole of 2013 instead, with drift and retraining; minutes.")
    ] = False,
    months: Annotated[
        str | None, typer.Option("--months", help="With --year: some months, from January on.", metavar="1-N")
    ] = None,
) -> None:
    """Run the whole pipeline on real flights, on this machine: no server, no cloud.

    Some weeks of New York's flights of 2013 are published as events to an embedded broker, a stated share of them
    spoiled; Ray actors judge, land and commit them; a gate judges the days that landed, publishes what holds as Iceberg
    tables and keeps back the rest; features are computed from them, a training set is built and a model trained; it
    answers questions, and its answers are joined with what came true; then `verify` proves the result from its objects
    alone. Exits 0 where all of it is what the seed foretells, though the gate finds what it must find.

    With `--year` the year passes in event time, nothing spoiled: drift is judged week by week, and month by month a
    model of January to March that stays is compared with one that the loop trains again when there is a reason.
    """
    if year:
        from .demo_year import run

        _only_of_weeks(seed=seed, days=days, share=share)
        raise typer.Exit(int(run(folder, "1-12" if months is None else months)))
    if months is not None:
        raise UsageError("--months goes with --year; without it, --days says how much")
    folder = DEFAULT_FOLDER if folder is None else folder
    from ray_pipeline.demo.plan import DemoPlan
    from ray_pipeline.demo.run import run_demo

    with _Display() as display:
        report = run_demo(
            folder.absolute(),
            DEFAULT_CONFIG,
            plan=DemoPlan.of_days(days, seed=seed, share=share),
            say=display.say,
            on_published=display.published,
            on_progress=display.ingesting,
            on_measured=display.measured,
        )
    print_table(report)
    print_gate(report)
    print_features(report.features)
    print_model(report)
    print_loop(report)
    print_where(report, folder)
    for surprise in report.surprises:
        note(surprise)
    raise typer.Exit(int(report.outcome))


def _only_of_weeks(**given: float) -> None:
    """Refuse options that a year does not have, where they are not what they are by default."""
    usual = {"seed": SEED, "days": DAYS, "share": SHARE}
    if said := [f"--{name}" for name, value in given.items() if value != usual[name]]:
        raise UsageError(f"{' and '.join(said)} and --year do not go together: of a year nothing is spoiled or cut")


class _Display:
    """One bar at a time: a sentence takes away the bar that is up, and the next report brings its own."""

    def __init__(self) -> None:
        self._up = ExitStack()
        self._publishing: Progress | None = None
        self._ingesting: Callable[[RunReport], None] | None = None
        self._measuring: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._take_away()

    def say(self, sentence: str) -> None:
        self._take_away()
        note(sentence)

    def published(self, so_far: Published, total: int) -> None:
        if self._publishing is None:
            self._publishing = self._up.enter_context(progress("publishing"))
        self._publishing(so_far.total, total, "events")

    def ingesting(self, report: RunReport) -> None:
        if self._ingesting is None:
            self._ingesting = self._up.enter_context(progress_printer())
        self._ingesting(report)

    def measured(self, so_far: Measured) -> None:
        if self._measuring is None:
            self._measuring = self._up.enter_context(progress("measuring"))
        self._measuring(so_far.files, so_far.of, f"files ({so_far.rows:,} rows)")

    def _take_away(self) -> None:
        self._up.close()
        self._publishing = self._ingesting = self._measuring = None


def print_table(report: DemoReport) -> None:
    """Print one row per topic, with its dead letters by rule."""
    from rich.table import Table

    console = out()
    width = min(console.width, TABLE_WIDTH)
    table = Table(title="What became of every record", title_justify="left")
    table.add_column("topic")
    for column in ("read", "landed", "dead-lettered", "records/s"):
        table.add_column(column, justify="right")
    table.add_column("dead letters by rule")
    for name, counts in report.ingested.datasets.items():
        rules = sorted(counts.by_rule.items(), key=lambda item: (-item[1], item[0]))
        # A rule and its number stay on one line: textwrap breaks at spaces only.
        text = textwrap.fill(
            ", ".join(f"{rule}~{number}" for rule, number in rules), width - 63, break_on_hyphens=False
        )
        table.add_row(
            name,
            f"{counts.read:,}",
            f"{counts.landed:,}",
            f"{counts.dead_lettered:,}",
            f"{counts.read / report.ingested.seconds:,.0f}",
            text.replace("~", " "),
        )
    console.print(table, width=width)
    read = sum(counts.read for counts in report.ingested.datasets.values())
    seconds = report.ingested.seconds
    print_line(
        f"{read:,} records in {seconds:.1f} s of ingest ({read / seconds:,.0f} records/s, the start of the Ray actors "
        f"included), {report.timings['gate']:.1f} s of gate, {report.timings['features']:.1f} s of features, "
        f"{report.timings.get('model', 0):.1f} s of model, {report.timings.get('loop', 0):.1f} s of loop; "
        f"{report.seconds:.0f} s in all."
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
    print_line(f"Gate's books     {folder / 'lake' / 'flights' / '_gate'}   (decisions, quarantined rows, reports)")
    print_line(f"Iceberg tables   {folder / 'lake' / 'flights' / '_gate' / '_warehouse'}")
    print_line(
        f"Features         {folder / 'lake' / 'flights' / '_features'}   (offline tables, online values, registry)"
    )
    if report.features.training is not None:
        print_line(f"Training set     {Path(report.features.training.uri)}")
    if report.model is not None:
        print_line(f"Model            {Path(report.model.trained.page)}")
    print_line("Contracts        contracts/flights/")
    print_line()
    print_line(
        "The embedded broker is gone, with its dead-letter topics: there they were at-least-once, with ids. "
        "Exactly once needs a real Kafka."
    )
    print_line()
    print_line("Try next, no broker needed:")
    where = "" if folder == DEFAULT_FOLDER else f"LAKE={shlex.quote(str(folder.absolute() / 'lake'))} "
    for command in (
        "ray-pipeline status",
        "ray-pipeline dead-letters list departures",
        "ray-pipeline files departures",
        "ray-pipeline features show",
        "ray-pipeline features status",
        "ray-pipeline training-set show",
        *(f"ray-pipeline {command}" for command in next_model_commands(report)),
        *(f"ray-pipeline {command}" for command in next_loop_commands(report)),
        *(f"ray-pipeline {command}" for command in next_commands(report)),
    ):
        print_line(f"  {where}.venv/bin/{command}")
