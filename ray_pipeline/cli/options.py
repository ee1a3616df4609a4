"""Options that several verbs share, spelled once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Output(StrEnum):
    """How a verb prints its result."""

    TEXT = "text"
    JSON = "json"


class FormatsMode(StrEnum):
    """Whether the keyword ``format`` decides about a record."""

    ASSERT = "assert"
    ANNOTATE = "annotate"


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration; else what RAY_PIPELINE_CONFIG names, else configs/local.yaml.",
        show_default=False,
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Replace one value of the configuration, as in ingest.actors=2. May be given again.",
        show_default=False,
    ),
]
OutputOption = Annotated[
    Output,
    typer.Option("--output", "-o", help="Text for people, JSON for programs. Everything else goes to stderr."),
]
FormatsOption = Annotated[
    FormatsMode,
    typer.Option(
        "--formats",
        help="Whether `format` decides (assert) or is only a note (annotate); dates and times of ODCS always decide.",
    ),
]
