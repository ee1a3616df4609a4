"""The page of all runs of a pipeline's gate, the newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from ray_pipeline.sla.result import GateReport
from ray_pipeline.text import count

from .choose import run_page
from .page import environment

RUNS = 500


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """How one dataset came out of a run."""

    dataset: str
    tone: str
    word: str


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What the index says of a run."""

    run_id: str
    pipeline: str
    at: str
    tone: str
    word: str
    headline: str
    counts: str
    published: int
    quarantined: int
    held: int
    pending: int
    dry_run: bool
    datasets: tuple[DatasetSummary, ...]
    href: str | None
    """Relative to the index, quoted; None where the run's path would lead out of its folder."""


def summarize(report: GateReport, path: str | None = None) -> RunSummary:
    """Return what the index says of a run; ``path`` is where its page lies below the index, not quoted yet."""
    page = run_page(report)
    totals = page.totals
    return RunSummary(
        run_id=report.run_id,
        pipeline=report.pipeline,
        at=report.at,
        tone=page.tone,
        word=page.word,
        headline=page.headline,
        counts=page.counts,
        published=totals.published,
        quarantined=totals.quarantined,
        held=totals.held,
        pending=totals.pending,
        dry_run=report.dry_run,
        datasets=tuple(DatasetSummary(part.result.dataset, part.tone, part.word) for part in page.datasets),
        href=None if path is None else _href(path),
    )


def render_index(runs: Sequence[RunSummary]) -> str:
    """Return the page: the newest run first, at most :data:`RUNS` of them."""
    newest = sorted(runs, key=lambda run: (run.at, run.run_id), reverse=True)
    shown = newest[:RUNS]
    about = f"{count(len(newest), 'run')}, the newest first." if newest else "No run yet."
    if len(shown) < len(newest):
        about += f" {len(newest) - len(shown):,} older ones are not listed."
    pipelines = sorted({run.pipeline for run in shown})
    return environment().get_template("index.html.j2").render(runs=shown, about=about, pipelines=pipelines)


def _href(path: str) -> str | None:
    segments = path.split("/")
    inside = not any(segment in ("", ".", "..") for segment in segments)
    return "./" + quote(path, errors="replace") if inside else None
