"""A file that a person wrote, read as data that still knows its lines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from ray_pipeline.errors import Problem

Path = tuple[str | int, ...]

MAX_TEXT = 1024 * 1024
"""A contract is written by people: 1 MiB is a mistake or an attack."""
MAX_NODES = 100_000
"""Values in one file, aliases counted as often as they are used."""
MAX_DEPTH = 200

_NAMES = ("name", "property", "server", "id")


@dataclass(frozen=True)
class Document:
    """What a file says, where each part of it stands, and what is wrong with the file as such."""

    file: str
    data: object = None
    lines: Mapping[Path, int] = field(default_factory=dict)
    """The line of each key (for a list: of each item)."""
    written: Mapping[Path, str] = field(default_factory=dict)
    """How plain numbers, booleans and nulls were written: ``1.10`` is gone once it is 1.1."""
    problems: tuple[Problem, ...] = ()

    def line(self, path: Path) -> int | None:
        """The line of this path, or of its nearest parent that is there."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return None

    def key(self, path: Path) -> str:
        """The path for people; an item of a list goes by its name where it has one.

        >>> Document("a.yaml", {"schema": [{"name": "orders"}, {}]}).key(("schema", 0, "logicalType"))
        'schema.orders.logicalType'
        >>> Document("a.yaml", {"schema": [{"name": "orders"}, {}]}).key(("schema", 1))
        'schema[1]'
        """
        words, here = "", self.data
        for step in path:
            here = _below(here, step)
            label = _label(here) if isinstance(step, int) else step
            words += f"[{step}]" if label is None else f".{label}"
        return words.removeprefix(".")

    def problem(self, path: Path, message: str, *, warning: bool = False) -> Problem:
        """A problem of this path, with file, line and key."""
        return Problem(self.file, self.line(path), self.key(path), message, warning)


def read_document(text: str, file: str) -> Document:
    """Read YAML or JSON; never raises for what the text says.

    JSON is told by the file's name, or by its content.
    """
    from .json_lines import read_json
    from .yaml_lines import read_yaml

    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return Document(file, problems=(Problem(file, None, "", "not UTF-8; save it as UTF-8"),))
    if size > MAX_TEXT:
        return Document(file, problems=(Problem(file, None, "", f"larger than {MAX_TEXT:,} bytes; split it"),))
    if PurePath(file).suffix == ".json" or _is_json(text):
        return read_json(text, file)
    return read_yaml(text, file)


def _is_json(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _below(value: object, step: str | int) -> object:
    if isinstance(value, Mapping) and isinstance(step, str):
        return value.get(step)
    if isinstance(value, Sequence) and not isinstance(value, str) and isinstance(step, int) and step < len(value):
        return value[step]
    return None


def _label(value: object) -> str | None:
    if not isinstance(value, Mapping):
        return None
    return next((name for key in _NAMES if isinstance(name := value.get(key), str) and name), None)
