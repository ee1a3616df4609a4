"""The configuration as values: what ``configs/*.yaml`` may say, and what each key means."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from ray_pipeline.config.checks import check_tree
from ray_pipeline.config.drift import DriftConfig
from ray_pipeline.config.features import FeaturesConfig
from ray_pipeline.config.lineage import LineageConfig
from ray_pipeline.config.names import check_name, check_topic
from ray_pipeline.config.nearest import unknown
from ray_pipeline.config.options import Options
from ray_pipeline.config.retrain import RetrainConfig
from ray_pipeline.config.serve import ServeConfig
from ray_pipeline.config.store import resolve_store
from ray_pipeline.errors import UsageError

DEAD_LETTERS = ".dead-letters"


def _existing_file(value: object) -> Path:
    path = Path(os.path.normpath(Path(str(value)).expanduser().absolute()))
    if not path.is_file():
        raise ValueError("there is no such file; a relative path counts from the configuration file")
    return path


def _actors(value: object) -> object:
    if value == "auto":
        return value
    if isinstance(value, bool) or not str(value).isdecimal() or int(str(value)) < 1:
        raise ValueError("must be auto, or a whole number of at least 1")
    return int(str(value))


def _start(value: object) -> object:
    if value in ("earliest", "latest"):
        return value
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError("must be earliest, latest, or an ISO time such as 2013-01-01T00:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError("needs its offset from UTC: 2013-01-01T00:00:00Z")
    return moment.astimezone(UTC)


Name = Annotated[str, AfterValidator(check_name)]
Topic = Annotated[str, AfterValidator(check_topic)]


class _Section(BaseModel):
    """A part of the configuration: immutable, unknown keys refused, and silent about values in its errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)


class DatasetConfig(_Section):
    """One topic and the contract that its records must keep."""

    contract: Annotated[Path, BeforeValidator(_existing_file)]
    """ODCS YAML or JSON Schema; in a file, relative to that file."""
    object: str | None = None
    """Which schema object of the contract; needed only where the contract has several."""
    topic: Topic
    """Source topic; the dataset's name when left out."""
    dead_letter_topic: Topic = Field(default_factory=lambda known: f"{known.get('topic', '')}{DEAD_LETTERS}")
    """Where refused records go; ``<topic>.dead-letters`` when left out."""


class CommitConfig(_Section):
    """When a batch of a partition is committed: whichever comes first."""

    records: int = Field(default=100_000, ge=1, le=10_000_000)
    """After this many records."""
    seconds: float = Field(default=10.0, gt=0, le=3600)
    """After this many seconds with at least one record."""


class IngestConfig(_Section):
    """How records are taken in."""

    actors: Annotated[Literal["auto"] | int, BeforeValidator(_actors)] = "auto"
    """How many processes read; auto: one per CPU that Ray offers."""
    start: Annotated[Literal["earliest", "latest"] | datetime, BeforeValidator(_start)] = "earliest"
    """Where a partition that has no log yet begins; never asked again after its first run."""
    max_bad_share: float = Field(default=0.5, gt=0, le=1)
    """The breaker: a partition pauses before it commits a larger share of refused records; 1 switches it off."""
    bad_share_min_records: int = Field(default=1_000, ge=1)
    """The breaker says nothing about fewer records than these."""
    commit_every: CommitConfig = CommitConfig()
    """Size of a batch."""


class PipelineConfig(_Section):
    """Everything that one pipeline needs to run: read from a file by ``load_config``, or made by hand."""

    pipeline: Name
    """Names the log, the transactional ids and the metrics. Two pipelines never share one."""
    kafka: Options
    """librdkafka's option names, unrenamed; ``bootstrap.servers`` is required."""
    kafka_unsafe: bool = False
    """Let options pass that weaken the connection on purpose: no certificate check, a token endpoint, debug output."""
    store: str
    """An absolute folder or ``s3://bucket/prefix``; in a file, a relative folder counts from that file."""
    store_options: Options = Options()
    """fsspec's option names: endpoint_url, key, secret, client_kwargs.region_name …"""
    catalog: Options = Options()
    """pyiceberg's property names, for the catalog of curated tables: type, uri, warehouse … and ``namespace``.

    Left out, a folder as store keeps its catalog beside the data, in one SQLite file."""
    datasets: Mapping[Name, DatasetConfig] = Field(min_length=1)
    """The datasets by name."""
    ingest: IngestConfig = IngestConfig()
    """How records are taken in."""
    lineage: LineageConfig = LineageConfig()
    """Who is told what ran."""
    features: FeaturesConfig = FeaturesConfig()
    """Which features are computed from the datasets."""
    serve: ServeConfig = ServeConfig()
    """Which model answers, and how."""
    drift: DriftConfig = DriftConfig()
    """What counts as drift."""
    retrain: RetrainConfig = RetrainConfig()
    """When a model is trained again, and when the new one replaces it."""

    def dataset(self, name: str) -> DatasetConfig:
        """Return the dataset called ``name``; ``UsageError`` names the nearest one where there is none."""
        if name not in self.datasets:
            raise UsageError(f"{name}: {unknown(name, self.datasets, 'dataset')}")
        return self.datasets[name]

    @field_validator("store")
    @classmethod
    def _absolute_store(cls, value: str) -> str:
        return resolve_store(value, Path.cwd())

    @field_validator("datasets", mode="before")
    @classmethod
    def _topics_by_name(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        return {name: _with_topic(str(name), dataset) for name, dataset in value.items()}

    @model_validator(mode="after")
    def _consistent(self) -> PipelineConfig:
        topics = {
            name: {"topic": d.topic, "dead_letter_topic": d.dead_letter_topic} for name, d in self.datasets.items()
        }
        tree = {
            "kafka": self.kafka,
            "kafka_unsafe": self.kafka_unsafe,
            "store": self.store,
            "store_options": self.store_options,
            "catalog": self.catalog,
            "datasets": topics,
        }
        if problems := check_tree(tree):
            raise ValueError("; ".join(f"{'.'.join(path)}: {what}" for path, what in problems))
        return self


def _with_topic(name: str, dataset: Any) -> Any:
    """The dataset's name as its topic. An empty dataset is one with defaults only; a model is complete already."""
    if dataset is None:
        return {"topic": name}
    if isinstance(dataset, Mapping) and dataset.get("topic") is None:
        return {**dataset, "topic": name}
    return dataset
