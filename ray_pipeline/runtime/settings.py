"""What a run is told: plain values that travel to the supervisor and to each partition actor.

They travel as arguments of a method, never of a constructor: Ray keeps constructor arguments in its control store,
where dashboards and dumps can see them, and a configuration may hold a password.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ray_pipeline.types import TopicPartition

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.online import OnlineSettings
    from ray_pipeline.contracts.model import DataContract
    from ray_pipeline.features.definition import CompiledView


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Everything that one ingest run is told."""

    config: PipelineConfig
    contracts: dict[str, DataContract]
    """By dataset: compiled from text where it is used, so that no file has to lie on every node."""
    owner: str
    """For people: which host and process started the run."""
    until_end: bool = False
    """End when every partition is committed up to where it ended when the run began."""
    max_records: int | None = None
    """End soon after so many records were read."""
    timeout: float | None = None
    """End after so many seconds."""
    replay: bool = False
    """Landing times are the publication time of the newest record read, not the wall clock's."""
    discovery_seconds: float = 15.0
    """How often topics are asked for new partitions and for their identity."""
    silence_seconds: float = 30.0
    """An actor that answers nothing for so long is replaced."""
    views: tuple[CompiledView, ...] = ()
    """Whose online values the partition actors keep: compiled by the driver, so that no actor loads a definition."""
    online: OnlineSettings | None = None
    """Where they are kept; it may hold a password."""

    def topics(self) -> dict[str, str]:
        """Topic → dataset."""
        return {dataset.topic: name for name, dataset in self.config.datasets.items()}


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one partition actor must own now, completely: what is not named is to be released."""

    supervisor: int
    partitions: dict[TopicPartition, int] = field(default_factory=dict)
    """With a number that rises when the partition must be claimed again."""
    drain: bool = False
    """Commit what is in hand, release everything, and say so."""
