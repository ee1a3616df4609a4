"""YAML that a person wrote, as values that know their lines.

The text is read event by event, so neither depth nor aliases can hurt. A reader (``config/yaml_lines.py``,
``contracts/yaml_lines.py``) brings its dialect: what it allows, what a scalar means, and how a mistake is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from ray_pipeline.errors import Problem

KeyPath = tuple[str | int, ...]

_MERGE = "<<"


class BadYamlError(Exception):
    """The text cannot be read any further."""

    def __init__(self, line: int | None, message: str) -> None:
        super().__init__(line, message)
        self.line, self.message = line, message


@dataclass(slots=True)
class Node:
    """One value as it stands in the text; ``size`` counts it and all below, aliases included."""

    line: int
    scalar: str = ""
    plain: bool = False
    """A scalar without quotes and without a tag."""
    members: list[tuple[str, int, Node]] | None = None
    items: list[Node] | None = None
    size: int = 1
    pending_key: tuple[str, int] | None = None
    anchor: str | None = None

    @property
    def is_scalar(self) -> bool:
        return self.members is None and self.items is None


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a reader allows, and how it says no."""

    max_depth: int
    max_nodes: int
    """Values in one text, aliases counted as often as they are used."""
    references: bool
    """Whether anchors, aliases and ``<<`` are read."""
    tags: tuple[str, ...]
    refused_tag: str
    """``{tag}`` stands for it."""
    twice: str
    """``{line}`` stands for the line of the first of two keys."""


@dataclass(slots=True)
class Tree:
    """A text's value, the line of each key and item, and what was wrong on the way."""

    value: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


Scalar = Callable[[Node, KeyPath], object]


def read_tree(events: Iterator[Any], dialect: Dialect, scalar: Scalar, file: str) -> Tree | None:
    """Return what the events of one document say; None where there is none. A key stands in its first place.

    Whatever ends the reading, ``BadYamlError`` among it, is a problem of the tree, whose value is then None.
    """
    building = _Building(dialect, scalar, file)
    try:
        root = _root(events, dialect)
        if root is None:
            return None
        building.tree.value = building.value(root, ())
        building.tree.lines.setdefault((), root.line)
    except BadYamlError as error:
        building.tree.problems.append(Problem(file, error.line, "", error.message))
        return Tree(problems=building.tree.problems)
    return building.tree


def _root(events: Iterator[Any], dialect: Dialect) -> Node | None:
    """Fold the events into one tree, without recursion."""
    stack: list[Node] = []
    anchors: dict[str, Node] = {}
    root: Node | None = None
    documents = 0
    for event in events:
        line = event.start_mark.line + 1
        _refuse(event, line, dialect)
        if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            node = stack.pop()
            if node.anchor:
                anchors[node.anchor] = node
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchors:
                raise BadYamlError(line, f"*{event.anchor} names no anchor that is complete here")
            node = anchors[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            node = Node(line, scalar=event.value, plain=event.implicit[0] and event.tag is None)
            if event.anchor:
                anchors[event.anchor] = node
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            stack.append(_opened(event, line, stack, dialect))
            continue
        else:
            documents += isinstance(event, yaml.DocumentStartEvent)
            if documents > 1:
                raise BadYamlError(line, "a second document: one file holds one")
            continue
        if stack:
            _attach(stack[-1], node, line, dialect)
        elif root is None:
            root = node
    return root


def _refuse(event: Any, line: int, dialect: Dialect) -> None:
    if not dialect.references and (isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None)):
        raise BadYamlError(line, "anchors and aliases are not read here: write the value out")
    if (tag := getattr(event, "tag", None)) is not None and tag not in dialect.tags:
        raise BadYamlError(line, dialect.refused_tag.format(tag=tag))


def _opened(event: Any, line: int, stack: list[Node], dialect: Dialect) -> Node:
    if len(stack) >= dialect.max_depth:
        raise BadYamlError(line, f"nested deeper than {dialect.max_depth} levels")
    if stack and stack[-1].members is not None and stack[-1].pending_key is None:
        raise BadYamlError(line, "a key must be a plain word")
    if isinstance(event, yaml.MappingStartEvent):
        return Node(line, members=[], anchor=event.anchor)
    return Node(line, items=[], anchor=event.anchor)


def _attach(parent: Node, node: Node, line: int, dialect: Dialect) -> None:
    if parent.items is not None:
        parent.items.append(node)
    elif parent.members is not None:
        if parent.pending_key is None:
            if not node.is_scalar:
                raise BadYamlError(line, "a key must be a plain word")
            parent.pending_key = (node.scalar, line)
            return
        key, key_line = parent.pending_key
        parent.members.append((key, key_line, node))
        parent.pending_key = None
    parent.size += node.size
    if parent.size > dialect.max_nodes:
        raise BadYamlError(line, f"more than {dialect.max_nodes:,} values, aliases counted as often as they are used")


class _Building:
    """Turns nodes into values; the depth of what aliases make is bounded here."""

    def __init__(self, dialect: Dialect, scalar: Scalar, file: str) -> None:
        self._dialect, self._scalar, self._file = dialect, scalar, file
        self.tree = Tree()

    def value(self, node: Node, path: KeyPath) -> object:
        if len(path) > self._dialect.max_depth:
            raise BadYamlError(node.line, f"nested deeper than {self._dialect.max_depth} levels")
        if node.members is not None:
            return self._mapping(node.members, path)
        if node.items is not None:
            for index, item in enumerate(node.items):
                self.tree.lines[(*path, index)] = item.line
            return [self.value(item, (*path, index)) for index, item in enumerate(node.items)]
        return self._scalar(node, path)

    def _mapping(self, members: list[tuple[str, int, Node]], path: KeyPath) -> dict[str, object]:
        found: dict[str, object] = {}
        merged: list[tuple[str, int, Node]] = []
        for key, line, child in members:
            at = (*path, key)
            if key == _MERGE and self._dialect.references:
                merged += _merged(child)
            elif key in found:
                what = self._dialect.twice.format(line=self.tree.lines[at])
                self.tree.problems.append(Problem(self._file, line, ".".join(map(str, at)), what))
            else:
                self.tree.lines[at] = line
                found[key] = self.value(child, at)
        for key, line, child in merged:
            if key not in found:
                self.tree.lines[(*path, key)] = line
                found[key] = self.value(child, (*path, key))
        return found


def _merged(node: Node) -> list[tuple[str, int, Node]]:
    sources = [node] if node.items is None else node.items
    if any(source.members is None for source in sources):
        raise BadYamlError(node.line, "<< merges mappings only")
    members = [member for source in sources for member in source.members or ()]
    own = [member for member in members if member[0] != _MERGE]
    return own + [deeper for key, _, child in members if key == _MERGE for deeper in _merged(child)]
