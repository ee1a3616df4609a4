"""The answers that were published last, a line each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ray_pipeline.errors import UsageError
from ray_pipeline.features.training_spec import moment_text
from ray_pipeline.runtime.predictions.landed import landed_predictions

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig


@dataclass(frozen=True, slots=True)
class RecentPrediction:
    """One answer."""

    request_id: str
    asked_at: str
    model: str
    version: int
    probability: float
    complete: bool
    label_key: str | None


@dataclass(frozen=True, slots=True)
class RecentPredictions:
    """Some answers, the newest publication first."""

    landed: int
    """First answers in the lake."""
    repeated: int
    """Answers to requests that had one."""
    latest: tuple[RecentPrediction, ...]

    def to_json(self) -> dict[str, Any]:
        """Return what ``predictions list --output json`` prints."""
        return {
            "predictions": self.landed,
            "repeated_answers": self.repeated,
            "latest": [asdict(one) for one in self.latest],
        }

    def as_lines(self) -> Iterator[str]:
        """Yield the same for people."""
        yield f"{self.landed:,} landed" + (
            f", {self.repeated:,} answers more to the same requests" * bool(self.repeated)
        )
        width = max((len(one.request_id) for one in self.latest), default=0)
        for one in self.latest:
            whole = "" if one.complete else "  not all features"
            key = "" if one.label_key is None else f"  {one.label_key}"
            said = f"{one.model}/{one.version}  {one.probability:.3f}{key}{whole}"
            yield f"  {one.request_id:{width}}  {one.asked_at}  {said}"


def recent_predictions(config: PipelineConfig, *, model: str | None = None, limit: int = 10) -> RecentPredictions:
    """Return the latest answers of a model, or of all."""
    if limit < 0:
        raise UsageError("limit must not be negative")
    found = landed_predictions(config, model)
    latest = [
        RecentPrediction(
            row["request_id"],
            moment_text(row["asked_us"]),
            row["model"],
            row["version"],
            row["probability"],
            row["complete"],
            row["label_key"],
        )
        for row in found.frame.tail(limit).reverse().iter_rows(named=True)
    ]
    return RecentPredictions(found.frame.height, found.repeated, tuple(latest))
