"""``ray-pipeline gate``: judge what landed, publish what holds."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import note, out, print_json, progress
from .options import ConfigOption, Output, OutputOption, SetOption

if TYPE_CHECKING:
    from ray_pipeline.sla.result import GateReport


def gate(
    datasets: Annotated[list[str] | None, typer.Argument(metavar="DATASET", help="Some datasets; else all.")] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="The gate's clock, as 2013-02-25T06:00:00Z; else now."),
    ] = None,
    run_id: Annotated[
        str | None,
        typer.Option("--run-id", metavar="ID", help="Names the run: what it decided once it never decides again."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge only; decide and publish nothing.")] = False,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Measure every file again and compare with the stored states.")
    ] = False,
    path: Annotated[
        str | None,
        typer.Option("--path", metavar="URI", help="Judge Parquet that ingest did not write: a file, folder or s3://…"),
    ] = None,
    contract: Annotated[
        Path | None, typer.Option("--contract", metavar="FILE", help="With --path: what its rows must keep.")
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option("--ray-address", help="A Ray cluster; else RAY_ADDRESS, else a private Ray on this machine."),
    ] = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Judge what landed, publish what holds, keep back the rest.

    Each event day with new or held rows is judged by its contract: service levels, quality rules, relationships. What
    holds joins the curated Iceberg table, rows that break a rule are quarantined, days that break one are held. Exits
    0 where every error check passed, 1 where one broke, 3 where one could not be judged or something could not be
    published; a check that is pending, or has not enough history, does not count.
    """
    if path is not None or contract is not None:
        _inspect(path, contract, datasets, at, config, sets, output, ray_address)
    from ray_pipeline.config import load_config
    from ray_pipeline.runtime.jobs.gate import run_gate
    from ray_pipeline.runtime.stop_signals import term_as_interrupt

    settings = load_config(config, sets or ())
    if recompute:
        from .recompute import recompute_states

        recompute_states(settings, datasets or (), ray_address, output)
    with term_as_interrupt(), progress("measuring") as bar:
        report = run_gate(
            settings,
            datasets or (),
            at=moment(at),
            run_id=run_id,
            dry_run=dry_run,
            ray_address=ray_address,
            on_message=note,
            on_progress=lambda it: bar(it.files, it.of, f"files ({it.rows:,} rows)"),
        )
    show(report, output)
    raise typer.Exit(report.outcome)


def show(report: GateReport, output: Output) -> None:
    """Print a report as asked."""
    if output is Output.JSON:
        from ray_pipeline.report.results import to_results

        print_json(to_results(report))
        return
    from ray_pipeline.report.text import print_text

    print_text(report, out())


def moment(text: str | None) -> datetime | None:
    """Return the moment that a person wrote; a wrong one is a usage error."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no ISO time; write 2013-02-25T06:00:00Z", param_hint="--at") from None
    if found.tzinfo is None:
        raise typer.BadParameter("needs its offset from UTC, as in 2013-02-25T06:00:00Z", param_hint="--at")
    return found


def _inspect(
    path: str | None,
    contract: Path | None,
    datasets: list[str] | None,
    at: str | None,
    config: Path | None,
    sets: list[str] | None,
    output: Output,
    ray_address: str | None,
) -> None:
    if path is None or contract is None:
        raise typer.BadParameter("--path and --contract belong together", param_hint="--path")
    if datasets:
        raise typer.BadParameter("with --path no dataset is named: the contract says what it is", param_hint="DATASET")
    from ray_pipeline.runtime.jobs.inspect import inspect_path, store_options

    with progress("measuring") as bar:
        report = inspect_path(
            path,
            contract,
            options=store_options(config, sets or ()) if path.startswith("s3://") else {},
            at=moment(at),
            ray_address=ray_address,
            on_progress=lambda it: bar(it.files, it.of, f"pieces ({it.rows:,} rows)"),
        )
    show(report, output)
    raise typer.Exit(report.outcome)
