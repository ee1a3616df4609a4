"""``ray-pipeline curated``: where the curated table of a dataset is."""

from __future__ import annotations

from typing import Annotated

import typer

from ray_pipeline.text import visible

from .console import print_json, print_line
from .options import ConfigOption, Output, OutputOption, SetOption


def curated(
    dataset: Annotated[str, typer.Argument(help="A dataset of the configuration.")],
    tag: Annotated[
        str | None, typer.Option("--tag", metavar="NAME", help="Name a snapshot, so that it is kept: a training set's.")
    ] = None,
    snapshot: Annotated[
        int | None, typer.Option("--snapshot", metavar="ID", help="With --tag: which one; else the newest.")
    ] = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Print where the curated table of DATASET is, for any engine that reads Iceberg."""
    from ray_pipeline.runtime.curated import curated_info, tag_snapshot
    from ray_pipeline.runtime.open import open_pipeline

    pipeline = open_pipeline(config, sets or ())
    if snapshot is not None and tag is None:
        raise typer.BadParameter("says which snapshot --tag names", param_hint="--snapshot")
    if tag is not None:
        tag_snapshot(pipeline.config, dataset, tag, snapshot)
    info = curated_info(pipeline.config, pipeline.store, dataset)
    if output is Output.JSON:
        print_json(info.to_json())
        return
    if info.metadata is None:
        print_line("nothing was published yet; run the gate first")
    else:
        print_line(visible(f"metadata     {info.metadata}"))
        print_line(f"snapshot     {info.snapshot_id}")
    print_line(f"rows         {info.rows:,}")
    print_line(f"quarantined  {info.quarantined:,}")
    print_line(f"held         {info.held:,}")
