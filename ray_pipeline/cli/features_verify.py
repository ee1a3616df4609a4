"""``ray-pipeline features verify``: whether online and offline say the same."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from ray_pipeline.text import visible

from .console import print_json, print_line
from .options import ConfigOption, Output, OutputOption, SetOption


def verify(
    views: Annotated[
        list[str] | None, typer.Argument(metavar="[VIEW]...", help="Views; left out: all.", show_default=False)
    ] = None,
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, metavar="N", help="So many entities of each view; else all.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="TIME", help="The moment to compare at, with its zone; else what both sides know."
        ),
    ] = None,
    keys: Annotated[bool, typer.Option("--keys", help="Name entities in examples, instead of digests.")] = False,
    values: Annotated[bool, typer.Option("--values", help="Print both values in examples.")] = False,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Compare online values with the offline tables at one moment. Exit 1: they differ; 3: one side is behind."""
    from ray_pipeline.config import load_config
    from ray_pipeline.runtime.features.verify import verify_features

    try:
        moment = None if at is None else datetime.fromisoformat(at)
    except ValueError:
        raise typer.BadParameter(
            "must be a moment with its zone, as in 2013-02-04T00:00:00Z", param_hint="--at"
        ) from None
    report = verify_features(
        load_config(config, sets or ()), views=views, sample=sample, at=moment, keys=keys, values=values
    )
    if output is Output.JSON:
        print_json(report.to_json())
    else:
        for line in report.lines():
            print_line(visible(line))
    raise typer.Exit(report.outcome)
