"""``--set a.b=c``: one value of the configuration from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ray_pipeline.config.yaml_lines import KeyPath, parse
from ray_pipeline.errors import Problem

FILE = "--set"
_FREE = ("kafka", "store_options", "catalog")
"""Sections whose keys are other people's option names: they hold dots, and their values are plain text."""


def apply(tree: dict[str, Any], overrides: Sequence[str]) -> tuple[set[KeyPath], list[Problem]]:
    """Write each override into ``tree``; return the paths that were set, and what could not be.

    >>> tree = {"kafka": {"bootstrap.servers": "a:1"}}
    >>> apply(tree, ["kafka.bootstrap.servers=b:2", "ingest.commit_every.records=10"])[1]
    []
    >>> tree
    {'kafka': {'bootstrap.servers': 'b:2'}, 'ingest': {'commit_every': {'records': 10}}}
    """
    paths: set[KeyPath] = set()
    problems: list[Problem] = []
    for override in overrides:
        key, separator, text = override.partition("=")
        path = _split(key.strip())
        if not separator or not all(path):
            # Without its "=" the whole argument may be a secret: only its place is named.
            problems.append(Problem(FILE, None, key.strip() if separator else "", "must be written KEY.KEY=VALUE"))
            continue
        document = parse(text, FILE)
        value = text if path[0] in _FREE and len(path) == 2 else document.value
        if path[0] not in _FREE and document.problems:
            problems += [Problem(FILE, None, key, problem.message) for problem in document.problems]
        elif (blocked := _write(tree, path, value)) is not None:
            problems.append(Problem(FILE, None, key, f"{blocked} is one value, nothing can be set below it"))
        else:
            paths.add(tuple(path))
    return paths, problems


def _split(key: str) -> list[str]:
    section, _, rest = key.partition(".")
    if section in _FREE:
        return [section, rest] if rest else [section]
    return key.split(".")


def _write(tree: dict[str, Any], path: list[str], value: Any) -> str | None:
    """Set ``value``; return the path of a plain value that stands in the way."""
    at = tree
    for depth, step in enumerate(path[:-1], 1):
        if at.get(step) is None:
            at[step] = {}
        if not isinstance(at[step], dict):
            return ".".join(path[:depth])
        at = at[step]
    at[path[-1]] = value
    return None
