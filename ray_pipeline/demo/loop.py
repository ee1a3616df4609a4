"""The demo's part about the loop: the last days against the two weeks before, and what the controller would do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ray_pipeline.runtime.drift.baselines import follow_champion
from ray_pipeline.runtime.drift.status import status
from ray_pipeline.runtime.drift.watch import watch
from ray_pipeline.runtime.retrain.step import retrain_step

from .timed import timed

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.runtime.drift.baselines import WatchedBaseline
    from ray_pipeline.runtime.drift.standing import WatchReport
    from ray_pipeline.runtime.drift.status import DriftStatus
    from ray_pipeline.runtime.retrain.report import StepReport

    from .plan import DemoPlan

DEMO = "the demo"
USUAL = timedelta(days=14)
"""The first days, which say what is usual; the days after them are the windows."""


@dataclass(frozen=True, slots=True)
class LoopStory:
    """What the loop saw in the demo's days."""

    config: PipelineConfig
    baselines: tuple[WatchedBaseline, ...]
    watched: WatchReport
    status: DriftStatus
    """What stands then; with the champion's errors."""
    step: StepReport
    timings: Mapping[str, float]


def tell_loop(config: PipelineConfig, plan: DemoPlan, say: Callable[[str], None]) -> LoopStory:
    """Judge each day after the first two weeks by those, and ask the controller what it would do; it does nothing.

    A stretch of two weeks or less has no day to judge. A dataset of too few days for a baseline
    is left out, which the log says.
    """
    timings: dict[str, float] = {}
    say("loop: comparing each of the last days with the first two weeks, and asking the controller what it would do")
    with timed(timings, "drift"):
        until = plan.start + min(USUAL, timedelta(days=plan.days))
        baselines = follow_champion(config, who=DEMO, first_day=plan.start.isoformat(), until_day=until.isoformat())
        watched = watch(config, now=plan.ends_at)
        stands = status(config, now=plan.ends_at)
    with timed(timings, "retrain"):
        step = retrain_step(config, now=plan.ends_at, dry_run=True, who=DEMO)
    return LoopStory(config, baselines, watched, stands, step, timings)
