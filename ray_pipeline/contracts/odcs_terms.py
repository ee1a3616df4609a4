"""Our own terms in ``customProperties``: which there are is said by their place, how they are read by this file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from .document import Path
from .durations import UNITS, parse_duration
from .odcs_options import Compiling
from .schema_errors import nearest, shown

VENDOR: Final = "ray-pipeline"
_VERY_CLOSE: Final = 0.85

Term = tuple[Callable[[object], bool], str]
"""Whether a value fits a term, and what would."""


def one_of(*words: str) -> Term:
    """A term whose value is one of these words."""
    return lambda value: value in words, " or ".join(words)


def count(most: int) -> Term:
    """A term whose value is a positive integer."""

    def fits(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= most

    return fits, f"an integer from 1 to {most:,}"


def number(least: float, most: float, *, above: bool = False) -> Term:
    """A term whose value is a number within these ends; with ``above``, more than the lower one."""

    def fits(value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return (value > least if above else value >= least) and value <= most

    return fits, f"a number {'above' if above else 'from'} {least:g} {'and up to' if above else 'to'} {most:g}"


def flag() -> Term:
    """A term whose value is true or false."""
    return lambda value: isinstance(value, bool), "true or false"


def text(words: str) -> Term:
    """A term whose value is any text; ``words`` say what it means."""
    return lambda value: isinstance(value, str), words


def duration() -> Term:
    """A term whose value is a span of time."""
    return lambda value: parse_duration(value) is not None, f'a time such as "2 h" (units: {UNITS})'


def read_terms(
    compiling: Compiling, holder: Mapping[str, Any], path: Path, terms: Mapping[str, Term]
) -> dict[str, tuple[Any, Path]]:
    """The terms among the ``customProperties`` of ``holder``, which stands at ``path``: value, and where it stands."""
    entries = holder.get("customProperties")
    found: dict[str, tuple[Any, Path]] = {}
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if not isinstance(entry, Mapping) or not isinstance(name := entry.get("property"), str):
            continue
        here: Path = (*path, "customProperties", index)
        if entry.get("vendor", VENDOR) != VENDOR or "value" not in entry:
            continue
        if name not in terms:
            _warn_of_near_miss(compiling, name, here, terms)
            continue
        fits, words = terms[name]
        if name in found:
            compiling.refuse(here, f"{name} a second time; say it once")
        elif not fits(entry["value"]):
            compiling.refuse((*here, "value"), f"must be {words}, got {shown(entry['value'])}")
        else:
            found[name] = (entry["value"], (*here, "value"))
    return found


def _warn_of_near_miss(compiling: Compiling, name: str, path: Path, terms: Mapping[str, Term]) -> None:
    """Other vendors' terms are theirs; one that is nearly ours is probably a slip."""
    folded = name.casefold().replace("_", "").replace("-", "")
    if meant := get_close_matches(folded, [term.casefold() for term in terms], n=1, cutoff=_VERY_CLOSE):
        compiling.warn((*path, "property"), f"{name} is not read{nearest(meant[0], terms)}")
