"""What a run leaves for people and programs: results as JSON, the page, the index of runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, TypeVar

from ray_pipeline import __version__
from ray_pipeline.errors import FileCorruptError, RayPipelineError
from ray_pipeline.gate.entries import Decision
from ray_pipeline.gate.keys import index_key, report_key
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.sla.result import DatasetResult, GateReport

from .gate_dataset import GateDataset

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.report.index import RunSummary

R = TypeVar("R", bound=GateReport)
RESULTS, PAGE = "run_results.json", "report.html"
SHOWN_RUNS = 200
"""Runs on the index page."""


def write_result(store: ObjectStore, key: str, pipeline: str, run_id: str, at: str, result: DatasetResult) -> None:
    """Keep what a decision rests on; written before it, so that no decision is ever without."""
    from ray_pipeline.report.results import to_bytes

    store.put(key, to_bytes(GateReport(run_id, pipeline, at, at, at, (result,), version=__version__)))


def earlier_result(store: ObjectStore, decision: Decision, dataset: str) -> DatasetResult:
    """Return what an earlier decision rests on; raise ``FileCorruptError`` where it cannot be read."""
    from ray_pipeline.report.results import from_bytes

    data = store.get(decision.results)
    if data is None:
        raise FileCorruptError(decision.results, "is missing")
    try:
        report = from_bytes(data)
    except ValueError as error:
        raise FileCorruptError(decision.results, f"cannot be read ({error})") from error
    return next(one for one in report.datasets if one.dataset == dataset)


def keep_report(
    store: ObjectStore,
    config: PipelineConfig,
    compiled: Mapping[str, GateDataset],
    report: R,
    say: Callable[[str], None],
) -> R:
    """Write the results, the page and the index, and return the report with where they are.

    They are projections: a store that cannot take them now is said, and changes nothing of what was decided.
    """
    from ray_pipeline.report.page import render
    from ray_pipeline.report.results import to_bytes

    results, page = (report_key(config.pipeline, report.run_id, name) for name in (RESULTS, PAGE))
    report = replace(report, results_uri=store.uri(results), report_uri=store.uri(page))
    texts = {one.dataset: compiled[one.dataset].contract.text for one in report.datasets}
    try:
        store.put(results, to_bytes(report))
        store.put(page, render(report, contract_texts=texts).encode())
        write_index(store, report, page)
    except RayPipelineError as error:
        say(f"the report could not be written ({error}); what was decided stands, the next gate writes its own")
        return replace(report, results_uri=None, report_uri=None)
    return report


def write_index(store: ObjectStore, report: GateReport, page: str) -> None:
    """Write the page that lists the newest runs. Their summaries lie beside it in one object, so that no run lists all.

    Two gates that end in the same moment may leave one of them out of the list; its own page is there all the same.
    """
    from ray_pipeline.report.index import render_index, summarize

    where = index_key(report.pipeline)
    folder, listed = where.rpartition("/")[0], f"{where.removesuffix('.html')}.json"
    mine = {"started_at": report.started_at, **asdict(summarize(report, page.removeprefix(f"{folder}/")))}
    runs = [run for run in _listed(store.get(listed)) if run.get("run_id") != report.run_id]
    runs = sorted([*runs, mine], key=lambda run: str(run.get("started_at")), reverse=True)[:SHOWN_RUNS]
    store.put(listed, json.dumps(runs).encode())
    found = (_summary(run) for run in runs)
    store.put(where, render_index([run for run in found if run is not None]).encode())


def _listed(data: bytes | None) -> list[dict[str, Any]]:
    try:
        runs = json.loads(data or b"[]")
    except ValueError:
        return []
    return [run for run in runs if isinstance(run, dict)] if isinstance(runs, list) else []


def _summary(run: Mapping[str, Any]) -> RunSummary | None:
    """Return one run of the list; None for one that another version wrote, or that is damaged."""
    from ray_pipeline.report.index import DatasetSummary, RunSummary

    said = {name: value for name, value in run.items() if name not in ("started_at", "datasets")}
    try:
        return RunSummary(**said, datasets=tuple(DatasetSummary(**one) for one in run["datasets"]))
    except (KeyError, TypeError):
        return None
