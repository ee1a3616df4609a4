"""Read a YAML file that a person wrote, and remember which line each key stands on.

The loader takes the plain part of YAML 1.2: text, numbers, ``true``, ``false``, ``null``, mappings with text keys,
sequences. Dates stay text and ``no`` is a word, not a boolean. Anchors, aliases and tags are refused, so that a small
file cannot become a large document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from ray_pipeline.config.yaml_tree import BadYamlError, Dialect, KeyPath, Node, read_tree
from ray_pipeline.errors import Problem

__all__ = ["MAX_BYTES", "MAX_DEPTH", "Document", "KeyPath", "dotted", "parse", "scalar"]

MAX_BYTES = 1_000_000
MAX_DEPTH = 32

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?[0-9]{1,100}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_DIALECT = Dialect(
    max_depth=MAX_DEPTH,
    max_nodes=MAX_BYTES,
    references=False,
    tags=(),
    refused_tag="tags (!…) are not read here: write a plain value",
    twice="the key stands twice (first on line {line})",
)


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: its value, the line of each key and item, and what was wrong with its form."""

    value: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def line(self, path: KeyPath) -> int | None:
        """Return the line of ``path``, or of the nearest thing around it that the file has.

        >>> parse("a:\\n  b: 1\\n", "x.yaml").line(("a", "absent"))
        1
        """
        for length in range(len(path), 0, -1):
            if (line := self.lines.get(path[:length])) is not None:
                return line
        return self.lines.get(())


def dotted(path: KeyPath) -> str:
    """Spell a path as problems show it.

    >>> dotted(("kafka", "bootstrap.servers"))
    'kafka.bootstrap.servers'
    """
    return ".".join(str(step) for step in path)


def parse(text: str, file: str) -> Document:
    """Parse ``text``; a file that is no YAML at all gives the value None and one problem.

    >>> parse("a: 1\\na: 2\\n", "x.yaml").problems[0].message
    'the key stands twice (first on line 1)'
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return Document(None, problems=(Problem(file, None, "", f"larger than {MAX_BYTES} bytes"),))
    halves: list[Problem] = []

    def value(node: Node, path: KeyPath) -> object:
        if any("\ud800" <= character <= "\udfff" for character in node.scalar):
            halves.append(Problem(file, node.line, dotted(path), "half a character (a lone surrogate)"))
            return node.scalar.encode("utf-8", "replace").decode()
        return scalar(node.scalar) if node.plain else node.scalar

    tree = read_tree(_events(text, file), _DIALECT, value, file)
    if tree is None:
        return Document(None)
    return Document(tree.value, tree.lines, (*tree.problems, *halves))


def scalar(text: str) -> str | int | float | bool | None:
    """Give plain text the type that it has in a file.

    >>> scalar("12"), scalar("true"), scalar("no"), scalar("2013-01-01")
    (12, True, 'no', '2013-01-01')
    """
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _events(text: str, file: str) -> Iterator[Any]:
    try:
        yield from yaml.parse(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        problem = _syntax_problem(error, text, file)
        raise BadYamlError(problem.line, problem.message) from None
    except yaml.YAMLError:
        raise BadYamlError(None, "no YAML: a character that YAML does not allow") from None


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, file: str) -> Problem:
    """Say where the parser stopped, in its own words alone: the snippet that it adds may hold a secret."""
    mark: Any = error.problem_mark or error.context_mark
    if mark is None:
        return Problem(file, None, "", "no YAML: it cannot be parsed")
    what = "an unknown tag" if "tag" in str(error.problem) else str(error.problem)
    if re.search(r"[{\[].*\$\{", text.splitlines()[mark.line] if mark.line < len(text.splitlines()) else ""):
        what += "; inside { } or [ ] a value with ${…} must be quoted"
    return Problem(file, mark.line + 1, "", f"no YAML: {what}")
