"""``ray-pipeline model``: look at model versions, compare them, and say which one answers."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ray_pipeline.text import visible

from .console import print_json, print_line
from .options import ConfigOption, Output, OutputOption, SetOption

if TYPE_CHECKING:
    from pathlib import Path

    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.runtime.models.aliases import AliasMove

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Look at model versions, compare them, and say which one answers.",
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The model.")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stands in the history for ever.")]
_VERSION = "A version's number, champion, challenger or latest."


class By(StrEnum):
    """What performance is shown by."""

    DAY = "day"
    VERSION = "version"


@app.command("list")
def list_(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One model's versions; else all models.")] = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """List the models, or the versions of one, with who is champion and how good each is."""
    from ray_pipeline.runtime.models.listing import list_models, list_versions, model_lines, version_lines
    from ray_pipeline.runtime.models.promotion import open_registry

    registry = open_registry(_settings(config, sets))
    if name is None:
        models = list_models(registry)
        documents, lines = [one.to_json() for one in models], model_lines(models)
    else:
        versions = list_versions(registry, name)
        documents, lines = [one.to_json() for one in versions], version_lines(versions)
    if output is Output.JSON:
        print_json(documents)
        return
    for line in lines:
        print_line(visible(line))


@app.command()
def show(
    which: Annotated[
        str,
        typer.Argument(
            metavar="NAME[/VERSION]", help="NAME alone: the champion, or the newest. Else NAME/3, NAME/challenger …"
        ),
    ],
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show a version as a card: what it predicts, what it rests on, how good it is, who answers and why, its files."""
    from ray_pipeline.runtime.models.promotion import open_registry
    from ray_pipeline.runtime.models.text import model_card, split_which

    name, version = split_which(which)
    card = model_card(open_registry(_settings(config, sets)), name, version)
    if output is Output.JSON:
        print_json(card.to_json())
        return
    for line in card.lines():
        print_line(visible(line))


@app.command()
def compare(
    name: NameArgument,
    first: Annotated[str, typer.Argument(metavar="A", help=_VERSION)],
    second: Annotated[str, typer.Argument(metavar="B", help=_VERSION)],
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Compare two versions: metrics side by side, and B minus A on the test rows that both have.

    The intervals of the differences come from drawing the same days for both. What the two differ in follows.
    """
    from ray_pipeline.runtime.models.comparison import compare_versions
    from ray_pipeline.runtime.models.promotion import open_registry

    found = compare_versions(open_registry(_settings(config, sets)), name, first, second)
    if output is Output.JSON:
        print_json(found.to_json())
        return
    for line in found.lines():
        print_line(visible(line))


@app.command()
def promote(
    name: NameArgument,
    reason: ReasonOption,
    which: Annotated[str, typer.Argument(metavar="[WHICH]", help=_VERSION)] = "challenger",
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Make a version champion: replicas that serve the model answer with it from their next look on.

    It is opened first. Exit 1: it cannot load, and the champion stays.
    """
    from ray_pipeline.runtime.models.promotion import promote as move_to

    said: list[str] = []
    move = move_to(_settings(config, sets), name, which, reason=reason, on_message=said.append)
    _print_move(name, move, said, output)


@app.command()
def rollback(
    name: NameArgument,
    reason: ReasonOption,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Make the version champion again that was it before the last promotion; again: one promotion further back.

    It is opened first. Exit 1: it cannot load, and the champion stays.
    """
    from ray_pipeline.runtime.models.promotion import rollback as move_back

    _print_move(name, move_back(_settings(config, sets), name, reason=reason), (), output)


@app.command()
def performance(
    name: NameArgument,
    by: Annotated[By | None, typer.Option("--by", help="Days alone, or versions alone; else both.")] = None,
    version: Annotated[
        int | None, typer.Option("--version", min=1, metavar="N", help="The answers of one version alone.")
    ] = None,
    deadline: Annotated[
        float, typer.Option("--deadline", min=0.0, metavar="HOURS", help="An outcome later than this is overdue.")
    ] = 24.0,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Answers to what was asked from here on.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="… and before this.")] = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Judge the answers that landed by the outcomes that landed: AUC, log loss and Brier score with intervals.

    Exit 3: no answer has a label yet.
    """
    from ray_pipeline.runtime.predictions.performance import measure_performance

    found = measure_performance(
        _settings(config, sets), name, version=version, deadline_hours=deadline, since=since, until=until
    )
    if output is Output.JSON:
        print_json(found.to_json())
    else:
        shown = {By.DAY: replace(found, versions=()), By.VERSION: replace(found, days=())}
        for line in (found if by is None else shown[by]).as_lines():
            print_line(visible(line))
    raise typer.Exit(int(found.outcome))


def _settings(config: Path | None, sets: list[str] | None) -> PipelineConfig:
    from ray_pipeline.config import load_config

    return load_config(config, sets or ())


def _print_move(name: str, move: AliasMove, said: list[str] | tuple[str, ...], output: Output) -> None:
    if output is Output.JSON:
        print_json({"moved": not said, "model": name} | move.to_json())
        return
    before = "nobody" if move.previous is None else f"{name}/{move.previous}"
    for line in said or (f"{name}/{move.version} is champion now, {before} was before",):
        print_line(visible(line))
