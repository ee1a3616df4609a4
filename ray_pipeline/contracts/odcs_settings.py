"""Our own terms about a dataset: ``customProperties`` of the contract and of the schema object; the object's win."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Literal

from .document import Path
from .durations import parse_duration
from .expectations import DEFAULT_LATENESS
from .model import Limits, SubMicroseconds, Tombstones
from .odcs_options import Compiling
from .odcs_terms import Term, count, duration, flag, one_of, read_terms, text

_MAX_BYTES: Final = 100_000_000
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
    lateness: timedelta = DEFAULT_LATENESS
    uniqueness_scope: Literal["dataset", "day"] = "dataset"
    rows_independent: bool = False


_TERMS: Final[dict[str, Term]] = {
    "eventTime": text("the name of a column"),
    "content": one_of("closed", "open"),
    "subMicroseconds": one_of("refuse", "truncate"),
    "tombstones": one_of("reject", "skip"),
    "landHeaders": flag(),
    "maxBytes": count(_MAX_BYTES),
    "maxDepth": count(_MAX_DEPTH),
    "lateness": duration(),
    "uniquenessScope": one_of("dataset", "day"),
    "rowsIndependent": flag(),
}


def read_settings(compiling: Compiling, contract: Mapping[str, Any], owner: Mapping[str, Any], path: Path) -> Settings:
    """Settings of the schema object at ``path``, over those of the contract."""
    found: dict[str, tuple[Any, Path]] = {}
    for holder, here in ((contract, ()), (owner, path)):
        found |= read_terms(compiling, holder, here, _TERMS)
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
        lateness=parse_duration(values.get("lateness")) or DEFAULT_LATENESS,
        uniqueness_scope=values.get("uniquenessScope", "dataset"),
        rows_independent=values.get("rowsIndependent", False),
    )
