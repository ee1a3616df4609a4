"""``${VAR}`` and ``${VAR:-default}`` in the values of a configuration file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ray_pipeline.config.yaml_lines import KeyPath

_REFERENCE = re.compile(
    r"\$(?:(?P<escaped>\$\{)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|(?P<wrong>\{))"
)


def interpolate(tree: Any, environ: Mapping[str, str]) -> tuple[Any, list[tuple[KeyPath, str]]]:
    """Return the tree with every reference replaced, and (path, problem) for each that cannot be.

    It happens after parsing, so a value from the environment is text and never structure. An unset and an empty
    variable both take the default, as in a shell; ``$${`` stands for ``${``.

    >>> interpolate({"a": "${HOME:-/srv}/x", "b": "$${A}"}, {})
    ({'a': '/srv/x', 'b': '${A}'}, [])
    >>> interpolate(["${NONE}"], {})[1]
    [((0,), 'environment variable NONE is not set, and there is no default: ${NONE:-default}')]
    """
    problems: list[tuple[KeyPath, str]] = []
    return _walk(tree, (), environ, problems), problems


def _walk(tree: Any, path: KeyPath, environ: Mapping[str, str], problems: list[tuple[KeyPath, str]]) -> Any:
    if isinstance(tree, dict):
        return {key: _walk(value, (*path, key), environ, problems) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_walk(value, (*path, index), environ, problems) for index, value in enumerate(tree)]
    if not isinstance(tree, str):
        return tree

    def replace(found: re.Match[str]) -> str:
        if found["escaped"]:
            return "${"
        if found["wrong"]:
            problems.append((path, "a reference is written ${VAR} or ${VAR:-default}; $${ stands for ${ itself"))
            return ""
        name, default = found["name"], found["default"]
        value = environ.get(name)
        if default is not None:
            return value or default
        if value is None:
            what = f"environment variable {name} is not set, and there is no default: ${{{name}:-default}}"
            problems.append((path, what))
            return ""
        return value

    return _REFERENCE.sub(replace, tree)
