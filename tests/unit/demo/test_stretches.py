"""From how many days on the demo has a model: every split in time needs a day that the gate publishes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from ray_pipeline.cli.demo_model import LEAST_DAYS
from ray_pipeline.demo.features import SPLITS, training_spec
from ray_pipeline.demo.plan import DemoPlan
from ray_pipeline.features.training_spec import TrainingSpec, read_spec, spec_of


def spec(plan: DemoPlan) -> TrainingSpec:
    found = training_spec(plan)
    return spec_of(found, "the demo") if isinstance(found, dict) else read_spec(found)


def published(plan: DemoPlan) -> dict[str, list[date]]:
    """Return the days of each split that are not held back; splits begin and end at midnight in New York."""
    found: dict[str, list[date]] = {}
    for split in spec(plan).splits:
        start, end = (datetime.fromtimestamp(us // 1_000_000, UTC).date() for us in (split.start_us, split.end_us))
        days = [start + timedelta(days=day) for day in range((end - start).days)]
        found[split.name] = [day for day in days if day != plan.kilometres_on]
    return found


@pytest.mark.parametrize("days", range(1, 29))
def test_from_the_least_days_on_each_split_has_a_day_that_is_published(days: int) -> None:
    found = published(DemoPlan.of_days(days, seed=2013, share=0.02))
    assert (len(found) == SPLITS and all(found.values())) == (days >= LEAST_DAYS)
