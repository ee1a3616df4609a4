"""``ray-pipeline features status`` and ``backfill --online``: how far online values are, and writing them again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ray_pipeline.text import count, visible

from .console import note, out, print_json, print_line
from .options import ConfigOption, Output, OutputOption, SetOption

if TYPE_CHECKING:
    from ray_pipeline.runtime.features.online_backfill import OnlineBackfill
    from ray_pipeline.runtime.features.status import FeaturesStatus, ViewStanding

TITLES = ("view", "dataset", "partition", "committed", "online", "lag", "behind", "newest online")
_RIGHT = frozenset(("partition", "committed", "online", "lag", "behind"))


def status(
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
    max_lag: Annotated[
        float, typer.Option("--max-lag", min=0.0, help="Seconds of publication time that online values may be behind.")
    ] = 60.0,
) -> None:
    """Show how far the online values of stream-fed views are behind what is committed.

    The online store and the commit logs alone are asked, so this works without a broker and without a run. Exit code 3:
    the online store does not answer, or some view is behind by more than --max-lag.
    """
    from ray_pipeline.config import load_config
    from ray_pipeline.runtime.features.status import features_status

    found = features_status(load_config(config, sets or ()))
    if output is Output.JSON:
        print_json(found.to_json())
    else:
        print_features_status(found)
    raise typer.Exit(int(found.outcome(max_lag)))


def backfill_states(config: Path | None, sets: list[str] | None, output: Output, views: list[str] | None) -> NoReturn:
    """Run ``features backfill --online``, print what it wrote, and leave with its exit code."""
    from ray_pipeline.config import load_config
    from ray_pipeline.runtime.features.online_backfill import backfill_online

    found = backfill_online(
        load_config(config, sets or ()),
        views,
        progress=lambda dataset, partition, _: note(f"writing the online values of {dataset}, partition {partition}"),
    )
    if output is Output.JSON:
        print_json(found.to_json())
    else:
        print_backfill(found)
    raise typer.Exit(found.outcome)


def print_backfill(found: OnlineBackfill) -> None:
    """Print what was written, and then every view and partition that is not there yet or set events aside."""
    print_line(
        visible(f"{found.store}: {count(found.written, 'state')} written, {found.kept:,} there already or newer")
    )
    for view in found.views:
        aside = ", ".join(f"{rows:,} {reason}" for reason, rows in sorted(view.set_aside.items()) if rows)
        parts = [
            f"{view.lag:,} offsets behind" if view.lag else "",
            view.trouble,
            f"set aside: {aside}" if aside else "",
        ]
        if said := "; ".join(part for part in parts if part):
            print_line(visible(f"{view.view}, {view.dataset} partition {view.partition}: {said}"))


def print_features_status(found: FeaturesStatus) -> None:
    """Print the table, then what a person should know."""
    from rich.table import Table

    print_line(visible(f"{found.pipeline}: {found.store}"))
    if found.views:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for title in TITLES:
            table.add_column(title, justify="right" if title in _RIGHT else "left", no_wrap=True)
        for view in found.views:
            table.add_row(*_cells(view))
        console = out()
        console.width = max(console.width, console.measure(table).maximum)
        console.print(table)
    else:
        print_line("nothing was ingested yet")
    if found.trouble:
        note(f"how far the online values are is not known: {visible(found.trouble)}")
    for name in sorted({view.view for view in found.views if view.closed and view.lag}):
        note(
            f"{visible(name)} lacks rows of a topic that was deleted and made again; "
            "`ray-pipeline features backfill --online` writes them"
        )


def _cells(view: ViewStanding) -> tuple[str, ...]:
    return (
        visible(view.view),
        visible(view.dataset),
        f"{view.partition}{' (closed)' if view.closed else ''}",
        f"{view.committed:,}",
        "-" if view.online is None else f"{view.online:,}",
        "?" if view.lag is None else f"{view.lag:,}",
        "?" if view.lag_seconds is None else f"{view.lag_seconds:,.0f} s",
        view.published or "-",
    )
