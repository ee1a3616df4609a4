"""``ray-pipeline training-set``: build training sets, look at them, and compare two of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ray_pipeline.text import visible
from ray_pipeline.types import Outcome

from .console import note, print_json, print_line
from .options import ConfigOption, Output, OutputOption, SetOption

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Build training sets that can be built again, byte for byte."
)


@app.command()
def build(
    spec: Annotated[
        Path, typer.Argument(metavar="SPEC", help="A YAML file, or a manifest.json: its snapshots, once more.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Write the Parquet file and manifest here as well.")
    ] = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Build the training set that SPEC says and keep it in the lake; what is there already is found again."""
    from ray_pipeline.config import load_config
    from ray_pipeline.runtime.jobs.training_set import build_training_set
    from ray_pipeline.runtime.training_text import as_lines

    found = build_training_set(load_config(config, sets or ()), spec, out, on_message=note)
    if output is Output.JSON:
        print_json(_document(found))
        return
    print_line("built" if found.created else "it is there already, byte for byte")
    for line in as_lines(found):
        print_line(visible(line))


@app.command()
def show(
    which: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|FILE]", help="NAME, NAME/VERSION, or a local folder; left out: all of them."),
    ] = None,
    rows: Annotated[int, typer.Option("--rows", min=0, metavar="N", help="How many rows to print.")] = 5,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show a training set: splits, label rate, null shares, snapshots, what was left out; or list all of them."""
    from ray_pipeline.config import load_config
    from ray_pipeline.runtime.training_sets import find_training_sets, open_training_set
    from ray_pipeline.runtime.training_text import as_lines
    from ray_pipeline.runtime.wiring import open_lake

    settings = load_config(config, sets or ())
    store = open_lake(settings)
    if which is None:
        listed = find_training_sets(settings, store)
        if output is Output.JSON:
            print_json([_document(one) for one in listed])
            return
        for one in listed:
            spec = one.manifest["spec"]
            print_line(
                visible(f"{one.name}/{one.version}  {one.manifest['rows']:,} rows, {spec['from']} to {spec['to']}")
            )
        if not listed:
            print_line("there is no training set yet; build one with `ray-pipeline training-set build SPEC`")
        return
    found = open_training_set(settings, store, which)
    if output is Output.JSON:
        print_json(_document(found))
        return
    for line in as_lines(found, rows):
        print_line(visible(line))


@app.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="As `show` takes it.")],
    second: Annotated[str, typer.Argument(metavar="B", help="As `show` takes it.")],
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Compare two training sets: what their manifests say, and rows by their label key. Exit 1 where they differ."""
    from ray_pipeline.config import load_config
    from ray_pipeline.runtime.training_sets import open_training_set
    from ray_pipeline.runtime.training_text import compare
    from ray_pipeline.runtime.wiring import open_lake

    settings = load_config(config, sets or ())
    store = open_lake(settings)
    found = compare(open_training_set(settings, store, first), open_training_set(settings, store, second))
    if output is Output.JSON:
        print_json(found.to_json())
    else:
        for line in found.lines():
            print_line(visible(line))
    raise typer.Exit(Outcome.HELD if found.same else Outcome.BROKEN)


def _document(found: Any) -> dict[str, Any]:
    return {
        "name": found.name,
        "version": found.version,
        "uri": found.uri,
        "created": found.created,
        "manifest": found.manifest,
    }
