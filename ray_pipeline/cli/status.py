"""``ray-pipeline status``: where every partition stands."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from ray_pipeline.text import visible

from .console import note, out, print_json, print_line
from .options import ConfigOption, Output, OutputOption, SetOption

if TYPE_CHECKING:
    from ray_pipeline.runtime.status import PartitionStanding, PipelineStatus

TITLES = ("dataset", "partition", "committed", "lag", "rows", "dead letters", "last commit", "owner", "state")
_TEXTS = frozenset(("owner", "state"))
_LEAST = 10
_DAYS_SAY_LITTLE = 100 * 86_400.0
_RIGHT = frozenset(("partition", "committed", "lag", "rows", "dead letters", "last commit"))


def status(
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
    brokers: Annotated[
        bool, typer.Option("--brokers/--no-brokers", help="Ask the brokers for lag; without them the log alone speaks.")
    ] = True,
    watch: Annotated[float | None, typer.Option("--watch", min=0.2, help="Look again every so many seconds.")] = None,
) -> None:
    """Show where every partition stands.

    Committed offsets, rows and dead letters come from the commit log alone, so this works without a broker; then lag
    is not known.
    """
    from ray_pipeline.runtime.open import open_pipeline

    pipeline = open_pipeline(config, sets or ())
    while True:
        found = pipeline.status(brokers=brokers)
        if output is Output.JSON:
            print_json(found.to_json())
        else:
            if watch:
                out().clear()
            print_status(found)
        if watch is None:
            return
        time.sleep(watch)


def print_status(found: PipelineStatus) -> None:
    """Print the table, then what a person should know."""
    from ray_pipeline.runtime.status import stopped

    print_line(visible(f"{found.pipeline} in {found.store}"))
    if found.supervisor:
        print_line(visible(f"run {found.supervisor}"))
    if found.partitions:
        _print_table([_cells(partition) for partition in found.partitions])
    else:
        print_line("nothing was ingested yet")
    for partition in stopped(found.partitions):
        print_line(visible(f"{partition.dataset}[{partition.partition}] {partition.reason}: {partition.detail}"))
        if partition.way_on.split(" --")[0] not in partition.detail:
            print_line(visible(f"  on with: {partition.way_on}"))
    for dataset, why in found.missing.items():
        note(f"{dataset}: {why}")
    if found.brokers and found.brokers != "not asked":
        note(f"lag is not known: {found.brokers}")


def _print_table(rows: list[tuple[str, ...]]) -> None:
    """Print the partitions. In a narrow terminal the texts fold, and never a name or a number."""
    from rich.cells import cell_len
    from rich.table import Table

    console = out()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    columns = [column for column in zip(TITLES, *rows, strict=True) if any(column[1:])]  # such as: nobody owns any
    least = 0
    for title, *cells in columns:
        whole = _LEAST if title in _TEXTS else max(map(cell_len, (*title.split(), *cells)))
        table.add_column(title, justify="right" if title in _RIGHT else "left", overflow="fold", min_width=whole)
        least += whole + 2
    for row in zip(*(column[1:] for column in columns), strict=True):
        table.add_row(*row)
    console.width = max(console.width, least)
    console.print(table)


def in_words(seconds: float | None) -> str:
    """Return an age for people.

    >>> in_words(None), in_words(4.2), in_words(200), in_words(8000), in_words(400_000)
    ('', '4 s', '3 min', '2 h', '4 d')
    """
    if seconds is None:
        return ""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _cells(partition: PartitionStanding) -> tuple[str, ...]:
    state = partition.standing.value + (f": {partition.reason}" if partition.reason else "")
    return (
        visible(partition.dataset),
        str(partition.partition),
        _number(partition.committed),
        _number(partition.lag),
        f"{partition.rows:,}",
        f"{partition.dead_letters:,}",
        _last_commit(partition),
        visible(partition.owner),
        visible(state),
    )


def _last_commit(partition: PartitionStanding) -> str:
    """Return how long ago it was; the day where that says more, as after a replay of old events."""
    if partition.committed_at and (partition.commit_age_seconds or 0.0) > _DAYS_SAY_LITTLE:
        return partition.committed_at[:10]
    return in_words(partition.commit_age_seconds)


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"
