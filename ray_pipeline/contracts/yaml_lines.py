"""YAML as people mean it in a contract: YAML 1.2's plain values, no tags, and a line for every key.

Python's YAML reads ``NO`` as false, ``12:30`` as 750 and ``2013-01-01`` as a date; here they are the strings that
were written. Anchors, aliases and merges are read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import yaml

from ray_pipeline.config.yaml_tree import BadYamlError, Dialect, Node, read_tree
from ray_pipeline.errors import Problem

from .document import MAX_DEPTH, MAX_NODES, Document, Path

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_A_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_DIALECT = Dialect(
    max_depth=MAX_DEPTH,
    max_nodes=MAX_NODES,
    references=True,
    tags=("!", "tag:yaml.org,2002:str"),
    refused_tag="the tag {tag} is not read; write the value itself",
    twice="a second time; the first is in line {line}",
)


def read_yaml(text: str, file: str) -> Document:
    """Read one YAML document with its lines; what is wrong with it is in ``problems``."""
    written: dict[Path, str] = {}

    def scalar(node: Node, path: Path) -> object:
        value = _plain(node) if node.plain else node.scalar
        if not isinstance(value, str):
            written[path] = node.scalar
        return value

    tree = read_tree(_events(text), _DIALECT, scalar, file)
    if tree is None:
        return Document(file, problems=(Problem(file, None, "", "empty"),))
    if not tree.lines:
        return Document(file, problems=tuple(tree.problems))
    return Document(file, tree.value, tree.lines, written, tuple(tree.problems))


def _events(text: str) -> Iterator[Any]:
    loader = yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader
    try:
        yield from yaml.parse(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise BadYamlError(mark.line + 1 if mark else None, f"not YAML: {said}") from error
    except yaml.YAMLError as error:
        raise BadYamlError(None, f"not YAML: {str(error).splitlines()[0]}") from error


def _plain(node: Node) -> object:
    text = node.scalar
    if text in _WORDS:
        return _WORDS[text]
    try:
        if _INTEGER.fullmatch(text):
            return int(text[2:], 8 if text[1] == "o" else 16) if text[:2] in ("0o", "0x") else int(text)
        number = float(text) if _FLOAT.fullmatch(text) else None
    except ValueError:
        raise BadYamlError(node.line, "a number of too many digits") from None
    if _NOT_A_NUMBER.fullmatch(text) or (number is not None and math.isinf(number)):
        raise BadYamlError(node.line, f"{text} is no JSON number")
    return text if number is None else number
