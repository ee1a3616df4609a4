"""Make the baselines of a pipeline: of what landed in a dataset, and of what a model version was trained on.

A dataset's baseline is made of landed rows, those that the gate holds back later among them: the live side counts
landed rows too, before any gate has seen them, so like is compared with like.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ray_pipeline.clock import Clock
from ray_pipeline.contracts.load import load_contract
from ray_pipeline.drift.baseline import SCORE, Baseline, make_baseline
from ray_pipeline.drift.lens import RowLens, watched_kinds
from ray_pipeline.errors import BaselineError, UsageError
from ray_pipeline.lake.snapshot import take_snapshot
from ray_pipeline.model.manifest import BASELINE, BASELINE_COUNTS
from ray_pipeline.runtime.drift.baseline_log import BaselineLog, WatchedBaseline
from ray_pipeline.runtime.models.registry import ModelRegistry
from ray_pipeline.runtime.predictions.landed import landed_batches
from ray_pipeline.runtime.wiring import open_lake
from ray_pipeline.text import count

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.contracts.model import DataContract
    from ray_pipeline.lake.entries import DataFile
    from ray_pipeline.lake.snapshot import Snapshot
    from ray_pipeline.model.manifest import ModelManifest

__all__ = ["BaselineLog", "WatchedBaseline", "compatible", "dataset_baseline", "follow_champion", "model_baseline"]

MOST_DISTINCT = 0.5
"""Text of which a larger share of the rows are distinct is an id or prose: no table of it says anything of the next."""
_ARROW = {"number": pa.float64(), "category": pa.string(), "flag": pa.bool_()}

logger = logging.getLogger(__name__)


def dataset_baseline(
    config: PipelineConfig,
    dataset: str,
    first_day: str,
    until_day: str,
    *,
    who: str,
    reason: str = "",
    clock: Clock | None = None,
) -> WatchedBaseline:
    """Make a baseline of the rows of these event days (``first_day <= day < until_day``, UTC) that landed.

    Raises ``BaselineError`` where there are no rows, or of fewer days than ``drift.min_blocks``.
    """
    settings = config.dataset(dataset)
    contract = load_contract(settings.contract, object_name=settings.object)
    store = open_lake(config)
    snapshot = take_snapshot(store, config.pipeline, settings.topic)
    files = [file for file in snapshot.files if file.rows and first_day <= (file.day or "") < until_day]
    days = sorted({file.day or "" for file in files})
    if not days:
        raise BaselineError(dataset, f"no row landed of {first_day} to {until_day}{_landed_days(snapshot)}")
    if len(days) < config.drift.min_blocks:
        raise BaselineError(
            dataset,
            f"rows landed of {len(days)} days only from {first_day} to {until_day}, and {config.drift.min_blocks} are "
            "needed to know what is usual (drift.min_blocks)",
        )
    without = tuple(config.drift.without.get(dataset, ()))
    baseline, notices = _of_rows(snapshot, files, contract, without)
    if (end := _day_after(days[-1])) < until_day:
        notices = (
            *notices,
            f"no row landed of {end} up to {until_day}; of what lands of them later, no window has any",
        )
    if not baseline.columns:
        raise BaselineError(dataset, "its contract has no number, category or flag that could be watched")
    return BaselineLog(store, config.pipeline, clock=clock).add(
        dataset,
        baseline,
        contract=contract.ref,
        first_day=first_day,
        until_day=until_day,
        who=who,
        reason=reason,
        notices=notices,
    )


def model_baseline(
    config: PipelineConfig, manifest: ModelManifest, *, who: str, reason: str = "", clock: Clock | None = None
) -> WatchedBaseline:
    """Take a model version's own baseline as that of its answers (``serve.predictions``).

    Its files are checked by their SHA-256 on the way; ``BaselineError`` where the version was trained without one.
    """
    subject = config.serve.predictions
    settings = config.dataset(subject)
    store = open_lake(config)
    if lacking := {BASELINE, BASELINE_COUNTS} - manifest.files.keys():
        raise BaselineError(subject, f"version {manifest.shown} has no {min(lacking)}; train it again")
    registry = ModelRegistry(store, config.pipeline)
    files = {name: registry.file(manifest, name) for name in (BASELINE, BASELINE_COUNTS)}
    baseline = Baseline.from_files(files, place=manifest.shown)
    if baseline.score is not None and SCORE in baseline.names:
        raise BaselineError(subject, f"a column of {manifest.shown} is called {SCORE}, and so is its answer")
    days = sorted({*baseline.blocks, *baseline.score_blocks})
    if not days:
        raise BaselineError(subject, f"that of {manifest.shown} counts no row")
    return BaselineLog(store, config.pipeline, clock=clock).add(
        subject,
        baseline,
        model=manifest.shown,
        contract=load_contract(settings.contract, object_name=settings.object).ref,
        first_day=days[0],
        until_day=_day_after(days[-1]),
        who=who,
        reason=reason,
    )


def follow_champion(
    config: PipelineConfig,
    *,
    who: str,
    clock: Clock | None = None,
    manifest: ModelManifest | None = None,
    first_day: str | None = None,
    until_day: str | None = None,
    on_message: Callable[[str], None] | None = None,
) -> tuple[WatchedBaseline, ...]:
    """Compare everything with what the champion was trained on: its own baseline, and one of each other dataset.

    The datasets' are made of the days that the champion was trained on, unless others are said. What has been made for
    the same days and contract is left as it is, though more rows have landed of them since: this may be called again
    after every step. A dataset of which too few days landed has none; ``on_message`` is told.
    """
    if manifest is None:
        if config.serve.model is None:
            raise UsageError("no model is configured (serve.model), so there is no champion to follow")
        manifest = ModelRegistry(open_lake(config), config.pipeline).resolve(config.serve.model)
    reason = f"{manifest.shown} is champion"
    found = [model_baseline(config, manifest, who=who, reason=reason, clock=clock)]
    first, until = first_day or found[0].first_day, until_day or found[0].until_day
    for dataset in config.datasets:
        if dataset == config.serve.predictions:
            continue
        there = _newest_of(config, dataset, first, until)
        try:
            made = there or dataset_baseline(config, dataset, first, until, who=who, reason=reason, clock=clock)
        except BaselineError as error:
            logger.warning("%s", error)
            if on_message is not None:
                on_message(str(error))
            continue
        found.append(made)
    return tuple(found)


def compatible(watched: WatchedBaseline, contract: DataContract) -> tuple[str, ...]:
    """Return the baseline's columns that rows of this contract do not have, or have as another kind.

    A model's baseline is of what the model sees, which its events carry with them.
    """
    if watched.model is not None:
        return ()
    kinds = watched_kinds(contract)
    return tuple(one.name for one in watched.baseline.columns if kinds.get(one.name) != one.kind)


def _of_rows(
    snapshot: Snapshot, files: list[DataFile], contract: DataContract, without: tuple[str, ...]
) -> tuple[Baseline, tuple[str, ...]]:
    kinds = watched_kinds(contract)
    notices = [f"drift.without names {name}, which is not watched anyway" for name in without if name not in kinds]
    lens = RowLens({name: kind for name, kind in kinds.items() if name not in without})
    parts: dict[str, list[pa.ChunkedArray]] = {name: [] for name in lens.kinds}
    lacking = dict.fromkeys(lens.kinds, 0)
    days = []
    for file, batches in landed_batches(replace(snapshot, files=tuple(files)), lens.needs):
        for rows in batches:
            days.append(np.full(rows.num_rows, file.day, "datetime64[D]"))
            values = lens.look(rows).values
            for name, kind in lens.kinds.items():  # rows of another contract may lack it, or have it as another kind
                lacking[name] += 0 if name in values else rows.num_rows
                found = values.get(name, pa.chunked_array([pa.nulls(rows.num_rows)]))
                parts[name].append(found.cast(_ARROW[kind], safe=False))
    columns = {}
    for name, found in parts.items():
        column = pa.chunked_array([chunk for part in found for chunk in part.chunks], _ARROW[kinds[name]])
        if kinds[name] == "category" and _is_id(column):
            notices.append(f"{name} is left out: more than half of its values are distinct")
        else:
            columns[name] = (kinds[name], column)
            if lacking[name]:
                notices.append(f"{name} is missing in {count(lacking[name], 'row')} that landed under another contract")
    every = np.concatenate(days)
    return make_baseline(columns, every, fit_mask=np.ones(len(every), bool)), tuple(notices)


def _is_id(values: pa.ChunkedArray) -> bool:
    told = len(values) - values.null_count
    return bool(pc.count_distinct(values, mode="only_valid").as_py() > MOST_DISTINCT * told)


def _newest_of(config: PipelineConfig, dataset: str, first_day: str, until_day: str) -> WatchedBaseline | None:
    newest = BaselineLog(open_lake(config), config.pipeline).newest(dataset)
    if newest is None or (newest.first_day, newest.until_day) != (first_day, until_day):
        return None
    settings = config.dataset(dataset)
    same = newest.contract == load_contract(settings.contract, object_name=settings.object).ref
    return newest if same else None


def _landed_days(snapshot: Snapshot) -> str:
    days = sorted({file.day for file in snapshot.files if file.day is not None})
    return f"; what landed is of {days[0]} to {days[-1]}" if days else "; nothing of it has landed yet"


def _day_after(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
