"""One step of the loop, as a command or a notebook takes it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ray_pipeline.clock import Clock, WallClock
from ray_pipeline.errors import UsageError
from ray_pipeline.features.training_spec import moment_us
from ray_pipeline.retrain.decide import Action
from ray_pipeline.runtime.models.aliases import Alias
from ray_pipeline.runtime.retrain.challenger import read_asked
from ray_pipeline.runtime.retrain.hands import PipelineHands
from ray_pipeline.runtime.retrain.lease import Leases, held
from ray_pipeline.runtime.retrain.ledger import LoopLedger
from ray_pipeline.runtime.retrain.loop import Loop
from ray_pipeline.runtime.retrain.report import StepReport

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.feast.repo import FeatureRepo

__all__ = ["StepReport", "retrain_step"]
_AHEAD = timedelta(hours=1)
"""Clocks may differ by so much."""


def retrain_step(
    config: PipelineConfig,
    *,
    now: datetime | None = None,
    dry_run: bool = False,
    who: str | None = None,
    ray_address: str | None = None,
    on_message: Callable[[str], None] | None = None,
    clock: Clock | None = None,
    repo: FeatureRepo | None = None,
) -> StepReport:
    """Take the loop as far as it goes at ``now`` (event time; default: the clock's), and say what was done and why.

    With ``dry_run`` nothing is written: the report says what the next thing would be. ``repo`` stands in for the
    configured feature repository. Raises ``UsageError`` where no spec is configured, ``RetrainError`` where another
    step works on the same model; what failed in the store or in Ray comes as it is, and the next step goes on.
    """
    from ray_pipeline.runtime.curated import whoami
    from ray_pipeline.runtime.models.registry import ModelRegistry
    from ray_pipeline.runtime.wiring import open_lake

    clock = clock or WallClock()
    moment = clock.now() if now is None else now
    if moment.tzinfo is None:
        raise UsageError("the moment needs a time zone: 2013-04-01T00:00:00Z")
    if not dry_run and moment > clock.now() + _AHEAD:
        why = "is in the future: the ledger never goes back, so nothing would be decided until then"
        raise UsageError(
            f"the moment {moment.astimezone(UTC).isoformat()} {why}; leave --at out, or ask with --dry-run"
        )
    now_us = moment_us(moment.astimezone(UTC).isoformat())
    store, name = open_lake(config), who or whoami()
    notices: list[str] = []

    def say(sentence: str) -> None:
        notices.append(sentence)
        if on_message is not None:
            on_message(sentence)

    asked = read_asked(config, store)
    registry = ModelRegistry(store, config.pipeline, clock=clock)
    ledger = LoopLedger(store, config.pipeline, asked.model, clock=clock)
    hands = PipelineHands(config, asked, registry, clock, now_us, name, say, ray_address, repo)
    loop = Loop(config.retrain, ledger, hands, now_us, name, on_message or (lambda _sentence: None))
    decision = loop.decided()
    if not dry_run and decision.action is not Action.WAIT:
        seconds = config.retrain.lease_seconds
        leases = Leases(store, config.pipeline, asked.model, clock=clock, seconds=seconds)
        with held(leases, name, seconds, say) as lease:
            loop.check = lambda: leases.check(lease)
            decision = loop.go_on()
    champion = registry.aliases(asked.model).get(Alias.CHAMPION)
    written, said = tuple(loop.written), tuple(notices)
    return StepReport(asked.model, decision, written, ledger.state(), champion, dry_run, said)
