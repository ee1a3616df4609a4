"""What an ODCS property says beside its type, read so that nothing can be left unread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ray_pipeline.errors import Problem

from .document import Document, Path
from .shape import Shape


@dataclass
class Compiling:
    """One pass over one schema object: how to compile it, and what was found wrong on the way."""

    document: Document
    open_content: bool
    assert_formats: bool
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, path: Path, message: str) -> None:
        """Report something that must be changed in the contract."""
        self.problems.append(self.document.problem(path, message))

    def warn(self, path: Path, message: str) -> None:
        """Report something that the author should know."""
        self.problems.append(self.document.problem(path, message, warning=True))


@dataclass(frozen=True, slots=True)
class Compiled:
    """What one property becomes: a schema for its value (null not yet admitted) and what it lands as."""

    schema: dict[str, Any]
    shape: Shape


class Options:
    """``logicalTypeOptions`` of one property. What nobody took when the property is done has no effect: refused."""

    def __init__(self, compiling: Compiling, owner: Mapping[str, Any], path: Path) -> None:
        self._compiling = compiling
        self._path = (*path, "logicalTypeOptions")
        found = owner.get("logicalTypeOptions")
        self._found: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
        self._taken: set[str] = set()

    def take(self, name: str, *kinds: type) -> Any:
        """The option's value, or None; a value of another kind is the standard's schema's to report."""
        self._taken.add(name)
        value = self._found.get(name)
        if isinstance(value, bool) and bool not in kinds:
            return None
        return value if isinstance(value, kinds) else None

    def refuse(self, name: str, message: str) -> None:
        """Refuse one option by name."""
        self._compiling.refuse((*self._path, name), message)

    def warn(self, name: str, message: str) -> None:
        """Say something about one option by name."""
        self._compiling.warn((*self._path, name), message)

    def finish(self, logical_type: str) -> None:
        """Refuse what is left."""
        for name in self._found:
            if name not in self._taken:
                self.refuse(name, f"has no effect on logicalType: {logical_type}; take it out")
