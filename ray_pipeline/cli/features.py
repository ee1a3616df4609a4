"""``ray-pipeline features``: what is computed from the events, offline and online."""

from __future__ import annotations

import typer

from .features_build import backfill, build, show
from .features_lint import apply, lint
from .features_online import status
from .features_verify import verify

app = typer.Typer(no_args_is_help=True, add_completion=False)
for function in (lint, apply, build, backfill, show, status, verify):
    app.command()(function)


@app.callback()
def features() -> None:
    """Compute features, offline and online, and compare the two.

    `lint` checks the definitions, `apply` tells Feast about them, `build` computes what is new into the offline tables,
    `backfill` computes days again, or writes the online values again, `show` says what is in the tables; `status` says
    how far the online values are, `verify` compares them with the offline ones.
    """
