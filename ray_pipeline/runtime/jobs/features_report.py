"""What a build of features did, as a command prints it and a notebook shows it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from html import escape
from typing import Any

from ray_pipeline.text import count
from ray_pipeline.types import Outcome


class Built(StrEnum):
    """What became of a view."""

    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    """Nothing is new, or the same rows came out: the table's snapshot is the one before."""
    REPEATED = "repeated"
    """An earlier try of this run published it."""


@dataclass(frozen=True, slots=True)
class ViewBuild:
    """One view in a build."""

    view: str
    dataset: str
    result: Built
    definition: str
    snapshot_id: int | None
    """Of the offline table now; None where nothing was ever published."""
    build: int
    metadata: str
    rows: int
    """In the table."""
    curated_snapshot: int | None
    """Which state of the curated table the rows rest on; None where nothing was curated yet."""
    gate_decision: int | None
    horizon_us: int | None
    """Publication of the newest event that was read."""
    why: str = ""
    """Why all of it was built, where it was."""
    days: int = 0
    """Computed."""
    first_day: str | None = None
    last_day: str | None = None
    events: int = 0
    """Of those days."""
    rows_computed: int = 0
    files_written: int = 0
    set_aside: dict[str, int] = field(default_factory=dict)
    """Events of those days that count nowhere, by reason."""

    def sentence(self) -> str:
        """Return what became of it, for people."""
        if self.result is Built.REPEATED:
            return f"{self.view}: published by this run before (build {self.build}); nothing is done again"
        if self.curated_snapshot is None:
            return f"{self.view}: nothing of {self.dataset} is curated yet; run the gate first"
        if not self.days:
            return f"{self.view}: nothing new in {self.dataset}; {count(self.rows, 'row')}"
        said = f"{count(self.days, 'day')} ({self.first_day} to {self.last_day}), {count(self.events, 'event')}"
        made = f"{count(self.rows_computed, 'row')}"
        end = f"build {self.build}" if self.result is Built.PUBLISHED else "the same as before, nothing to publish"
        aside = "".join(f"; {count(n, 'event')} set aside: {reason}" for reason, n in sorted(self.set_aside.items()))
        return f"{self.view}: {said} → {made}; {end}{aside}{f' ({self.why})' if self.why else ''}"


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What one run did."""

    run_id: str
    pipeline: str
    started_at: str
    finished_at: str
    views: tuple[ViewBuild, ...]
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def outcome(self) -> Outcome:
        """UNKNOWN where a view's dataset was never curated: a scheduler is not to take that for a build.

        Otherwise a build that ends has built everything; one that cannot raises.
        """
        return Outcome.UNKNOWN if any(view.curated_snapshot is None for view in self.views) else Outcome.HELD

    @property
    def repeated(self) -> bool:
        """Whether an earlier try of this run had done all of it."""
        return bool(self.views) and all(view.result is Built.REPEATED for view in self.views)

    def to_json(self) -> dict[str, Any]:
        """Return what ``features build --output json`` prints."""
        return asdict(self) | {"outcome": self.outcome.name.lower(), "repeated": self.repeated}

    def __str__(self) -> str:
        return "\n".join(view.sentence() for view in self.views) or "there is no view to build"

    def __repr__(self) -> str:
        return f"<BuildReport {self.run_id!r}: {', '.join(f'{v.view} {v.result}' for v in self.views) or 'no view'}>"

    def _repr_html_(self) -> str:
        names = ("view", "result", "days", "events", "rows computed", "rows", "build")
        head = "".join(f"<th>{name}</th>" for name in names)
        body = "".join(
            "<tr>"
            + f"<td>{escape(v.view)}</td><td>{v.result}</td>"
            + "".join(f"<td style='text-align:right'>{n:,}</td>" for n in _numbers(v))
            + "</tr>"
            for v in self.views
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _numbers(view: ViewBuild) -> tuple[int, ...]:
    return view.days, view.events, view.rows_computed, view.rows, view.build
