"""A request and its answer, as values: the same for a call over HTTP and for a row of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ray_pipeline.features.reading import Status

if TYPE_CHECKING:
    from ray_pipeline.runtime.features.answers import FeatureValue


class Source(StrEnum):
    """Where an answer's features were read."""

    ONLINE = "online"
    OFFLINE = "offline"
    """Offline tables, joined as of each request's own moment."""


@dataclass(frozen=True, slots=True)
class PredictionRequest:
    """One question to a model."""

    request_id: str
    values: Mapping[str, Any]
    """Join keys of the service's views and values of its request features; moments are aware ``datetime``."""
    as_of: datetime | None = None
    """The moment asked; None: now, by the clock of the online store."""
    label_key: str | None = None
    """What its outcome will be found by; None: its outcome will not be looked for."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer."""

    request: PredictionRequest
    as_of: datetime
    """The moment that the features hold for."""
    probability: float
    """Calibrated."""
    model: str
    version: int
    file_sha256: str
    """Of the model file."""
    training_set: str
    """``name/version``."""
    features: Mapping[str, FeatureValue]
    """What the model saw, by feature; keys of the request that it saw are among the request's values."""
    views: Mapping[str, str]
    """View as the service calls it → the dataset of its events."""
    source: Source

    @property
    def is_complete(self) -> bool:
        """Whether every feature was there."""
        return all(found.status is Status.PRESENT for found in self.features.values())
