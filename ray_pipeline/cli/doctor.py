"""``ray-pipeline doctor``: check everything that a run needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ray_pipeline.text import visible
from ray_pipeline.types import Outcome

from .console import out, print_json
from .options import ConfigOption, Output, OutputOption, SetOption

if TYPE_CHECKING:
    from rich.console import Console

    from ray_pipeline.runtime.doctor import Check


def doctor(
    config: ConfigOption = None,
    sets: SetOption = None,
    ray_address: Annotated[
        str | None, typer.Option("--ray-address", help="A Ray cluster to look at; else RAY_ADDRESS.")
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Check everything that a run needs, one line each.

    The configuration, each contract, the store's put-if-absent, brokers and topics, Ray. Nothing is started. Exits 0
    where all is well, 1 where something is not fit, 2 where a file is wrong, 3 where something did not answer.
    """
    from ray_pipeline.runtime.doctor import examine, overall

    console = out()
    checks = []
    for check in examine(config, sets or (), ray_address=ray_address):
        checks.append(check)
        if output is Output.TEXT:
            _print(console, check)
    outcome = overall(checks)
    if output is Output.JSON:
        found = [
            {"name": c.name, "ok": c.outcome is Outcome.HELD, "found": c.found, "advice": c.advice} for c in checks
        ]
        print_json({"ok": outcome is Outcome.HELD, "checks": found})
    raise typer.Exit(outcome)


def _print(console: Console, check: Check) -> None:
    from rich.text import Text

    good = check.outcome is Outcome.HELD
    line = Text("ok    " if good else "FAIL  ", style="green" if good else "bold red")
    line.append(f"{visible(check.name)}: {visible(check.found)}", style="default not bold")
    console.print(line, soft_wrap=True)
    if check.advice:
        console.print(f"      {visible(check.advice)}", soft_wrap=True)
