"""``ray-pipeline files``: what a reader may read."""

from __future__ import annotations

from typing import Annotated

import typer

from .console import note, print_json, print_line
from .options import ConfigOption, Output, OutputOption, SetOption


def files(
    dataset: Annotated[str, typer.Argument(help="A dataset of the configuration.")],
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Print the URIs of the landed files of DATASET.

    One a line and nothing else: exactly what is committed now, which listing the folder would not tell. DuckDB, polars
    and Ray Data read them as they are.
    """
    from ray_pipeline.runtime.open import open_pipeline

    snapshot = open_pipeline(config, sets or ()).snapshot(dataset)
    if output is Output.JSON:
        print_json({"dataset": dataset, "rows": snapshot.rows, "files": snapshot.uris()})
        return
    for uri in snapshot.uris():
        print_line(uri)
    if not snapshot.uris():
        note(f"{dataset}: nothing has landed yet; `ray-pipeline status` shows how far each partition is")
