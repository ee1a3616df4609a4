"""One pipeline as a notebook has it: every verb of the command line that only looks, and ``ingest``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray_pipeline.config import PipelineConfig, load_config
from ray_pipeline.contracts.load import load_contract
from ray_pipeline.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa
    from feast import FeatureStore

    from ray_pipeline.connectors.iceberg.table import CuratedTable
    from ray_pipeline.connectors.kafka.admin import KafkaAdmin
    from ray_pipeline.contracts.model import DataContract
    from ray_pipeline.gate.entries import ReleaseHeld, ReleaseQuarantine
    from ray_pipeline.gate.quarantine import QuarantinedRow
    from ray_pipeline.lake.ports import ObjectStore
    from ray_pipeline.lake.resume import Resumed
    from ray_pipeline.lake.snapshot import Snapshot
    from ray_pipeline.lake.verify import Progress
    from ray_pipeline.lake.verify_report import VerifyReport
    from ray_pipeline.model.spec import ModelSpec
    from ray_pipeline.runtime.curated import HeldDay
    from ray_pipeline.runtime.dead_letters import DeadLetters, RefusedRecord
    from ray_pipeline.runtime.drift.explain import Explanation
    from ray_pipeline.runtime.drift.standing import WatchReport
    from ray_pipeline.runtime.drift.status import DriftStatus
    from ray_pipeline.runtime.features.answers import FeatureAnswers
    from ray_pipeline.runtime.features.show import FeaturesShown
    from ray_pipeline.runtime.ingest import IngestReport
    from ray_pipeline.runtime.jobs.features_build import BuildReport
    from ray_pipeline.runtime.jobs.gate import GateRunReport
    from ray_pipeline.runtime.jobs.train_report import TrainReport
    from ray_pipeline.runtime.jobs.training_set import TrainingSet
    from ray_pipeline.runtime.models.aliases import AliasMove
    from ray_pipeline.runtime.models.registry import ModelRegistry
    from ray_pipeline.runtime.models.text import ModelCard
    from ray_pipeline.runtime.predictions.performance import PerformanceReport
    from ray_pipeline.runtime.predictions.policy import Answer
    from ray_pipeline.runtime.predictions.recent import RecentPredictions
    from ray_pipeline.runtime.predictions.show import ShownPrediction
    from ray_pipeline.runtime.retrain.report import LoopLog, LoopStatus, StepReport
    from ray_pipeline.runtime.status import PipelineStatus
    from ray_pipeline.types import Offset

PATIENCE = 5.0
"""Seconds that a look at the lake waits for brokers, which may not be there at all."""


def open_pipeline(config: PipelineConfig | Path | str | None = None, overrides: Sequence[str] = ()) -> Pipeline:
    """Open a pipeline by its configuration, read as ``load_config`` reads it. Nothing is contacted yet."""
    settings = config if isinstance(config, PipelineConfig) else load_config(config, overrides)
    return Pipeline(settings)


class Pipeline:
    """A configuration, and what can be asked of the lake behind it.

    ``store`` and ``admin`` are made at their first use, so that looking at the lake needs no broker.
    """

    def __init__(self, config: PipelineConfig) -> None:
        self.config = config

    @cached_property
    def store(self) -> ObjectStore:
        """The object store; nothing is contacted before its first call."""
        from ray_pipeline.runtime.wiring import open_lake

        return open_lake(self.config)

    def admin(self, patience: float | None = None) -> KafkaAdmin:
        """Return the one who asks the brokers, and waits so many seconds for each answer (default: ``PATIENCE``)."""
        from ray_pipeline.connectors.kafka.admin import KafkaAdmin

        return KafkaAdmin(self.config.kafka, PATIENCE if patience is None else patience)

    def contract(self, dataset: str) -> DataContract:
        """Return the contract of a dataset."""
        settings = self.config.dataset(dataset)
        return load_contract(settings.contract, object_name=settings.object)

    def snapshot(self, dataset: str) -> Snapshot:
        """Return what is committed of a dataset now: its files, and its rows as one Arrow table (``to_table``)."""
        from ray_pipeline.lake.snapshot import take_snapshot

        return take_snapshot(self.store, self.config.pipeline, self.config.dataset(dataset).topic)

    def files(self, dataset: str) -> list[str]:
        """Return the URIs of the landed files, as DuckDB, polars and Ray Data read them."""
        return self.snapshot(dataset).uris()

    def read(self, dataset: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Read the landed rows; every file is checked against the log before a byte of it is parsed."""
        return self.snapshot(dataset).to_table(columns)

    def status(self, *, brokers: bool = True) -> PipelineStatus:
        """Return where every partition stands; ``brokers=False`` from the logs alone."""
        from ray_pipeline.runtime.status import read_status

        return read_status(self.config, self.store, self.admin() if brokers else None, datetime.now(UTC))

    def resume(self, dataset: str, *, partition: int | None = None, accept_gap: bool = False) -> list[Resumed]:
        """Let stopped partitions go on; see :mod:`ray_pipeline.runtime.resume` for what that appends to the log."""
        from ray_pipeline.runtime.resume import resume

        return resume(self.config, self.store, self.admin(), dataset, partition=partition, accept_gap=accept_gap)

    def dead_letters(
        self, *datasets: str, rule: str | None = None, partition: int | None = None, limit: int = 10
    ) -> DeadLetters:
        """Return how many records each rule refused, and the latest ones; all datasets where none is named."""
        from ray_pipeline.runtime.dead_letters import latest_dead_letters

        return latest_dead_letters(
            self.config,
            self.store,
            datasets or tuple(self.config.datasets),
            rule=rule,
            partition=partition,
            limit=limit,
        )

    def dead_letter(self, dataset: str, partition: int, offset: Offset) -> RefusedRecord:
        """Return one refused record as it came, with every reason."""
        from ray_pipeline.runtime.dead_letters import find_dead_letter

        return find_dead_letter(self.config, self.store, dataset, partition, offset)

    def verify(
        self,
        *datasets: str,
        brokers: bool = False,
        quick: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> VerifyReport:
        """Prove from the objects that nothing is lost or doubled; ``brokers`` adds the dead-letter topics (I8)."""
        from ray_pipeline.lake.verify import verify

        reader = None
        if brokers:
            from ray_pipeline.runtime.dead_letter_topic import dead_letter_reader

            reader = dead_letter_reader(self.config, self.store)
        names = datasets or tuple(self.config.datasets)
        chosen = [self.config.dataset(name) for name in names]
        report = verify(
            self.store,
            self.config.pipeline,
            [dataset.topic for dataset in chosen],
            dead_letters=reader,
            object_names={dataset.topic: dataset.object for dataset in chosen},
            quick=quick,
            progress=progress,
        )
        from ray_pipeline.runtime.verify_gates import verify_gates

        return replace(report, gates=verify_gates(self.config, self.store, names, quick=quick))

    def ingest(self, **bounds: Any) -> IngestReport:
        """Run the pipeline; see :func:`ray_pipeline.runtime.ingest.ingest` for the bounds."""
        from ray_pipeline.runtime.ingest import ingest

        return ingest(self.config, **bounds)

    def gate(self, *datasets: str, **options: Any) -> GateRunReport:
        """Judge what landed and publish what holds; see :func:`ray_pipeline.runtime.jobs.gate.run_gate`."""
        from ray_pipeline.runtime.jobs.gate import run_gate

        return run_gate(self.config, datasets, **options)

    def curated(self, dataset: str) -> CuratedTable | None:
        """Return the curated table of a dataset, an Iceberg table; None where nothing was published yet."""
        from ray_pipeline.runtime.curated import curated_table

        return curated_table(self.config, dataset)

    def held(self, *datasets: str) -> list[HeldDay]:
        """Return every day that the gate holds back, with the checks that hold it."""
        from ray_pipeline.runtime.curated import held_days

        return held_days(self.config, self.store, datasets or tuple(self.config.datasets))

    def quarantine(
        self, dataset: str, *, day: str | None = None, check: str | None = None, limit: int = 10
    ) -> list[QuarantinedRow]:
        """Return some of the rows that the gate set aside, with every reason."""
        from ray_pipeline.gate.entries import Selection
        from ray_pipeline.runtime.curated import quarantined_rows

        return quarantined_rows(self.config, self.store, dataset, Selection(day, check), limit)

    def release_held(self, dataset: str, day: str, *, reason: str) -> ReleaseHeld:
        """Let the held rows of a day through, whatever its checks say; the next gate publishes them."""
        from ray_pipeline.runtime.curated import let_through

        return let_through(self.config, self.store, dataset, day, reason)

    def release_quarantine(
        self, dataset: str, *, reason: str, day: str | None = None, check: str | None = None, waive: bool = False
    ) -> ReleaseQuarantine:
        """Have quarantined rows judged again; the next gate publishes those that hold, with ``waive`` all of them."""
        from ray_pipeline.gate.entries import Selection
        from ray_pipeline.runtime.curated import judge_again

        return judge_again(self.config, self.store, dataset, Selection(day, check), reason, waive=waive)

    def build_features(self, *views: str, **options: Any) -> BuildReport:
        """Compute what is new into the offline tables; see
        :func:`ray_pipeline.runtime.jobs.features_build.build_features`."""
        from ray_pipeline.runtime.jobs.features_build import build_features

        return build_features(self.config, views=views or None, **options)

    def features(self, *views: str) -> FeaturesShown:
        """Return how fresh each view's offline table is, and how its features are distributed."""
        from ray_pipeline.runtime.features.show import show_features

        return show_features(self.config, views=views or None)

    def read_features(
        self,
        service: str | Sequence[str],
        rows: Sequence[Mapping[str, Any]],
        as_of: datetime | Sequence[datetime] | None = None,
    ) -> FeatureAnswers:
        """Return what a feature service, or a list of ``view:feature``, answers online to each row, now or then."""
        from ray_pipeline.runtime.features.read import read_features

        return read_features(self.config, service, rows, as_of)

    def training_set(self, spec: Path | str | Mapping[str, Any], **options: Any) -> TrainingSet:
        """Build a training set; see :func:`ray_pipeline.runtime.jobs.training_set.build_training_set`."""
        from ray_pipeline.runtime.jobs.training_set import build_training_set

        return build_training_set(self.config, spec, **options)

    def train(self, spec: ModelSpec | Path | str, **options: Any) -> TrainReport:
        """Train a model version as ``spec`` says; see :func:`ray_pipeline.runtime.jobs.train.train`."""
        from ray_pipeline.runtime.jobs.train import train

        return train(self.config, spec, **options)

    def models(self) -> ModelRegistry:
        """Return the registry: every model with its versions, aliases and their history."""
        from ray_pipeline.runtime.models.registry import ModelRegistry

        return ModelRegistry(self.store, self.config.pipeline)

    def model(self, which: str) -> ModelCard:
        """Return the card of ``NAME`` (its champion, else its newest), ``NAME/3`` or ``NAME/challenger``."""
        from ray_pipeline.runtime.models.text import model_card, split_which

        return model_card(self.models(), *split_which(which))

    def promote(self, model: str, which: str | int = "challenger", *, reason: str, **options: Any) -> AliasMove:
        """Make a version champion, once it is shown to load; see :mod:`ray_pipeline.runtime.models.promotion`."""
        from ray_pipeline.runtime.models.promotion import promote

        return promote(self.config, model, which, reason=reason, **options)

    def predict(
        self,
        which: str,
        requests: Path | str | Sequence[Mapping[str, Any]] | None = None,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        as_of: datetime | None = None,
    ) -> list[Answer]:
        """Ask ``NAME`` (its champion) or ``NAME/VERSION`` of the offline tables, each request as of its own moment.

        ``requests`` are rows or a file of them, and ``as_of`` is the moment of those that name none; without them the
        questions of the model's label set from ``start`` to ``end``.
        """
        from ray_pipeline.runtime.predictions.asking import ask_batch, ask_questions, open_model_version

        predictor, repo = open_model_version(self.config, which)
        if requests is None:
            if start is None or end is None:
                raise UsageError("predict needs requests, or start and end")
            return ask_questions(self.config, predictor, start, end, repo=repo)
        if isinstance(requests, Path | str):
            return ask_batch(self.config, predictor, Path(requests), as_of=as_of)
        from ray_pipeline.runtime.predictions.rows import ask_rows

        return ask_rows(self.config, predictor, requests, as_of=as_of)

    def predictions(self, model: str | None = None, limit: int = 10) -> RecentPredictions:
        """Return the latest answers that landed."""
        from ray_pipeline.runtime.predictions.recent import recent_predictions

        return recent_predictions(self.config, model=model, limit=limit)

    def prediction(self, request_id: str) -> ShownPrediction:
        """Return one landed answer with everything behind it: request, model, features, their events, outcome."""
        from ray_pipeline.runtime.predictions.show import show_prediction

        return show_prediction(self.config, request_id)

    def performance(self, model: str, **options: Any) -> PerformanceReport:
        """Judge a model's landed answers by the outcomes that landed; see
        :func:`ray_pipeline.runtime.predictions.performance.measure_performance`."""
        from ray_pipeline.runtime.predictions.performance import measure_performance

        return measure_performance(self.config, model, **options)

    def drift_status(self, *datasets: str, **options: Any) -> DriftStatus:
        """Say of each watched dataset whether it is as its baseline, and how the champion errs; nothing is written.
        See :func:`ray_pipeline.runtime.drift.status.status`."""
        from ray_pipeline.runtime.drift.status import status

        return status(self.config, subjects=datasets, **options)

    def drift_watch(self, *datasets: str, **options: Any) -> WatchReport:
        """Close every window that is over, and judge it; see :func:`ray_pipeline.runtime.drift.watch.watch`."""
        from ray_pipeline.runtime.drift.watch import watch

        return watch(self.config, subjects=datasets, **options)

    def drift_explain(self, dataset: str, column: str | None = None, **options: Any) -> Explanation:
        """Say what moved in a closed window, since when, by how much, and in which rows; see
        :func:`ray_pipeline.runtime.drift.explain.explain`."""
        from ray_pipeline.runtime.drift.explain import explain

        return explain(self.config, dataset, column, **options)

    def retrain_log(self, model: str | None = None) -> LoopLog:
        """Return every decision of the loop, with its evidence."""
        from ray_pipeline.runtime.retrain.report import loop_log

        return loop_log(self.config, model)

    def retrain_status(self, model: str | None = None) -> LoopStatus:
        """Return where the loop stands: the champion, what is armed, an open run, a promotion that is watched."""
        from ray_pipeline.runtime.retrain.report import loop_status

        return loop_status(self.config, model)

    def retrain_step(self, *, dry_run: bool = True, **options: Any) -> StepReport:
        """Say what the loop would do next and why; with ``dry_run=False`` do it. See
        :func:`ray_pipeline.runtime.retrain.step.retrain_step`."""
        from ray_pipeline.runtime.retrain.step import retrain_step

        return retrain_step(self.config, dry_run=dry_run, **options)

    def feature_store(self) -> FeatureStore:
        """Return Feast's own client for this pipeline's feature repository."""
        from ray_pipeline.connectors.feast import feature_store

        return feature_store(self.config)

    def __repr__(self) -> str:
        return f"<Pipeline {self.config.pipeline!r}: {', '.join(self.config.datasets)} in {self.config.store}>"
