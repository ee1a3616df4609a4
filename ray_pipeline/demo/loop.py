"""The demo's part about the loop: one week against the two before it, and what the controller would do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ray_pipeline.runtime.drift.baselines import follow_champion
from ray_pipeline.runtime.drift.watch import watch
from ray_pipeline.runtime.retrain.step import retrain_step

from .timed import timed

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.runtime.drift.baselines import WatchedBaseline
    from ray_pipeline.runtime.drift.standing import WatchReport
    from ray_pipeline.runtime.retrain.report import StepReport

    from .plan import DemoPlan

DEMO = "the demo"
WEEK = 7


@dataclass(frozen=True, slots=True)
class LoopStory:
    """What the loop saw in the demo's days."""

    baselines: tuple[WatchedBaseline, ...]
    watched: WatchReport
    step: StepReport
    timings: Mapping[str, float]


def tell_loop(config: PipelineConfig, plan: DemoPlan, say: Callable[[str], None]) -> LoopStory:
    """Compare the last whole week with the days before it, and ask the controller what it would do; it does nothing.

    A stretch of a few days has baselines and no week to compare with them.
    """
    timings: dict[str, float] = {}
    say("loop: comparing the last week with the days before it, and asking the controller what it would do")
    with timed(timings, "drift"):
        last = plan.start + timedelta(days=plan.days - 1)
        until = max(last - timedelta(days=WEEK), plan.start + timedelta(days=1))
        baselines = follow_champion(config, who=DEMO, first_day=plan.start.isoformat(), until_day=until.isoformat())
        watched = watch(config, now=plan.ends_at)
    with timed(timings, "retrain"):
        step = retrain_step(config, now=plan.ends_at, dry_run=True, who=DEMO)
    return LoopStory(baselines, watched, step, timings)
