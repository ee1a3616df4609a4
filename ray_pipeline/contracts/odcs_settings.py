"""Our own terms in a contract: ``customProperties`` of the contract and of the schema object; the object's win."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

from .document import Path
from .model import Limits, SubMicroseconds, Tombstones
from .odcs_options import Compiling
from .schema_errors import nearest, shown

_VENDOR: Final = "ray-pipeline"
_MAX_BYTES: Final = 100_000_000
_VERY_CLOSE: Final = 0.85
_MAX_DEPTH: Final = 512
"""Parser and validator recurse on the machine's stack."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the custom properties say, with the defaults of what they leave out."""

    event_time: str | None = None
    event_time_path: Path = ()
    content: str = "closed"
    sub_microseconds: SubMicroseconds = "refuse"
    tombstones: Tombstones = "reject"
    land_headers: bool = False
    limits: Limits = field(default_factory=Limits)


def _one_of(*words: str) -> tuple[Callable[[object], bool], str]:
    return lambda value: value in words, " or ".join(words)


def _count(most: int) -> tuple[Callable[[object], bool], str]:
    def fits(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= most

    return fits, f"an integer from 1 to {most:,}"


_TERMS: Final[dict[str, tuple[Callable[[object], bool], str]]] = {
    "eventTime": (lambda value: isinstance(value, str), "the name of a column"),
    "content": _one_of("closed", "open"),
    "subMicroseconds": _one_of("refuse", "truncate"),
    "tombstones": _one_of("reject", "skip"),
    "landHeaders": (lambda value: isinstance(value, bool), "true or false"),
    "maxBytes": _count(_MAX_BYTES),
    "maxDepth": _count(_MAX_DEPTH),
}
"""Our term → whether a value fits it, and what would."""


def read_settings(compiling: Compiling, contract: Mapping[str, Any], owner: Mapping[str, Any], path: Path) -> Settings:
    """Settings of the schema object at ``path``, over those of the contract."""
    found: dict[str, tuple[Any, Path]] = {}
    for holder, here in ((contract, ()), (owner, path)):
        found |= _terms(compiling, holder, (*here, "customProperties"))
    values = {name: value for name, (value, _) in found.items()}
    defaults = Limits()
    return Settings(
        event_time=values.get("eventTime"),
        event_time_path=found["eventTime"][1] if "eventTime" in found else (),
        content=values.get("content", "closed"),
        sub_microseconds=values.get("subMicroseconds", "refuse"),
        tombstones=values.get("tombstones", "reject"),
        land_headers=values.get("landHeaders", False),
        limits=Limits(
            max_bytes=values.get("maxBytes", defaults.max_bytes), max_depth=values.get("maxDepth", defaults.max_depth)
        ),
    )


def _terms(compiling: Compiling, holder: Mapping[str, Any], path: Path) -> dict[str, tuple[Any, Path]]:
    entries = holder.get("customProperties")
    found: dict[str, tuple[Any, Path]] = {}
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if not isinstance(entry, Mapping) or not isinstance(name := entry.get("property"), str):
            continue
        here: Path = (*path, index)
        if entry.get("vendor", _VENDOR) != _VENDOR or "value" not in entry:
            continue
        if name not in _TERMS:
            _warn_of_near_miss(compiling, name, here)
            continue
        fits, words = _TERMS[name]
        if name in found:
            compiling.refuse(here, f"{name} a second time; say it once")
        elif not fits(entry["value"]):
            compiling.refuse((*here, "value"), f"must be {words}, got {shown(entry['value'])}")
        else:
            found[name] = (entry["value"], (*here, "value"))
    return found


def _warn_of_near_miss(compiling: Compiling, name: str, path: Path) -> None:
    """Other vendors' terms are theirs; one that is nearly ours is probably a slip."""
    folded = name.casefold().replace("_", "").replace("-", "")
    if meant := get_close_matches(folded, [term.casefold() for term in _TERMS], n=1, cutoff=_VERY_CLOSE):
        compiling.warn((*path, "property"), f"{name} is not read{nearest(meant[0], _TERMS)}")
