"""The one pass that computes features: Ray Data where there is much to read, else this process.

Nothing is shuffled and no row travels: each part of the work writes its files itself, and says which. A part that
fails fails the pass, and then no table names a file of it.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ray_pipeline.errors import RayPipelineError
from ray_pipeline.runtime.jobs.features_plan import Unit
from ray_pipeline.runtime.jobs.features_unit import Computed, Subject, do_unit
from ray_pipeline.runtime.jobs.measure_pass import LOCAL_BYTES, TASK_BYTES, shares_of
from ray_pipeline.runtime.jobs.on_ray import Job, on_ray

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.lake.ports import ObjectStore


@dataclass(frozen=True, slots=True)
class FeaturesProgress:
    """How far the pass is."""

    units: int
    of: int
    rows: int
    """Feature rows written."""


def run_features_pass(
    config: PipelineConfig,
    store: ObjectStore,
    subjects: Mapping[str, Subject],
    units: Sequence[Unit],
    *,
    local_bytes: int = LOCAL_BYTES,
    ray_address: str | None = None,
    on_progress: Callable[[FeaturesProgress], None] | None = None,
) -> dict[str, Computed]:
    """Compute every unit, here or as one Ray Data job; return what was made, by view.

    ``subjects`` are by dataset. Raises the first error of any unit: ``FeatureComputeError``, ``FileCorruptError``, or
    what the store says.
    """
    found: dict[str, Computed] = {}
    results = (
        (do_unit(config.pipeline, store, subjects[unit.dataset], unit) for unit in units)
        if sum(unit.bytes for unit in units) <= local_bytes
        else _on_ray(config, subjects, units, ray_address)
    )
    rows = 0
    for done, result in enumerate(results, 1):
        for view, made in result.items():
            found.setdefault(view, Computed()).add(made, store.uri)
            rows += sum(one[2] for one in made["files"])
        if on_progress is not None:
            on_progress(FeaturesProgress(done, len(units), rows))
    return found


def _on_ray(
    config: PipelineConfig, subjects: Mapping[str, Subject], units: Sequence[Unit], address: str | None
) -> Iterator[dict[str, Any]]:
    shares = shares_of([unit.bytes for unit in units], TASK_BYTES)
    for _, (result, *failed) in on_ray(shares, _prepare, (config, dict(subjects), list(units)), address):
        if failed:
            raise pickle.loads(failed[0])  # noqa: S301 - from a task of ours, as Ray carries the rest of it
        yield json.loads(result)


def _prepare(told: tuple[PipelineConfig, dict[str, Subject], list[Unit]]) -> Job:
    """Open the store once for a share of the units."""
    from ray_pipeline.runtime.wiring import open_lake

    config, subjects, units = told
    store = open_lake(config)

    def job(number: int) -> list[bytes]:
        unit = units[number]
        try:
            return [json.dumps(do_unit(config.pipeline, store, subjects[unit.dataset], unit)).encode()]
        except RayPipelineError as error:  # raised, Ray Data would put one of its own around it
            return [b"", pickle.dumps(error)]

    return job
