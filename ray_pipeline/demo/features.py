"""The demo's last part: features of what was published, one question answered online, and a training set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from ray_pipeline.connectors.feast import apply_repo, feature_store, load_repo
from ray_pipeline.runtime.features.read import read_features
from ray_pipeline.runtime.features.verify import verify_features
from ray_pipeline.runtime.jobs.features_build import build_features
from ray_pipeline.runtime.jobs.training_set import build_training_set

from .flights import Days, read_flights, read_zones
from .plan import DemoPlan
from .times import with_true_times

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.runtime.features.answers import FeatureAnswer
    from ray_pipeline.runtime.features.skew import SkewReport
    from ray_pipeline.runtime.jobs.features_report import BuildReport
    from ray_pipeline.runtime.training_sets import TrainingSet

SERVICE = "flight_delay"
MATERIALIZED = "destination_last_7d"
SPEC = Path("configs/flights/late_arrival.yaml")
HOUR = timedelta(hours=1)
SPLITS = 3
"""Fitted, calibrated, tested."""
MIDNIGHT = time(5)
"""In New York, by UTC in winter."""


@dataclass(frozen=True, slots=True)
class FeatureStory:
    """What became of the features."""

    built: BuildReport
    question: Mapping[str, Any]
    """Entity keys and request values of a flight that leaves an hour after the replay's end."""
    answer: FeatureAnswer
    training: TrainingSet | None
    """None where the only day is held back: no question of it is curated."""
    spec: Path | Mapping[str, Any]
    """What the training set was built from."""
    skew: SkewReport

    @property
    def trainable(self) -> bool:
        """Whether there are rows to fit on, to calibrate on, and to test on."""
        return self.training is not None and sum(one["rows"] > 0 for one in self.training.manifest["splits"]) == SPLITS


def tell_features(config: PipelineConfig, plan: DemoPlan, say: Callable[[str], None]) -> FeatureStory:
    """Apply the definitions, build the offline tables, materialise, ask one question, and build a training set."""
    say("features: telling Feast about the definitions, computing offline tables from the curated ones")
    repo = load_repo(config)
    apply_repo(config)
    built = build_features(config, run_id="demo")
    say("features: materialising one view, asking one question online, comparing online with offline")
    with redirect_stdout(StringIO()):  # Feast prints what it does, in colours, wherever it prints
        feature_store(config).materialize(
            start_date=datetime.combine(plan.start, MIDNIGHT, UTC),
            end_date=plan.ends_at,
            feature_views=[MATERIALIZED],
        )
    question = question_of(plan)
    answer = read_features(config, SERVICE, [question]).rows[0]
    skew = verify_features(config)
    training, spec = None, training_spec(plan)
    if plan.days > 1 or plan.kilometres_on is None:
        say("features: building a training set, each row as its own moment knew it")
        training = build_training_set(config, spec, repo=repo)
    return FeatureStory(built, question, answer, training, spec, skew)


def question_of(plan: DemoPlan) -> dict[str, Any]:
    """Return the timetable's next flight: scheduled an hour or more after the replay's end. It is in no topic."""
    flights = with_true_times(read_flights(Days(plan.start + timedelta(days=plan.days), 1)), read_zones())
    coming = flights.filter(pl.col("scheduled_departure") >= plan.ends_at + HOUR, pl.col("tailnum").is_not_null()).sort(
        "scheduled_departure", "origin", "carrier", "flight"
    )
    first = coming.row(0, named=True)
    return {
        "origin": first["origin"],
        "destination": first["dest"],
        "carrier": first["carrier"],
        "tail_number": first["tailnum"],
        "scheduled_departure_at": first["scheduled_departure"],
    }


def training_spec(plan: DemoPlan) -> Path | dict[str, Any]:
    """Return the example's own spec where the plan is of its three weeks, else one like it for the plan's days."""
    if (plan.start, plan.days) == (DemoPlan.start, DemoPlan.days):
        return SPEC
    midnights = [datetime.combine(plan.start + timedelta(days=day), MIDNIGHT, UTC) for day in range(plan.days + 1)]
    spec: dict[str, Any] = {"name": "late_arrival", "labels": "late_arrival", "service": SERVICE}
    spec |= {"from": midnights[1 if plan.days > 3 else 0].isoformat(), "to": midnights[-1].isoformat()}
    if plan.days > 3:
        ends = {"train": midnights[plan.days // 2], "validation": midnights[plan.days * 3 // 4], "test": midnights[-1]}
        spec["splits"] = {name: end.isoformat() for name, end in ends.items()}
    return spec
