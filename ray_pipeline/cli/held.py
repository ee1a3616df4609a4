"""``ray-pipeline held``: days that the gate holds back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ray_pipeline.text import count, visible

from .console import print_json, print_line
from .options import ConfigOption, Output, OutputOption, SetOption

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def held() -> None:
    """Look at days that the gate holds back, and let them through."""


@app.command("list")
def list_(
    datasets: Annotated[list[str] | None, typer.Argument(metavar="DATASET", help="Some datasets; else all.")] = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """List the held days, with the checks that hold them.

    Each gate judges them again: a day that is only incomplete is published once its rows have come.
    """
    from ray_pipeline.runtime.open import open_pipeline

    found = open_pipeline(config, sets or ()).held(*(datasets or ()))
    if output is Output.JSON:
        print_json({"held": [asdict(day) for day in found]})
        return
    if not found:
        print_line("no day is held")
    for day in found:
        released = f"; released by {day.released_by}, the next gate publishes it" if day.released_by else ""
        print_line(
            visible(
                f"{day.dataset} {day.day}: {day.disposition}, {count(day.rows, 'row')} in {count(day.files, 'file')}, "
                f"by {', '.join(day.reasons) or 'no check any more'}{released}"
            )
        )


@app.command("release")
def release(
    dataset: Annotated[str, typer.Argument(help="A dataset of the configuration.")],
    day: Annotated[str, typer.Argument(help="An event day, as 2013-02-08.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept for ever beside your name.")],
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Let the held rows of a day through, whatever its checks say; the next gate publishes them.

    Rows that break a rule on rows are quarantined all the same.
    """
    from ray_pipeline.runtime.curated import let_through
    from ray_pipeline.runtime.open import open_pipeline

    pipeline = open_pipeline(config, sets or ())
    entry = let_through(pipeline.config, pipeline.store, dataset, day, reason)
    if output is Output.JSON:
        print_json(asdict(entry))
        return
    print_line(visible(f"{dataset} {day}: released by {entry.allowed_by} (entry {entry.n})"))
    print_line(visible(f"next: ray-pipeline gate {dataset}"))
