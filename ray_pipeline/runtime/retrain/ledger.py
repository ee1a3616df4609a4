"""The loop's ledger in the object store: numbered, sealed entries, each created only where there is none.

That one conditional write decides. Who creates entry ``n`` has read and folded everything before it; who read less
collides, reads on, and decides again.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Any

from ray_pipeline.clock import Clock, WallClock, backoff
from ray_pipeline.errors import CommitUnknownError, FileCorruptError, StoreUnavailableError
from ray_pipeline.features.training_spec import moment_text
from ray_pipeline.lake.entries import timestamp_text
from ray_pipeline.lake.numbered import read_next
from ray_pipeline.lake.seal import seal, unseal
from ray_pipeline.retrain.decide import Decision
from ray_pipeline.retrain.records import Kind, LoopEntry
from ray_pipeline.retrain.state import LoopState, fold
from ray_pipeline.runtime.retrain.keys import entry_key, loop_folder

if TYPE_CHECKING:
    from ray_pipeline.lake.ports import ObjectStore

ATTEMPTS = 8
"""How often a write is tried before its outcome is called unknown."""


class LoopLedger:
    """One reader and writer of a model's ledger. What was read once is kept: entries never change."""

    def __init__(
        self,
        store: ObjectStore,
        pipeline: str,
        model: str,
        *,
        clock: Clock | None = None,
        rng: Random | None = None,
    ) -> None:
        self.store, self.pipeline, self.model = store, pipeline, model
        self._clock: Clock = clock or WallClock()
        self._rng = rng or SystemRandom()
        self._entries: list[LoopEntry] = []
        self._state = LoopState()

    def __str__(self) -> str:
        return loop_folder(self.pipeline, self.model)

    def state(self) -> LoopState:
        """Read on to the end, and return what all entries add up to.

        ``FileCorruptError`` where one is no entry that can follow, or is gone while later ones are there.
        """
        while (data := read_next(self.store, str(self), self._state.number + 1)) is not None:
            self._take(data)
        return self._state

    def entries(self) -> tuple[LoopEntry, ...]:
        """Return every entry, oldest first."""
        self.state()
        return tuple(self._entries)

    @property
    def known(self) -> tuple[LoopEntry, ...]:
        """The entries that were read so far, without a look at the store."""
        return tuple(self._entries)

    def entry(self, kind: Kind, decision: Decision, *, who: str, policy: str, **changes: Any) -> LoopEntry:
        """Return the entry that would come next and says what was decided; ``changes`` replace what it says."""
        evidence: Mapping[str, Any] = decision.evidence
        values: dict[str, Any] = {
            "run": decision.run,
            "signal": decision.signal,
            "champion": decision.champion,
            "challenger": decision.challenger,
            "code": decision.code,
            "reason": decision.reason,
            "evidence": dict(evidence),
        }
        return LoopEntry(
            number=self._state.number + 1,
            kind=str(kind),
            at=moment_text(decision.at_us),
            written_at=timestamp_text(self._clock.now()),
            who=who,
            model=self.model,
            policy=policy,
            nonce=f"{self._rng.getrandbits(64):016x}",
            **(values | changes),
        )

    def append(self, entry: LoopEntry) -> bool:
        """Write an entry; False: somebody else's came between, so it is to be decided again.

        An entry that cannot follow raises ``ValueError`` and is not written; ``CommitUnknownError`` says that the store
        would not tell: read again.
        """
        after = fold(self._state, entry)
        data = seal(entry.to_json())
        there = self._create(self._key(entry.number), data)
        if there is None:
            raise CommitUnknownError(str(self), entry.number)
        if there != data:  # the nonce is in it, so equal bytes are ours
            return False
        self._entries.append(entry)
        self._state = after
        return True

    def _take(self, data: bytes) -> None:
        key = self._key(self._state.number + 1)
        try:
            entry = LoopEntry.from_json(unseal(data))
            self._state = fold(self._state, entry)
        except (ValueError, TypeError) as error:
            raise FileCorruptError(key, str(error)) from None
        self._entries.append(entry)

    def _create(self, key: str, data: bytes) -> bytes | None:
        """Create an object where none is, and return what is there then; None where the store would not tell."""
        for attempt in range(ATTEMPTS):
            try:
                if self.store.put_if_absent(key, data):
                    return data
                there = self.store.get(key)
            except StoreUnavailableError:
                there = None
            if there is not None:
                return there
            self._clock.sleep(backoff(attempt, self._rng))
        return None

    def _key(self, number: int) -> str:
        return entry_key(self.pipeline, self.model, number)
