"""``ray-pipeline features``: what is computed from the events, offline and online."""

from __future__ import annotations

import typer

from .features_build import backfill, build, show
from .features_lint import apply, lint
from .features_online import status
from .features_verify import verify

app = typer.Typer(no_args_is_help=True)
for function in (lint, apply, build, backfill, show, status, verify):
    app.command()(function)


@app.callback()
def features() -> None:
    """Features: one definition for batch, stream and training.

    `lint` checks the definitions, `apply` tells Feast about them, `build` computes what is new into the offline tables,
    `backfill` computes days again, `show` says what is in them; `status` says how far the online values are, `verify`
    compares them with the offline ones.
    """
