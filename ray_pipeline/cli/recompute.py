"""``ray-pipeline gate --recompute``: prove that the stored states are what the files say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import typer

from ray_pipeline.text import count, visible

from .console import note, print_json, print_line, progress
from .options import Output

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig


def recompute_states(
    config: PipelineConfig, datasets: Sequence[str], ray_address: str | None, output: Output
) -> NoReturn:
    """Measure every judged file again, print what differs, and leave with 0 or 1."""
    from ray_pipeline.runtime.jobs.recompute import recompute

    with progress("measuring again") as bar:
        found = recompute(
            config,
            datasets,
            ray_address=ray_address,
            on_message=note,
            on_progress=lambda it: bar(it.files, it.of, f"files ({it.rows:,} rows)"),
        )
    if output is Output.JSON:
        print_json(found.to_json())
    else:
        for one in found.datasets:
            print_line(
                visible(
                    f"{one.dataset}: {count(one.files, 'file')}, {count(one.equal, 'stored state')} equal, "
                    f"{one.absent:,} not stored, {len(one.different):,} different"
                )
            )
            for line in one.different:
                print_line(visible(f"  {line}"))
            for line in one.unreadable:
                print_line(visible(f"  unreadable: {line}"))
    raise typer.Exit(found.outcome)
