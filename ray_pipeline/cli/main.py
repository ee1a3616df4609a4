"""The command ``ray-pipeline``: which verbs there are. A verb's file is imported when the verb is called."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from inspect import cleandoc
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .errors import PROGRAM, exit_codes


@dataclass(frozen=True, slots=True)
class Verb:
    """One line of ``--help``, and where the function is. The test for it holds ``summary`` to the docstring."""

    name: str
    module: str
    attribute: str
    panel: str
    summary: str


START, RUN, LOOK, CONTRACTS = "Start here", "Run", "Look at what landed", "Contracts"
VERBS = {
    verb.name: verb
    for verb in (
        Verb("demo", "demo", "demo", START, "Run the whole pipeline on real flights, on this machine."),
        Verb("doctor", "doctor", "doctor", START, "Check everything that a run needs, one line each."),
        Verb("ingest", "ingest", "ingest", RUN, "Read topics into validated Parquet and dead letters."),
        Verb("gate", "gate", "gate", RUN, "Judge what landed, publish what holds, keep back the rest."),
        Verb("features", "features", "app", RUN, "Compute features, offline and online, and compare the two."),
        Verb("training-set", "training_set", "app", RUN, "Build training sets that can be built again, byte for byte."),
        Verb("train", "train", "train", RUN, "Train a model version as SPEC says, and keep it with its evidence."),
        Verb("model", "model", "app", RUN, "Look at model versions, compare them, and say which one answers."),
        Verb("predict", "predict", "predict", RUN, "Ask a model: one question now, or many as of their own moments."),
        Verb("serve", "serve", "app", RUN, "Answer over HTTP on Ray Serve."),
        Verb("drift", "drift", "app", RUN, "Say whether data and a model's errors are still as they were at training."),
        Verb(
            "retrain",
            "retrain",
            "app",
            RUN,
            "Train a challenger where the champion loses, judge both on the same rows, and say why.",
        ),
        Verb("status", "status", "status", RUN, "Show where every partition stands."),
        Verb("resume", "resume", "resume", RUN, "Let a stopped partition go on."),
        Verb("files", "files", "files", LOOK, "Print the URIs of the landed files of DATASET."),
        Verb(
            "curated",
            "curated",
            "curated",
            LOOK,
            "Print where the curated table of DATASET is, for any engine that reads Iceberg.",
        ),
        Verb("held", "held", "app", LOOK, "Look at days that the gate holds back, and let them through."),
        Verb(
            "quarantine", "quarantine", "app", LOOK, "Look at rows that the gate set aside, and have them judged again."
        ),
        Verb("dead-letters", "dead_letters", "app", LOOK, "Look at records that their contract refused."),
        Verb("predictions", "predictions", "app", LOOK, "Look at what the model answered, and on what it rests."),
        Verb("verify", "verify", "verify", LOOK, "Prove that nothing is lost and nothing is doubled."),
        Verb("contract", "contract", "app", CONTRACTS, "Check and explain data contracts."),
        Verb("validate", "validate", "validate", CONTRACTS, "Judge newline-delimited JSON by CONTRACT."),
    )
}


class VerbGroup(TyperGroup):
    """The group that imports a verb when it is called, and maps every error to its exit code."""

    _listing = False

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        stub = super().get_command(ctx, cmd_name)
        return stub if stub is None or self._listing else load(VERBS[cmd_name])

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False

    def invoke(self, ctx: Any) -> Any:
        with exit_codes(full_traceback=bool(ctx.params.get("full_traceback"))):
            return super().invoke(ctx)


def load(verb: Verb) -> Any:
    """Import a verb's file and return its command."""
    found = getattr(import_module(f"ray_pipeline.cli.{verb.module}"), verb.attribute)
    if not isinstance(found, typer.Typer):
        single = typer.Typer(add_completion=False)
        single.command()(found)
        found = single
    command = _refilled(typer.main.get_command(found))
    command.name = verb.name
    return command


def _refilled(command: Any) -> Any:
    """Take the docstrings' line ends out of the help pages, for typer keeps all but the first paragraph's."""
    command.help = "\n\n".join(" ".join(text.split()) for text in cleandoc(command.help or "").split("\n\n"))
    for one in getattr(command, "commands", {}).values():
        _refilled(one)
    return command


def command() -> Any:
    """Return the whole command line as one command object."""
    app = typer.Typer(cls=VerbGroup, add_completion=False, no_args_is_help=True)
    app.callback()(_root)
    for verb in VERBS.values():
        app.command(verb.name, help=verb.summary, rich_help_panel=verb.panel)(_stub)
    return typer.main.get_command(app)


def main() -> None:
    """Run the command line; the process ends here."""
    command().main(prog_name=PROGRAM)


def _stub() -> None:
    """Stand for a verb whose file is not imported yet."""


def _version(asked: bool) -> None:
    if asked:
        from ray_pipeline import __version__

        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
    full_traceback: Annotated[
        bool,
        typer.Option("--traceback", envvar="RAY_PIPELINE_TRACEBACK", help="On an error, show where it came from."),
    ] = False,
) -> None:
    """Kafka to validated Parquet, curated Iceberg tables, features and answers of models, by one contract per dataset.

    Exit codes: 0 held, 1 the data broke its contract or the check failed, 2 asked wrongly, 3 could not tell.
    """
