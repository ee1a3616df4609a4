"""Say everything that is wrong with a contract file."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike

from ray_pipeline.errors import Problem

from .document import read_document
from .load import read_contract, read_text
from .model import Formats
from .odcs import is_odcs


def lint(
    path: str | PathLike[str], *, formats: Formats = "assert", resources: Mapping[str, object] | None = None
) -> tuple[Problem, ...]:
    """Every problem and warning of the file, in its order; empty when there is nothing to say.

    A contract of several schema objects is checked in all of them. Raises only where there is no such file.
    """
    text, problem = read_text(path)
    if problem is not None:
        return (problem,)
    return lint_text(text, str(path), formats=formats, resources=resources)


def lint_text(
    text: str, file: str, *, formats: Formats = "assert", resources: Mapping[str, object] | None = None
) -> tuple[Problem, ...]:
    """The same for a text that is not in a file."""
    return read_contract(text, file, formats, dict(resources or {}), _any_object(text, file))[1]


def _any_object(text: str, file: str) -> str | None:
    """The first object's name: having several is wrong for loading one dataset, not for the file."""
    data = read_document(text, file).data
    if not is_odcs(data) or not isinstance(data, Mapping) or not isinstance(data.get("schema"), list):
        return None
    names = (item.get("name") for item in data["schema"] if isinstance(item, Mapping))
    return next((name for name in names if isinstance(name, str)), None)
