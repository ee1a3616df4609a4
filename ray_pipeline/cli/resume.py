"""``ray-pipeline resume``: let a stopped partition go on."""

from __future__ import annotations

from typing import Annotated

import typer

from ray_pipeline.text import visible
from ray_pipeline.types import Outcome

from .console import note, print_json, print_line
from .options import ConfigOption, Output, OutputOption, SetOption


def resume(
    dataset: Annotated[str, typer.Argument(help="A dataset of the configuration.")],
    partition: Annotated[
        int | None, typer.Option("--partition", "-p", min=0, help="Only this partition; else every stopped one.")
    ] = None,
    accept_gap: Annotated[
        bool,
        typer.Option("--accept-gap", help="Records that the brokers no longer have stay unread; the log says which."),
    ] = False,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Let a stopped partition go on.

    A partition stops when too many of its records break their contract, or when the brokers no longer have what
    comes next. The second loses records for good, so it is done only with --accept-gap. Exits 2 where that is missing.
    """
    from ray_pipeline.runtime.open import open_pipeline

    found = open_pipeline(config, sets or ()).resume(dataset, partition=partition, accept_gap=accept_gap)
    if output is Output.JSON:
        partitions = [
            {"partition": one.log.partition, "done": one.ways.done, "sentence": one.ways.sentence} for one in found
        ]
        print_json({"dataset": dataset, "partitions": partitions})
    else:
        for one in found:
            print_line(visible(f"{dataset}[{one.log.partition}] {one.ways.sentence}"))
    if not found:
        note(f"{dataset}: no partition is stopped" if partition is None else f"{dataset}[{partition}] is not stopped")
    raise typer.Exit(Outcome.HELD if all(one.ways.done for one in found) else Outcome.MISUSED)
