"""The line of one argument in a definition file, so that a problem is shown where it is written."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path


def line_of(file: str, line: int, path: Sequence[str] = ()) -> int | None:
    """Return the line of ``path`` (an argument, then a key of its dictionary) in the call that begins at ``line``.

    The nearest that can be found: the call's own line where the argument is made elsewhere, None without a line.
    """
    if not line:
        return None
    found: ast.expr | None = _calls(file).get(line)
    for step in path:
        found, at = _below(found, step)
        if found is None:
            break
        line = at
    return line


class Places:
    """Where things are made that know no place of their own: each call is given away once."""

    def __init__(self, files: Sequence[str], taken: Iterable[tuple[str, int | None]] = ()) -> None:
        self._files = files
        self._taken = set(taken)

    def find(self, name: str) -> tuple[str, int | None]:
        """Return the next call that makes something of that name, or the first file where there is none."""
        for file in self._files:
            for line, call in sorted(_calls(file).items()):
                if name in _names(call) and (file, line) not in self._taken:
                    self._taken.add((file, line))
                    return file, line
        return (self._files[0] if self._files else ""), None


def _names(call: ast.expr) -> list[object]:
    if not isinstance(call, ast.Call):
        return []
    given = [keyword.value for keyword in call.keywords if keyword.arg == "name"] or call.args[:1]
    return [value.value for value in given if isinstance(value, ast.Constant)]


def _below(node: ast.expr | None, step: str) -> tuple[ast.expr | None, int]:
    if isinstance(node, ast.Call):
        for keyword in node.keywords:
            if keyword.arg == step:
                return keyword.value, keyword.lineno
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == step:
                return value, key.lineno
    return None, 0


def _calls(file: str) -> dict[int, ast.expr]:
    try:
        text = Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    return _parsed(text)


@lru_cache(maxsize=8)
def _parsed(text: str) -> dict[int, ast.expr]:
    """Every outermost call by its line."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    calls: dict[int, ast.expr] = {}
    for node in ast.walk(tree):  # the outer ones come first
        if isinstance(node, ast.Call):
            calls.setdefault(node.lineno, node)
    return calls
