"""Two versions asked about the same rows of a training set: features as each question's moment knew them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from ray_pipeline.errors import RetrainError
from ray_pipeline.features.training_spec import moment_us, spec_of
from ray_pipeline.model.columns import encode_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.feast.repo import FeatureRepo
    from ray_pipeline.model.manifest import ModelManifest
    from ray_pipeline.runtime.models.registry import ModelRegistry
    from ray_pipeline.runtime.training_sets import TrainingSet

ASKED, LABEL, SPLIT = "asked_at", "label", "split"


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Labelled rows with what either version says of them."""

    labels: NDArray[np.bool_]
    asked_us: NDArray[np.int64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    seen: int
    """Rows that were left out, because a version was fitted to them, or calibrated on them."""
    sets: tuple[str, ...]
    """The training sets that the rows are of; more than one where the versions have different services."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """What it takes to ask versions."""

    config: PipelineConfig
    registry: ModelRegistry
    repo: FeatureRepo | None
    ray_address: str | None
    say: Callable[[str], None]

    def both(self, first: ModelManifest, second: ModelManifest, data: TrainingSet, split: str | None) -> Scored:
        """Ask both about the rows of a split (None: all).

        Raises ``RetrainError`` where they cannot be set against each other, and what ``open_predictor`` raises where
        one of them cannot answer.
        """
        for one in (first, second):
            if one.label_set != data.manifest["spec"]["labels"]:
                other = f"{one.shown} predicts label set {one.label_set}, and the rows have another one"
                raise RetrainError(one.name, other)
        key = str(data.manifest["label_key"])
        said: dict[str, pl.DataFrame] = {}
        sets: dict[str, None] = {}
        for name, one in (("first", first), ("second", second)):
            rows, used = self._asked(one, data, key)
            said[name] = rows.rename({"probability": name})
            sets[used] = None
        frame = said["first"].join(said["second"].drop(LABEL, SPLIT), on=[key, ASKED], how="inner").sort(ASKED, key)
        if split is not None:
            frame = frame.filter(pl.col(SPLIT) == split)
        limits = [limit for limit in map(fitted_until_us, (first, second)) if limit is not None]
        unseen = frame.filter(pl.col(ASKED) >= max(limits)) if limits else frame
        return Scored(
            unseen[LABEL].to_numpy(),
            unseen[ASKED].to_numpy(),
            unseen["first"].to_numpy(),
            unseen["second"].to_numpy(),
            frame.height - unseen.height,
            tuple(sets),
        )

    def _asked(self, version: ModelManifest, data: TrainingSet, key: str) -> tuple[pl.DataFrame, str]:
        """Return key, moment, label, split and the version's probability of each row."""
        from ray_pipeline.runtime.jobs.training_set import build_training_set
        from ray_pipeline.runtime.predictions.predictor import open_predictor

        predictor = open_predictor(self.config, version, registry=self.registry, repo=self.repo)
        if not {column.name for column in version.columns} <= set(data.manifest["columns"]):
            spec = replace(spec_of(data.manifest["spec"], data.place), service=version.service, features={})
            data = build_training_set(
                self.config, spec, ray_address=self.ray_address, repo=self.repo, on_message=self.say
            )
        table = data.table()
        frame = pl.from_arrow(table.select([key, ASKED, LABEL, SPLIT]))
        assert isinstance(frame, pl.DataFrame)
        said = predictor.model.predict(encode_table(version.columns, table))
        found = frame.with_columns(
            pl.col(key).cast(pl.String),
            pl.col(ASKED).dt.epoch("us"),
            pl.col(LABEL).cast(pl.Boolean),
            pl.Series("probability", said),
        )
        return found, f"{data.name}/{data.version}"


def fitted_until_us(version: ModelManifest) -> int | None:
    """Return the end of what a version was fitted to and calibrated on; None where its manifest does not say."""
    names = version.spec.get("splits", {})
    used = {names.get("fit"), names.get("calibrate")}
    ends = [moment_us(one["to"]) for one in version.training.get("splits", ()) if one["name"] in used]
    return max(ends, default=None)
