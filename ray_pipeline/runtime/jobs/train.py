"""Train a model: training set → fit in one process of Ray → a version in the registry, which becomes the challenger.

Nothing is kept before the fit has ended: one that dies or hangs leaves no version and moves no alias. Whoever is
killed while a version is being kept leaves files that no version names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ray_pipeline.clock import Clock, WallClock
from ray_pipeline.lake.entries import timestamp_text
from ray_pipeline.model.manifest import PAGE, ModelManifest
from ray_pipeline.model.spec import ModelSpec, read_model_spec
from ray_pipeline.runtime.curated import whoami
from ray_pipeline.runtime.jobs.run_telling import telling_run
from ray_pipeline.runtime.jobs.train_aliases import challenge
from ray_pipeline.runtime.jobs.train_data import training_data
from ray_pipeline.runtime.jobs.train_fit import FitOrder, FitResult, fit_model
from ray_pipeline.runtime.jobs.train_manifest import check_training_set, model_manifest
from ray_pipeline.runtime.jobs.train_page import page_bytes
from ray_pipeline.runtime.jobs.train_report import TrainReport
from ray_pipeline.runtime.jobs.train_task import TrainingLostError, run_task
from ray_pipeline.runtime.jobs.train_telling import TrainTeller
from ray_pipeline.runtime.models.aliases import Alias, AliasMove
from ray_pipeline.runtime.models.registry import ModelRegistry
from ray_pipeline.runtime.wiring import open_lake

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.feast.repo import FeatureRepo
    from ray_pipeline.runtime.training_sets import TrainingSet

__all__ = ["TrainReport", "TrainingLostError", "train"]

PROMOTED = "promoted by its training"
TRAINED = "trained"


def train(
    config: PipelineConfig,
    spec: ModelSpec | Path | str,
    *,
    ray_address: str | None = None,
    who: str | None = None,
    reason: str = "",
    promote: bool = False,
    timeout: float = 1800.0,
    on_message: Callable[[str], None] | None = None,
    repo: FeatureRepo | None = None,
    clock: Clock | None = None,
) -> TrainReport:
    """Train what ``spec`` says, keep it as a version, and make it the challenger; with ``promote`` the champion too.

    The training set is built, or found in the lake. The same training once more (rows, spec, predictions) finds its
    version again. The fit is one process of Ray with one CPU at ``ray_address``, else ``RAY_ADDRESS``, else of a
    private Ray; it may take ``timeout`` seconds. ``repo`` stands in for the configured feature repository.

    Raises ``ConfigError`` or ``UsageError`` for a spec that asks wrongly, ``TrainingError`` where nothing can be
    learned from the training set, ``TrainingLostError`` (one of those) where the fit died or was stopped.
    """
    run = _Run(config, clock or WallClock(), who or whoami(), reason.strip(), on_message or (lambda _sentence: None))
    asked = spec if isinstance(spec, ModelSpec) else read_model_spec(spec)
    with run.timed("training set"):
        data = training_data(
            config, run.store, asked.training_set, asked.folder,
            ray_address=ray_address, repo=repo, on_message=run.say, clock=run.clock,
        )  # fmt: skip
        check_training_set(asked, data)
    with telling_run(config, f"train.{asked.name}", run.clock) as told:
        teller = TrainTeller(config, told, asked.name, data)
        teller.began()
        with run.timed("fit"):
            fitted = run.fit(asked, data, ray_address, timeout)
        version, created = run.keep(asked, data, fitted)
        with run.timed("aliases"):
            moves = run.moved(version, repo, created=created, promote=promote)
        teller.ended(version, tuple(move.alias for move in moves), created=created)
    return TrainReport(
        version=version,
        created=created,
        moves=moves,
        champion=run.registry.aliases(asked.name).get(Alias.CHAMPION),
        training_set=f"{data.name}/{data.version}",
        training_set_created=data.created,
        rows=dict(fitted.rows),
        page=run.registry.file_uri(version, PAGE),
        started_at=timestamp_text(run.started),
        finished_at=timestamp_text(run.clock.now()),
        notices=(*fitted.notices, *run.notices),
        seconds=dict(run.timings),
    )


@dataclass(eq=False)
class _Run:
    """One training: what its steps share."""

    config: PipelineConfig
    clock: Clock
    who: str
    reason: str
    say: Callable[[str], None]
    started: datetime = field(init=False)
    timings: dict[str, float] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.started = self.clock.now()
        self.store = open_lake(self.config)
        self.registry = ModelRegistry(self.store, self.config.pipeline, clock=self.clock)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.timings[step] = time.monotonic() - began

    def fit(self, spec: ModelSpec, data: TrainingSet, address: str | None, timeout: float) -> FitResult:
        order = FitOrder(spec, data.data(), data.manifest["file"]["sha256"], data.manifest["label_key"])
        found, self.timings["the fit itself"] = run_task(
            fit_model, order, model=spec.name, address=address, timeout=timeout
        )
        return found

    def keep(self, spec: ModelSpec, data: TrainingSet, fitted: FitResult) -> tuple[ModelManifest, bool]:
        """Keep the version with its page; nothing refers to it before its manifest is there."""
        at = timestamp_text(self.clock.now())
        manifest = model_manifest(spec, data, fitted, created_at=at, created_by=self.who)
        with self.timed("page"):
            page = page_bytes(manifest, data, fitted)
        with self.timed("registry"):
            return self.registry.add(manifest, {**fitted.files, PAGE: page})

    def moved(
        self, version: ModelManifest, repo: FeatureRepo | None, *, created: bool, promote: bool
    ) -> tuple[AliasMove, ...]:
        """Move the challenger, and the champion where it was asked for; return the moves of this training."""
        before = self.registry.revision(version.name)
        challenge(
            self.registry,
            version,
            created=created,
            who=self.who,
            reason=self.reason or TRAINED,
            say=self.notices.append,
        )
        if promote:
            from ray_pipeline.runtime.models.promotion import promote as make_champion

            make_champion(
                self.config,
                version.name,
                version.number,
                who=self.who,
                reason=self.reason or PROMOTED,
                registry=self.registry,
                repo=repo,
                on_message=self.notices.append,
            )
        moves = self.registry.history(version.name)[before:]
        return tuple(move for move in moves if move.version == version.number and move.who == self.who)
