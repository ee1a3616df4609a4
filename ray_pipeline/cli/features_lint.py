"""``ray-pipeline features lint`` and ``apply``: check the definitions, and let Feast know them."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout

import typer

from ray_pipeline.text import count, visible
from ray_pipeline.types import Outcome

from .console import print_json, print_line
from .options import ConfigOption, Output, OutputOption, SetOption


def lint(output: OutputOption = Output.TEXT, config: ConfigOption = None, sets: SetOption = None) -> None:
    """Say everything that is wrong with the feature definitions, each problem with its line.

    Exits 0 where all are sound, 1 where one is wrong, 2 where there is no repository or the configuration is wrong.
    """
    from ray_pipeline.config import load_config
    from ray_pipeline.connectors.feast import load_repo
    from ray_pipeline.connectors.feast.repo_lint import store_problems

    loaded = load_config(config, sets or ())
    with redirect_stdout(sys.stderr):  # what a definition file prints is no part of the answer
        repo = load_repo(loaded, check=False)
    problems = (*repo.problems, *store_problems(loaded, repo.views))
    if output is Output.JSON:
        listed = [
            {"file": one.file, "line": one.line, "key": one.key, "message": one.message, "warning": one.warning}
            for one in problems
        ]
        views = [
            {
                "name": view.name,
                "definition": view.shape.definition,
                "dataset": view.shape.dataset,
                "feed": view.shape.feed,
                "keys": {key.name: key.type for key in view.shape.keys},
                "features": {feature.name: feature.type for feature in view.shape.features},
            }
            for view in repo.views
        ]
        print_json({"repo": str(repo.folder), "views": views, "problems": listed})
    else:
        for problem in problems:
            print_line(visible(str(problem)))
        parts = (
            count(len(repo.views), "view"),
            count(len(repo.services), "feature service"),
            count(len(repo.labels), "label set"),
        )
        found = count(len(problems), "problem") if problems else "no problem"
        print_line(f"{', '.join(parts)}: {found}")
    raise typer.Exit(Outcome.BROKEN if problems else Outcome.HELD)


def apply(output: OutputOption = Output.TEXT, config: ConfigOption = None, sets: SetOption = None) -> None:
    """Make Feast's registry say what the definitions say, as `feast apply` does.

    Views that are defined no more are dropped from it. Exits 2, and changes nothing, where a definition is wrong.
    """
    from ray_pipeline.config import load_config
    from ray_pipeline.connectors.feast import apply_repo

    applied = apply_repo(load_config(config, sets or ()))
    if output is Output.JSON:
        print_json({"created": applied.created, "updated": applied.updated, "deleted": applied.deleted})
        return
    changes = [("created", applied.created), ("updated", applied.updated), ("deleted", applied.deleted)]
    for word, names in changes:
        for name in names:
            print_line(visible(f"{word} {name}"))
    if not any(names for _, names in changes):
        print_line("nothing to change")
