"""A promotion that is looked at afterwards: the version before answers the same questions, and the better one stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ray_pipeline.clock import Clock
from ray_pipeline.config.retrain import RetrainConfig
from ray_pipeline.errors import UsageError
from ray_pipeline.features.training_spec import Split, TrainingSpec, moment_text
from ray_pipeline.model.manifest import MODEL
from ray_pipeline.retrain.decide import look_level
from ray_pipeline.retrain.judge import nothing_to_judge
from ray_pipeline.retrain.state import Watch
from ray_pipeline.runtime.retrain.challenger import Asked, judged, mature_us, span
from ray_pipeline.runtime.retrain.scoring import Scorer

if TYPE_CHECKING:
    from ray_pipeline.runtime.training_sets import TrainingSet


def watched_set(asked: Asked, policy: RetrainConfig, watch: Watch, service: str, at_us: int) -> TrainingSpec | None:
    """Return the questions since the promotion whose labels have matured, as a training set; None: there are none."""
    start, end = watch.since_us, min(watch.until_us, at_us - mature_us(policy))
    if end <= start:
        return None
    return replace(
        asked.training,
        name=f"{asked.training.name[:90]}.watched",
        service=service,
        start_us=start,
        end_us=end,
        splits=(Split("all", start, end),),
        labels_by_us=at_us,
        curated={},
        features={},
    )


def look(
    scorer: Scorer, asked: Asked, watch: Watch, at_us: int, *, ray_address: str | None, clock: Clock,
    on_message: Callable[[str], None],
) -> dict[str, Any]:  # fmt: skip
    """Compare the version before with the champion, and return the evidence: a win is the champion's loss."""
    policy, registry = scorer.config.retrain, scorer.registry
    champion, before = (registry.manifest(asked.model, one) for one in (watch.version, watch.before))
    level = look_level(policy)
    names = (champion.shown, before.shown)
    evidence: dict[str, Any] = {
        "first": champion.shown,
        "second": before.shown,
        "model_sha256": {one.shown: one.files[MODEL].sha256 for one in (champion, before)},
        "labels_by": moment_text(at_us),
    }
    wanted = watched_set(asked, policy, watch, champion.service, at_us)
    data = None if wanted is None else _built(scorer, wanted, ray_address, clock, on_message)
    if data is None:
        return evidence | {"judgement": nothing_to_judge(level, policy.min_judged, names=names).to_json()}
    rows = scorer.both(champion, before, data, None)
    found = judged(rows, policy, champion.seed, level, names)
    return evidence | {
        "judgement": found.to_json(),
        "rows_of": list(rows.sets),
        "seen_before": rows.seen,
        "asked": span(rows),
    }


def _built(
    scorer: Scorer, wanted: TrainingSpec, ray_address: str | None, clock: Clock, say: Callable[[str], None]
) -> TrainingSet | None:
    """Return the questions with their labels and features; None where there is none that can be answered yet."""
    from ray_pipeline.runtime.jobs.training_set import build_training_set

    try:
        return build_training_set(
            scorer.config, wanted, ray_address=ray_address, repo=scorer.repo, on_message=say, clock=clock
        )
    except UsageError as error:
        say(str(error))  # no labelled question yet, or no features of them: a later look may find some
        return None
