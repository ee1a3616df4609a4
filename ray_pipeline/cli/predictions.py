"""``ray-pipeline predictions``: what models answered, and whether they saw what they would have been trained on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from ray_pipeline.text import visible

from .console import print_json, print_line
from .options import ConfigOption, Output, OutputOption, SetOption

app = typer.Typer(no_args_is_help=True, add_completion=False)

ModelOption = Annotated[str | None, typer.Option("--model", metavar="NAME", help="Of this model; else of all.")]


@app.callback()
def predictions() -> None:
    """Look at what the model answered, and on what it rests.

    Everything is read from the lake: an answer is there once ingest has read its event.
    """


@app.command("list")
def list_(
    model: ModelOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="How many of the latest.")] = 10,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Print the latest answers that landed, with their ids."""
    from ray_pipeline.config import load_config
    from ray_pipeline.runtime.predictions.recent import recent_predictions

    found = recent_predictions(load_config(config, sets or ()), model=model, limit=limit)
    _print(output, found.to_json(), found.as_lines())


@app.command("show")
def show(
    request_id: Annotated[str, typer.Argument(metavar="ID", help="The request's id, as the answer had it.")],
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Print one answer with everything behind it: the request, the model, its features, their events, the outcome.

    The model's training set and snapshots are the registry's. Exit 2: no answer of this id has landed.
    """
    from ray_pipeline.config import load_config
    from ray_pipeline.runtime.predictions.show import show_prediction

    found = show_prediction(load_config(config, sets or ()), request_id)
    _print(output, found.to_json(), found.as_lines())


@app.command("verify")
def verify(
    model: ModelOption = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Asked from here on; a day is its midnight in UTC.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="… and before this.")] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, metavar="N", help="So many, chosen by their ids; else all.")
    ] = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Rebuild logged features from the offline tables, and list what differs by feature.

    A difference that rests on an event which the gate kept back is explained. Exit 1: one is not; 3: nothing could
    be compared, as where all were asked later than the offline tables know.
    """
    from ray_pipeline.config import load_config
    from ray_pipeline.runtime.predictions.rebuilt import verify_predictions

    report = verify_predictions(load_config(config, sets or ()), model=model, since=since, until=until, limit=limit)
    _print(output, report.to_json(), report.as_lines())
    raise typer.Exit(report.outcome)


def _print(output: Output, document: dict[str, Any], lines: Iterable[str]) -> None:
    if output is Output.JSON:
        print_json(document)
        return
    for line in lines:
        print_line(visible(line))
