"""``ray-pipeline retrain``: a champion that loses gets a challenger, and the better one answers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ray_pipeline.text import visible
from ray_pipeline.types import Outcome

from .console import note, print_json, print_line
from .options import ConfigOption, Output, OutputOption, SetOption

if TYPE_CHECKING:
    from pathlib import Path

    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.runtime.retrain.report import StepReport

app = typer.Typer(
    add_completion=False,
    help="Train a challenger where the champion loses, judge both on the same rows, and say why.",
)

DryOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done next and why; nothing is written.")]
NowOption = Annotated[
    str | None,
    typer.Option("--at", metavar="TIME", help="The moment to decide for, for replays; else this machine's clock."),
]
AddressOption = Annotated[
    str | None,
    typer.Option("--ray-address", help="A Ray cluster; else RAY_ADDRESS, else a private Ray on this machine."),
]
WhoOption = Annotated[
    str | None, typer.Option("--who", metavar="NAME", help="Who decides; else user and machine.", show_default=False)
]
ModelOption = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="Another model than the configured one.")
]


@app.callback(invoke_without_command=True)
def retrain(
    context: typer.Context,
    dry_run: DryOption = False,
    now: NowOption = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Train a challenger where the champion loses, judge both on the same rows, and say why.

    `retrain --dry-run` is `retrain run --dry-run`.
    """
    if context.invoked_subcommand is not None:
        if dry_run or now is not None or config is not None or sets or output is not Output.TEXT:
            raise typer.BadParameter(f"options of `{context.invoked_subcommand}` stand behind it")
        return
    if not dry_run:
        typer.echo(context.get_help())
        raise typer.Exit(Outcome.MISUSED)
    _step(_settings(config, sets), now, output, dry_run=True)


@app.command()
def run(
    dry_run: DryOption = False,
    now: NowOption = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on, a step every so often, until Ctrl-C.")] = False,
    every: Annotated[
        float, typer.Option("--every", min=1.0, max=604_800.0, metavar="SECONDS", help="Between two steps of --watch.")
    ] = 3600.0,
    who: WhoOption = None,
    ray_address: AddressOption = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Take one step, as far as it goes: arm, train, judge, promote or refuse, look at a promotion, roll back.

    Every decision is an entry of the ledger with its evidence. Exit 0: done, or nothing to do (a challenger that was
    refused is an orderly end); 1: a training failed, or a promotion was rolled back; 2: retrain.spec is missing or
    wrong; 3: no champion to replace, another step works on the model, or the store did not answer.
    """
    settings = _settings(config, sets)
    if watch and (dry_run or now is not None):
        raise typer.BadParameter("--watch goes with this machine's clock, and does what it decides")
    if not watch:
        _step(settings, now, output, dry_run=dry_run, who=who, ray_address=ray_address)
        return
    from ray_pipeline.clock import WallClock
    from ray_pipeline.errors import RayPipelineError

    clock = WallClock()
    while True:
        try:
            _print(_taken(settings, None, dry_run=False, who=who, ray_address=ray_address), output)
        except RayPipelineError as error:
            note(f"this step ended: {error}")
        clock.sleep(every)


@app.command()
def log(
    model: ModelOption = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Print the ledger of the loop, one line for each entry."""
    from ray_pipeline.runtime.retrain.report import loop_log

    found = loop_log(_settings(config, sets), model)
    if output is Output.JSON:
        print_json([one.to_json() for one in found.entries])
        return
    for line in found.as_lines():
        print_line(visible(line))


@app.command()
def explain(
    which: Annotated[
        str, typer.Argument(metavar="ID", help="A run's id or its beginning, an entry's number, or NAME/VERSION.")
    ],
    model: ModelOption = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Say why a run began, how it was judged and how it ended, with its evidence."""
    from ray_pipeline.runtime.retrain.report import explain as found_of

    found = found_of(_settings(config, sets), which, model)
    if output is Output.JSON:
        print_json([one.to_json() for one in found.entries])
        return
    for line in found.explained():
        print_line(visible(line))


@app.command()
def status(
    model: ModelOption = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show where the loop stands: the champion, what is armed, an open run, a promotion that is watched."""
    from ray_pipeline.runtime.retrain.report import loop_status

    found = loop_status(_settings(config, sets), model)
    if output is Output.JSON:
        print_json(found.to_json())
        return
    for line in found.as_lines():
        print_line(visible(line))


def _step(
    settings: PipelineConfig,
    now: str | None,
    output: Output,
    *,
    dry_run: bool,
    who: str | None = None,
    ray_address: str | None = None,
) -> None:
    report = _taken(settings, now, dry_run=dry_run, who=who, ray_address=ray_address)
    _print(report, output)
    raise typer.Exit(report.outcome)


def _taken(
    settings: PipelineConfig, now: str | None, *, dry_run: bool, who: str | None, ray_address: str | None
) -> StepReport:
    from ray_pipeline.runtime.retrain.step import retrain_step
    from ray_pipeline.runtime.stop_signals import term_as_interrupt

    with term_as_interrupt():
        return retrain_step(
            settings, now=_moment(now), dry_run=dry_run, who=who, ray_address=ray_address, on_message=note
        )


def _print(report: StepReport, output: Output) -> None:
    if output is Output.JSON:
        print_json(report.to_json())
        return
    for line in report.as_lines():
        print_line(visible(line))


def _moment(text: str | None) -> datetime | None:
    from ray_pipeline.errors import UsageError
    from ray_pipeline.features.training_spec import moment_us

    if text is None:
        return None
    try:
        moment_us(text)
    except ValueError as error:
        raise UsageError(f"--at {error}") from None
    return datetime.fromisoformat(text)


def _settings(config: Path | None, sets: list[str] | None) -> PipelineConfig:
    from ray_pipeline.config import load_config

    return load_config(config, sets or ())
