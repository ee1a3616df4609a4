"""Who does the work of the loop: training, judging, promoting, looking, rolling back, on the real pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ray_pipeline.clock import Clock
from ray_pipeline.errors import AliasConflictError, RayPipelineError, RetrainError
from ray_pipeline.model.manifest import MODEL
from ray_pipeline.retrain.observed import Observed
from ray_pipeline.retrain.state import LoopState, Run, Watch
from ray_pipeline.runtime.models.aliases import Alias, AliasMove, MoveKind, made_by, rollback_target
from ray_pipeline.runtime.retrain.challenger import Asked, judge_challenger, train_challenger, training_evidence
from ray_pipeline.runtime.retrain.observe import Observer
from ray_pipeline.runtime.retrain.scoring import Scorer
from ray_pipeline.runtime.retrain.watching import look

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.feast.repo import FeatureRepo
    from ray_pipeline.model.manifest import ModelManifest
    from ray_pipeline.runtime.models.registry import ModelRegistry


@dataclass(eq=False)
class PipelineHands:
    """The pipeline's own hands."""

    config: PipelineConfig
    asked: Asked
    registry: ModelRegistry
    clock: Clock
    now_us: int
    who: str
    say: Callable[[str], None]
    ray_address: str | None = None
    given_repo: FeatureRepo | None = None

    def observe(self, state: LoopState) -> Observed:
        """Look at the world."""
        return self._observer.observe(state)

    def train(self, run: Run) -> tuple[int, str, Mapping[str, Any]]:
        """Train the run's challenger, or find it again."""
        report = train_challenger(
            self.config,
            self.asked,
            run,
            ray_address=self.ray_address,
            who=self.who,
            repo=self.repo,
            on_message=self.say,
            clock=self.clock,
        )
        said = f"{report.version.shown} was trained on {report.training_set}"
        return report.version.number, said, training_evidence(report)

    def judge(self, run: Run) -> Mapping[str, Any]:
        """Judge it against the champion."""
        return judge_challenger(self._scorer, self.asked, run)

    def promote(self, run: Run, reason: str, evidence: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make the file that was judged champion, and watch drift against its own baselines from now on."""
        from ray_pipeline.runtime.models.promotion import promote

        version = self.registry.manifest(self.asked.model, run.challenger or 0)
        if evidence["model_sha256"].get(version.shown) != version.files[MODEL].sha256:
            raise RetrainError(self.asked.model, f"the file of {version.shown} is not the one that was judged")
        newest = self._newest(run)
        move = promote(
            self.config,
            self.asked.model,
            version.number,
            who=self.who,
            reason=reason,
            evidence=evidence,
            expected=run.champion,
            expected_move=newest.number,
            registry=self.registry,
            repo=self.repo,
            on_message=self.say,
        )
        return {"move": move.number, "baselines": self._baselines(version)}

    def look(self, watch: Watch, at_us: int) -> Mapping[str, Any]:
        """Compare the version before with the promoted one."""
        return look(
            self._scorer,
            self.asked,
            watch,
            at_us,
            ray_address=self.ray_address,
            clock=self.clock,
            on_message=self.say,
        )

    def roll_back(self, watch: Watch, reason: str, evidence: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make the version before champion again, unless it is already."""
        from ray_pipeline.runtime.models.promotion import rollback

        model = self.asked.model
        if self.registry.aliases(model).get(Alias.CHAMPION) != watch.before:
            target = rollback_target(self.registry.history(model))
            if target != watch.before:
                raise RetrainError(model, f"a rollback would go to version {target}, not to {watch.before}")
            newest = made_by(self.registry.history(model), Alias.CHAMPION)
            if newest is None or not _promoted_by(newest, watch.run):  # somebody promoted it anew
                raise AliasConflictError(model, Alias.CHAMPION, watch.version, newest.version if newest else None)
            rollback(
                self.config,
                model,
                who=self.who,
                reason=reason,
                evidence=evidence,
                expected=watch.version,
                expected_move=newest.number,
                registry=self.registry,
                repo=self.repo,
            )
        return {"baselines": self._baselines(self.registry.manifest(model, watch.before))}

    def _newest(self, run: Run) -> AliasMove:
        """Return the champion's newest move; ``AliasConflictError`` where the run's own promotion was undone since."""
        moves = [one for one in self.registry.history(self.asked.model) if one.alias == Alias.CHAMPION]
        if not moves or (any(_promoted_by(one, run.id) for one in moves) and not _promoted_by(moves[-1], run.id)):
            found = moves[-1].version if moves else None
            raise AliasConflictError(self.asked.model, Alias.CHAMPION, run.champion, found)
        return moves[-1]

    def _baselines(self, champion: ModelManifest) -> list[str]:
        """Make the champion's baselines, and say where they cannot be made: the champion has moved all the same.

        An error that passes is let out: the next step finds the move, and makes them.
        """
        from ray_pipeline.runtime.drift.baselines import follow_champion

        watched = self.config.serve.model
        if watched is not None and watched != champion.name:
            self.say(f"the drift baselines stay what they are: they follow {watched}, which is served")
            return []
        try:
            followed = follow_champion(self.config, who=self.who, clock=self.clock, manifest=champion)
        except RayPipelineError as error:
            if error.retryable:
                raise
            self.say(f"the drift baselines stay what they are: {error}")
            return []
        return [f"{one.subject}/{one.number}" for one in followed]

    @cached_property
    def repo(self) -> FeatureRepo:
        """The feature repository; it takes a second to read."""
        from ray_pipeline.connectors.feast.repo import load_repo

        return self.given_repo or load_repo(self.config)

    @cached_property
    def _observer(self) -> Observer:
        return Observer(self.config, self.asked, self.registry, lambda: self.repo, self.now_us)

    @cached_property
    def _scorer(self) -> Scorer:
        return Scorer(self.config, self.registry, self.repo, self.ray_address, self.say)


def _promoted_by(move: AliasMove, run: str) -> bool:
    return move.kind == MoveKind.PROMOTE and (move.evidence or {}).get("run") == run
