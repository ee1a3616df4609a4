"""Which training set a model is trained on: built by its spec, built again by its manifest, or found in the lake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ray_pipeline.clock import Clock
from ray_pipeline.errors import UsageError
from ray_pipeline.runtime.jobs.training_set import build_training_set
from ray_pipeline.runtime.training_sets import DATA, MANIFEST, TrainingSet, keep, open_folder, open_training_set

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.feast.repo import FeatureRepo
    from ray_pipeline.lake.ports import ObjectStore


def training_data(
    config: PipelineConfig,
    store: ObjectStore,
    which: str,
    folder: Path | None,
    *,
    ray_address: str | None,
    repo: FeatureRepo | None,
    on_message: Callable[[str], None],
    clock: Clock,
) -> TrainingSet:
    """Return the training set that a model spec names; it is in the lake then, whatever it was before.

    ``which`` is a spec of a training set, or a manifest or its folder, beside the file of the model spec (``folder``);
    else a name in the lake, with or without a version. A manifest whose rows lie beside it is kept as it is; the rows
    of one that is alone are built again from its snapshots.
    """
    file = (folder or Path()) / which
    if file.is_dir():
        file /= MANIFEST
    if file.suffix in (".yaml", ".yml", ".json") and not file.is_file():
        raise UsageError(f"training_set: there is no file {file}; it is looked for beside the model spec")
    if file.suffix == ".json" and (file.parent / DATA).is_file() and file.name == MANIFEST:
        return _kept(config, store, open_folder(file.parent))
    if file.is_file():
        return build_training_set(config, file, ray_address=ray_address, repo=repo, on_message=on_message, clock=clock)
    found = open_training_set(config, store, which)
    return _kept(config, store, found) if Path(found.place).is_absolute() else found


def _kept(config: PipelineConfig, store: ObjectStore, found: TrainingSet) -> TrainingSet:
    return keep(store, config.pipeline, found.manifest, found.data())
