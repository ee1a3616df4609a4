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

from ray_pipeline.errors import Problem

MAX_BYTES = 1_000_000
MAX_DEPTH = 32

KeyPath = tuple[str | int, ...]

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?[0-9]{1,100}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


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
    try:
        if (refused := _refused_feature(text)) is not None:
            line, what = refused
            return Document(None, problems=(Problem(file, line, "", what),))
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        return Document(None, problems=(_syntax_problem(error, text, file),))
    except yaml.YAMLError:
        return Document(None, problems=(Problem(file, None, "", "no YAML: a character that YAML does not allow"),))
    reader = _Reader(file)
    value = reader.read(node, ()) if node is not None else None
    return Document(value, reader.lines, tuple(reader.problems))


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


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, file: str) -> Problem:
    """Say where the parser stopped, in its own words alone: the snippet that it adds may hold a secret."""
    mark: Any = error.problem_mark or error.context_mark
    if mark is None:
        return Problem(file, None, "", "no YAML: it cannot be parsed")
    what = "an unknown tag" if "tag" in str(error.problem) else str(error.problem)
    if re.search(r"[{\[].*\$\{", text.splitlines()[mark.line] if mark.line < len(text.splitlines()) else ""):
        what += "; inside { } or [ ] a value with ${…} must be quoted"
    return Problem(file, mark.line + 1, "", f"no YAML: {what}")


def _refused_feature(text: str) -> tuple[int, str] | None:
    """Look at the event stream before anything is built from it."""
    depth = 0
    documents = 0
    for event in _events(text):
        line = _line(event.start_mark)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            return line, "anchors and aliases are not read here: write the value out"
        if getattr(event, "tag", None):
            return line, "tags (!…) are not read here: write a plain value"
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                return line, "a second document: one file holds one"
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                return line, f"nested deeper than {MAX_DEPTH}"
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return None


def _line(mark: Any) -> int:
    return int(mark.line) + 1


def _events(text: str) -> Iterator[yaml.Event]:
    yield from yaml.parse(text, Loader=yaml.SafeLoader)


class _Reader:
    """Turn composed nodes into values; depth and aliases were checked before."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []

    def read(self, node: yaml.Node, path: KeyPath) -> Any:
        self.lines.setdefault(path, _line(node.start_mark))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        if any("\ud800" <= character <= "\udfff" for character in node.value):
            what = "half a character (a lone surrogate)"
            self.problems.append(Problem(self._file, _line(node.start_mark), dotted(path), what))
            return node.value.encode("utf-8", "replace").decode()
        plain = isinstance(node, yaml.ScalarNode) and node.style is None
        return scalar(node.value) if plain else node.value

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = _line(key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(Problem(self._file, line, dotted(path), "a key must be text"))
                continue
            key = key_node.value
            if key in value:
                first = self.lines[(*path, key)]
                what = f"the key stands twice (first on line {first})"
                self.problems.append(Problem(self._file, line, dotted((*path, key)), what))
                continue
            self.lines[(*path, key)] = line
            value[key] = self.read(value_node, (*path, key))
        return value
