"""``ray-pipeline drift compare``: two Parquet files beside each other, without a baseline and without a lake."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ray_pipeline.errors import UsageError
from ray_pipeline.text import count, visible
from ray_pipeline.types import Outcome

from .console import print_json, print_line
from .options import ConfigOption, Output, OutputOption, SetOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from ray_pipeline.drift.compare import ColumnDifference, Comparison

_HEADER = ("column", "test", "statistic", "p", "adjusted", "effect", "moved by")


def compare(
    reference: Annotated[Path, typer.Option("--reference", metavar="A.parquet", help="What is usual.")],
    current: Annotated[Path, typer.Option("--current", metavar="B.parquet", help="What is asked about.")],
    contract: Annotated[
        str | None,
        typer.Option(
            "--contract",
            metavar="C",
            help="A contract's file, or a dataset of the configuration: it says which columns, and what they are.",
            show_default=False,
        ),
    ] = None,
    object_name: Annotated[
        str | None, typer.Option("--object", help="Which schema object, where the contract has several.")
    ] = None,
    alpha: Annotated[float, typer.Option("--alpha", help="How often equal tables may be called different.")] = 0.05,
    min_effect: Annotated[
        float,
        typer.Option("--min-effect", min=0, max=1, help="Smaller Jensen-Shannon distances (0 to 1) are no drift."),
    ] = 0.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the permutations, and of the coins for ties.")] = 0,
    block: Annotated[
        str | None,
        typer.Option(
            "--block",
            metavar="COLUMN",
            help="Rows with the same value of it belong together (a day, a device): whole blocks are permuted.",
            show_default=False,
        ),
    ] = None,
    min_rows: Annotated[int, typer.Option("--min-rows", min=1, help="Fewer rows on a side: cannot tell.")] = 50,
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
    sets: SetOption = None,
) -> None:
    """Say which columns of two Parquet files are distributed differently.

    Numbers are compared by Kolmogorov and Smirnov's statistic, categories and flags by chi-square, the share of missing
    values with them; p-values come from permutations and are corrected for the number of columns (Benjamini and
    Hochberg). Without --block, rows count as independent.

    Exits 0 where nothing moved, 1 on drift, 3 where it cannot tell: too few rows, or no column to compare.
    """
    from ray_pipeline.drift.compare import compare as compare_tables

    from .parquet_columns import open_columns

    if not 0 < alpha < 1:
        raise UsageError(f"--alpha must be above 0 and below 1, not {alpha:g}")
    with open_columns(reference) as before, open_columns(current) as after:
        found = compare_tables(
            before,
            after,
            kinds=_kinds(contract, object_name, config, sets, before.schema),
            alpha=alpha,
            min_effect=min_effect,
            seed=seed,
            block=block,
            min_rows=min_rows,
        )
        ours = [name for name in before.left_out if name in after.left_out]
    if ours:
        found = replace(found, notices=(*found.notices, f"{', '.join(ours)} say where a row landed: not compared"))
    if output is Output.JSON:
        print_json(found.to_json())
    else:
        _show(found)
    outcomes = {True: Outcome.BROKEN, False: Outcome.HELD, None: Outcome.UNKNOWN}
    raise typer.Exit(outcomes[found.drift])


def _kinds(
    contract: str | None, object_name: str | None, config: Path | None, sets: Sequence[str] | None, schema: pa.Schema
) -> dict[str, str] | None:
    """Return what the contract says of its columns; those within an object are not compared, as in a bare table."""
    if contract is None:
        return None
    from ray_pipeline.drift.lens import watched_kinds

    from .naming import open_contract

    found = watched_kinds(open_contract(contract, config, sets, object_name=object_name))
    return {name: kind for name, kind in found.items() if name in schema.names or "." not in name}


def _show(found: Comparison) -> None:
    for notice in found.notices:
        print_line(visible(f"note: {notice}"))
    rows = [_HEADER, *(_row(one) for one in found.columns)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEADER))]
    if found.drift is not None:
        for row in rows:
            print_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    of = f"{count(found.reference_rows, 'row')} before, {count(found.current_rows, 'row')} now"
    if found.drift is None:
        print_line(f"cannot tell ({of})")
    elif not found.drift:
        print_line(f"no drift in {count(len(found.columns), 'column')} ({of}; alpha {found.alpha:g})")
    else:
        names = ", ".join(visible(one.name) for one in found.moved)
        print_line(f"drift in {len(found.moved)} of {count(len(found.columns), 'column')}: {names} ({of})")


def _row(one: ColumnDifference) -> tuple[str, ...]:
    numbers = (one.statistic, one.p, one.p_adjusted, one.effect)
    shown = ("-" if number is None else f"{number:.3g}" for number in numbers)
    return (visible(one.name), one.test or "no value", *shown, _moved(one))


def _moved(one: ColumnDifference) -> str:
    said = []
    if one.shift is not None:
        said.append(f"{one.shift:+.2f} sd")
    if one.missing is not None and any(one.missing):
        said.append(f"missing {one.missing[0]:.1%} to {one.missing[1]:.1%}")
    return ("DRIFT  " if one.drift else "") + ", ".join(said)
