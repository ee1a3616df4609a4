"""YAML as people mean it in a contract: YAML 1.2's plain values, no tags, and a line for every key.

Python's YAML reads ``NO`` as false, ``12:30`` as 750 and ``2013-01-01`` as a date; here they are the strings that
were written. The text is read event by event, so neither depth nor aliases can hurt.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from ray_pipeline.errors import Problem

from .document import MAX_DEPTH, MAX_NODES, Document, Path

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_A_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_MERGE = "<<"
_STRING_TAGS = (None, "!", "tag:yaml.org,2002:str")


class _BadYamlError(Exception):
    def __init__(self, line: int | None, message: str) -> None:
        super().__init__(line, message)
        self.line, self.message = line, message


@dataclass(slots=True)
class _Node:
    """One value as it stands in the text; ``size`` counts it and all below, aliases included."""

    line: int
    scalar: str | None = None
    plain: bool = False
    members: list[tuple[str, int, _Node]] | None = None
    items: list[_Node] | None = None
    size: int = 1
    pending_key: tuple[str, int] | None = None
    anchor: str | None = None


@dataclass(slots=True)
class _Build:
    file: str
    lines: dict[Path, int] = field(default_factory=dict)
    written: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read_yaml(text: str, file: str) -> Document:
    """Read one YAML document with its lines; what is wrong with it is in ``problems``."""
    build = _Build(file)
    try:
        root = _root(_events(text))
        data = _value(root, (), build)
    except _BadYamlError as error:
        return Document(file, problems=(*build.problems, Problem(file, error.line, "", error.message)))
    build.lines.setdefault((), root.line)
    return Document(file, data, build.lines, build.written, tuple(build.problems))


def _events(text: str) -> Iterator[Any]:
    loader = yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader
    try:
        yield from yaml.parse(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise _BadYamlError(mark.line + 1 if mark else None, f"not YAML: {said}") from error
    except yaml.YAMLError as error:
        raise _BadYamlError(None, f"not YAML: {str(error).splitlines()[0]}") from error


def _root(events: Iterator[Any]) -> _Node:
    """Fold the events into one tree, without recursion."""
    stack: list[_Node] = []
    anchors: dict[str, _Node] = {}
    root: _Node | None = None
    for event in events:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            node = stack.pop()
            if node.anchor:
                anchors[node.anchor] = node
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchors:
                raise _BadYamlError(line, f"*{event.anchor} names no anchor that is complete here")
            node = anchors[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            node = _scalar(event, line)
            if event.anchor:
                anchors[event.anchor] = node
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            _refuse_tag(event, line)
            if len(stack) >= MAX_DEPTH:
                raise _BadYamlError(line, f"nested deeper than {MAX_DEPTH} levels")
            is_map = isinstance(event, yaml.MappingStartEvent)
            opened = _Node(line, members=[] if is_map else None, items=None if is_map else [], anchor=event.anchor)
            if stack and stack[-1].members is not None and stack[-1].pending_key is None:
                raise _BadYamlError(line, "a key must be a plain word")
            stack.append(opened)
            continue
        elif isinstance(event, yaml.DocumentStartEvent) and root is not None:
            raise _BadYamlError(line, "a second document; one contract a file")
        else:
            continue
        if stack:
            _attach(stack[-1], node, line)
        elif root is None:
            root = node
    if root is None:
        raise _BadYamlError(None, "empty")
    return root


def _scalar(event: yaml.ScalarEvent, line: int) -> _Node:
    _refuse_tag(event, line)
    return _Node(line, scalar=event.value, plain=event.implicit[0] and event.tag is None)


def _refuse_tag(event: Any, line: int) -> None:
    if event.tag not in _STRING_TAGS:
        raise _BadYamlError(line, f"the tag {event.tag} is not read; write the value itself")


def _attach(parent: _Node, node: _Node, line: int) -> None:
    if parent.items is not None:
        parent.items.append(node)
    elif parent.members is not None:
        if parent.pending_key is None:
            if node.scalar is None:
                raise _BadYamlError(line, "a key must be a plain word")
            parent.pending_key = (node.scalar, line)
            return
        key, key_line = parent.pending_key
        parent.members.append((key, key_line, node))
        parent.pending_key = None
    parent.size += node.size
    if parent.size > MAX_NODES:
        raise _BadYamlError(line, f"more than {MAX_NODES:,} values, aliases counted as often as they are used")


def _value(node: _Node, path: Path, build: _Build) -> object:
    if len(path) > MAX_DEPTH:
        raise _BadYamlError(node.line, f"nested deeper than {MAX_DEPTH} levels")
    if node.members is not None:
        return _mapping(node, path, build)
    if node.items is not None:
        for index, item in enumerate(node.items):
            build.lines[(*path, index)] = item.line
        return [_value(item, (*path, index), build) for index, item in enumerate(node.items)]
    return _plain(node, path, build) if node.plain else node.scalar


def _mapping(node: _Node, path: Path, build: _Build) -> dict[str, object]:
    found: dict[str, object] = {}
    merged: list[tuple[str, int, _Node]] = []
    for key, line, child in node.members or ():
        if key == _MERGE:
            merged += _merged(child)
            continue
        if key in found:
            first = build.lines[(*path, key)]
            key_path = ".".join(str(step) for step in (*path, key))
            build.problems.append(Problem(build.file, line, key_path, f"a second time; the first is in line {first}"))
            continue
        build.lines[(*path, key)] = line
        found[key] = _value(child, (*path, key), build)
    for key, line, child in merged:
        if key not in found:
            build.lines[(*path, key)] = line
            found[key] = _value(child, (*path, key), build)
    return found


def _merged(node: _Node) -> list[tuple[str, int, _Node]]:
    sources = [node] if node.items is None else node.items
    if any(source.members is None for source in sources):
        raise _BadYamlError(node.line, "<< merges mappings only")
    members = [member for source in sources for member in source.members or ()]
    own = [member for member in members if member[0] != _MERGE]
    return own + [deeper for key, _, child in members if key == _MERGE for deeper in _merged(child)]


def _plain(node: _Node, path: Path, build: _Build) -> object:
    text = node.scalar or ""
    if text in _WORDS:
        build.written[path] = text
        return _WORDS[text]
    try:
        if _INTEGER.fullmatch(text):
            build.written[path] = text
            return int(text[2:], 8 if text[1] == "o" else 16) if text[:2] in ("0o", "0x") else int(text)
        number = float(text) if _FLOAT.fullmatch(text) else None
    except ValueError:
        raise _BadYamlError(node.line, "a number of too many digits") from None
    if _NOT_A_NUMBER.fullmatch(text) or (number is not None and math.isinf(number)):
        raise _BadYamlError(node.line, f"{text} is no JSON number")
    if number is None:
        return text
    build.written[path] = text
    return number
