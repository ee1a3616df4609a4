"""``ray-pipeline train``: a training set becomes a model version."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ray_pipeline.text import visible
from ray_pipeline.types import Outcome

from .console import note, print_json, print_line
from .errors import PROGRAM, message_lines
from .options import ConfigOption, Output, OutputOption, SetOption


def train(
    spec: Annotated[
        Path, typer.Argument(metavar="SPEC", help="A YAML file: the training set, the estimator, what it may see.")
    ],
    promote: Annotated[
        bool, typer.Option("--promote", help="Make the version champion at once, without a comparison.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the history of the aliases.")] = "",
    who: Annotated[
        str | None, typer.Option("--who", metavar="NAME", help="Who trains; else user and machine.", show_default=False)
    ] = None,
    timeout: Annotated[
        float,
        typer.Option("--timeout", min=1, max=604_800, metavar="SECONDS", help="A fit that takes longer is stopped."),
    ] = 1800.0,
    ray_address: Annotated[
        str | None,
        typer.Option("--ray-address", help="A Ray cluster; else RAY_ADDRESS, else a private Ray on this machine."),
    ] = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Train a model version as SPEC says, and keep it with its evidence.

    The training set is built, or found again, and the estimator is fitted to it in one task of Ray. The version becomes
    the challenger; the champion stays what it is. The same training once more finds the same version. Exits 1 where
    there is nothing to learn from the training set, 3 where the fit died or was stopped: then nothing was kept.
    """
    from ray_pipeline.config import load_config
    from ray_pipeline.runtime.jobs.train import train as run_train
    from ray_pipeline.runtime.jobs.train_task import TrainingLostError
    from ray_pipeline.runtime.stop_signals import term_as_interrupt

    settings = load_config(config, sets or ())
    try:
        with term_as_interrupt():
            report = run_train(
                settings,
                spec,
                ray_address=ray_address,
                who=who,
                reason=reason,
                promote=promote,
                timeout=timeout,
                on_message=note,
            )
    except TrainingLostError as error:  # whether there is something to learn is not known
        for line in message_lines(error):
            note(f"{PROGRAM}: {line}")
        raise typer.Exit(Outcome.UNKNOWN) from None
    if output is Output.JSON:
        print_json(report.to_json())
    else:
        for line in report.as_lines():
            print_line(visible(line))
    raise typer.Exit(report.outcome)
