"""Decide, do it, write it down, and again, until there is nothing more to do now.

What is done is done first and written down then, and each doing finds what it did before: whoever is killed in between
loses nothing, and the next step goes on from the ledger's last entry. Who does the work is a parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ray_pipeline.config.retrain import RetrainConfig
from ray_pipeline.errors import (
    AliasConflictError,
    FeatureError,
    ModelError,
    ProblemsError,
    RayPipelineError,
    RetrainError,
    UsageError,
)
from ray_pipeline.features.training_spec import moment_text
from ray_pipeline.retrain.decide import Action, Decision, decide
from ray_pipeline.retrain.observed import Observed
from ray_pipeline.retrain.records import DAY, Kind, LoopEntry, policy_digest
from ray_pipeline.retrain.state import LoopState, Run, Watch
from ray_pipeline.runtime.retrain.ledger import LoopLedger

MOST = 60
"""Entries of one step: more would be a loop that goes nowhere."""
_WRITTEN = {
    Action.ARM: Kind.ARMED,
    Action.DISARM: Kind.DISARMED,
    Action.HOLD: Kind.WAITING,
    Action.TRIGGER: Kind.TRIGGERED,
    Action.REFUSE: Kind.REFUSED,
    Action.FAIL: Kind.FAILED,
    Action.KEEP: Kind.KEPT,
}
"""What is done by being written down."""
_HOPELESS = (ModelError, FeatureError, ProblemsError, UsageError)
"""What trying again does not mend. A store that does not answer is none of these: the next step tries again."""


class Hands(Protocol):
    """Who does the work. Each may be called again for what it did already, and then finds it."""

    def observe(self, state: LoopState) -> Observed:
        """Look at the world."""
        ...

    def train(self, run: Run) -> tuple[int, str, Mapping[str, Any]]:
        """Train the run's challenger; return its version, a sentence and the evidence."""
        ...

    def judge(self, run: Run) -> Mapping[str, Any]:
        """Judge it against the champion; the evidence has a ``judgement``."""
        ...

    def promote(self, run: Run, reason: str, evidence: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make it champion, from the run's champion alone (``AliasConflictError``), and return more evidence."""
        ...

    def look(self, watch: Watch, at_us: int) -> Mapping[str, Any]:
        """Compare the version before with the promoted one; the evidence has a ``judgement``."""
        ...

    def roll_back(self, watch: Watch, reason: str, evidence: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make the version before champion again, and return more evidence."""
        ...


@dataclass(eq=False)
class Loop:
    """One step's way through the ledger."""

    policy: RetrainConfig
    ledger: LoopLedger
    hands: Hands
    now_us: int
    who: str
    say: Callable[[str], None] = lambda _sentence: None
    check: Callable[[], None] = lambda: None
    """Raises where the lease is not ours any more."""
    written: list[LoopEntry] = field(default_factory=list)
    _state: LoopState = field(default_factory=LoopState)
    """What the decision was made from. Nothing is read on before it is written down: who reads on decides again."""

    @property
    def model(self) -> str:
        """Whose loop it is."""
        return self.ledger.model

    def decided(self) -> Decision:
        """Return what is to be done next."""
        self._state = self.ledger.state()
        return decide(self.hands.observe(self._state), self.policy, self.now_us)

    def go_on(self) -> Decision:
        """Do one thing after the other; return the decision to wait."""
        decision = self.decided()
        while decision.action is not Action.WAIT:
            if len(self.written) >= MOST:
                raise RetrainError(self.model, f"still not done after {MOST} entries; look at `retrain log`")
            self.do(decision)
            decision = self.decided()
        return decision

    def do(self, decision: Decision) -> None:
        """Do what was decided, and write it down."""
        if decision.action in _WRITTEN:
            self._write(_WRITTEN[decision.action], decision)
            return
        doing = {
            Action.TRAIN: self._train,
            Action.JUDGE: self._judge,
            Action.PROMOTE: self._promote,
            Action.LOOK: self._look,
            Action.ROLL_BACK: self._roll_back,
        }
        doing[decision.action](decision)

    def _write(self, kind: Kind, decision: Decision, **changes: Any) -> bool:
        """Append an entry; False where somebody else's came between: then it is decided again."""
        self.check()
        entry = self.ledger.entry(kind, decision, who=self.who, policy=policy_digest(self.policy), **changes)
        if not self.ledger.append(entry):
            return False
        self.written.append(entry)
        self.say(f"{entry.kind}: {entry.reason}")
        return True

    def _train(self, decision: Decision) -> None:
        run = self._run()
        told = f"training {self.model} for run {run.id}, as of {moment_text(run.at_us)}"
        if not self._write(Kind.TRAINING, decision, reason=told, evidence={"attempt": run.attempts + 1}):
            return
        try:
            version, said, evidence = self.hands.train(run)
        except RayPipelineError as error:
            self._failed(decision, "training", error)
            return
        self._write(Kind.TRAINED, decision, challenger=version, reason=said, evidence=dict(evidence))

    def _judge(self, decision: Decision) -> None:
        run = self._run()
        try:
            evidence = dict(self.hands.judge(run))
        except RayPipelineError as error:
            self._failed(decision, "judging", error)
            return
        self._write(Kind.JUDGED, decision, reason=str(evidence["judgement"]["reason"]), evidence=evidence)

    def _promote(self, decision: Decision) -> None:
        run = self._run()
        judged = next(one for one in reversed(self.ledger.known) if one.kind == Kind.JUDGED)
        evidence = {"run": run.id, "entry": judged.number, **judged.evidence}
        self.check()  # who slept through the end of its lease does not move what others have decided on since
        try:
            more = self.hands.promote(run, f"run {run.id}: {decision.reason}", evidence)
        except AliasConflictError as error:
            self._write(Kind.REFUSED, decision, code="champion moved", reason=str(error))
            return
        except RayPipelineError as error:
            self._failed(decision, "promotion", error)
            return
        until = moment_text(decision.at_us + round(self.policy.watch_days * DAY))
        self._write(Kind.PROMOTED, decision, evidence={**evidence, **more, "watch_until": until})

    def _look(self, decision: Decision) -> None:
        watch = self._watch()
        try:
            evidence = dict(self.hands.look(watch, decision.at_us))
        except RayPipelineError as error:
            self._out_of_hope(error)
            said = f"{self.model}/{watch.version} cannot be compared with the version before: {error}"
            self._write(Kind.KEPT, decision, code="not comparable", reason=said)
            return
        self._write(Kind.WATCHED, decision, reason=str(evidence["judgement"]["reason"]), evidence=evidence)

    def _roll_back(self, decision: Decision) -> None:
        watch = self._watch()
        self.check()
        try:
            more = self.hands.roll_back(watch, decision.reason, {"run": watch.run, **decision.evidence})
        except AliasConflictError as error:
            self._write(Kind.KEPT, decision, code="champion moved", reason=str(error), challenger=watch.version)
            return
        except RayPipelineError as error:
            self._out_of_hope(error)
            said = f"{self.model}/{watch.version} lost and stays: {error}"
            self._write(Kind.KEPT, decision, code="cannot roll back", reason=said, challenger=watch.version)
            return
        evidence = {**decision.evidence, **more}
        self._write(Kind.ROLLED_BACK, decision, evidence=evidence, champion=watch.version)

    def _failed(self, decision: Decision, what: str, error: RayPipelineError) -> None:
        self._out_of_hope(error)
        evidence = {"error": type(error).__name__}
        self._write(Kind.FAILED, decision, code=what, reason=f"{what}: {error}", evidence=evidence)

    def _out_of_hope(self, error: RayPipelineError) -> None:
        """Let an error out that may pass: the next step tries again."""
        if not isinstance(error, _HOPELESS) or error.retryable:
            raise error

    def _run(self) -> Run:
        run = self._state.run
        assert run is not None
        return run

    def _watch(self) -> Watch:
        watch = self._state.watch
        assert watch is not None
        return watch
