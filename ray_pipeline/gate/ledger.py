"""The ledger of one dataset's gate: numbered objects, each created only where there is none.

That one conditional write decides. Who creates entry ``n`` has read everything before it; who read less collides and
plans again. Beside the entries lie two projections: which entry decided a run, and a hint where the ledger ends.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random

from ray_pipeline.clock import Clock, WallClock, backoff
from ray_pipeline.errors import CommitUnknownError, LogBrokenError, StoreUnavailableError
from ray_pipeline.lake.entries import timestamp_text
from ray_pipeline.lake.ports import ObjectStore

from .entries import Decision, GateEntry, GateState, decode, encode
from .fold import fold
from .keys import checkpoint_key, entry_key, gate_prefix, run_key

ATTEMPTS = 8
"""How often a write is tried before its outcome is called unknown."""


class GateLedger:
    """One gate's view of a dataset's ledger, and its pen."""

    def __init__(
        self,
        store: ObjectStore,
        pipeline: str,
        dataset: str,
        *,
        clock: Clock | None = None,
        rng: Random | None = None,
    ) -> None:
        self.store, self.pipeline, self.dataset = store, pipeline, dataset
        self._clock: Clock = clock or WallClock()
        self._rng = rng or Random()
        self._state = GateState()

    def __str__(self) -> str:
        return gate_prefix(self.pipeline, self.dataset)

    def state(self) -> GateState:
        """Read on to the end of the ledger and return what all entries add up to."""
        if self._state.n < 0:
            self._state = self._near_the_end()
        while (found := self._read(self._state.n + 1)) is not None:
            self._state = found[1]
        return self._state

    def append(self, entry: GateEntry) -> bool:
        """Write the next entry; True: it is there, once, and decided. False: somebody else's entry came between.

        False as well for the decision of a run that was decided before. An entry that contradicts the state raises
        ``LogBrokenError`` and is not written; ``CommitUnknownError`` says that the store would not tell: read again.
        """
        state = self.state()
        if entry.n <= state.n:
            found = self._read(entry.n)
            return found is not None and found[0].nonce == entry.nonce  # a try before this one may have made it
        if isinstance(entry, Decision) and self._find_run(state, entry.run_id) is not None:
            return False
        after = fold(state, entry, str(self))
        self._project_runs(state)
        if not self._create(entry.n, encode(entry, after)):
            return False
        self._state = after
        self._hint(after)
        return True

    def entries(self, first: int = 0) -> Iterator[tuple[GateEntry, GateState]]:
        """Yield every entry from ``first`` on with the state after it, oldest first."""
        while (found := self._read(first)) is not None:
            yield found
            first += 1

    def decision(self, n: int) -> Decision:
        """Return the decision that is entry ``n``."""
        found = self._read(n)
        if found is None or not isinstance(found[0], Decision):
            raise LogBrokenError(str(self), n, "is no decision" if found else "is missing")
        return found[0]

    def find_run(self, run_id: str) -> Decision | None:
        """Return what was decided for a run id; None where nothing was."""
        return self._find_run(self.state(), run_id)

    def nonce(self) -> str:
        """Return a name that nobody else has."""
        return f"{self._rng.getrandbits(64):016x}"

    def written_at(self) -> str:
        """Return this moment as entries write it."""
        return timestamp_text(self._clock.now())

    def _find_run(self, state: GateState, run_id: str) -> Decision | None:
        n = dict(state.runs).get(run_id)
        if n is None:
            data = self.store.get(run_key(self.pipeline, self.dataset, run_id))
            if data is None:
                return None
            n = _number(data)
            if n is None:
                raise LogBrokenError(str(self), -1, f"what says where run {run_id!r} was decided cannot be read")
        decision = self.decision(n)
        if decision.run_id != run_id:
            raise LogBrokenError(str(self), n, f"is not the decision of run {run_id!r}, as its index says")
        return decision

    def _near_the_end(self) -> GateState:
        """Return the state after an entry not far from the last one, at the cost of a few reads."""
        data = self.store.get(checkpoint_key(self.pipeline, self.dataset))
        hint = None if data is None else _number(data)
        found = None if hint is None else self._read(hint)
        if found is not None:
            return found[1]
        newest, step = GateState(), 1  # the hint is lost: entries have no hole, so doubling steps find the end
        while step:
            found = self._read(newest.n + step)
            newest = found[1] if found is not None else newest
            step = step * 2 if found is not None else step // 2
        return newest

    def _read(self, n: int) -> tuple[GateEntry, GateState] | None:
        data = self.store.get(entry_key(self.pipeline, self.dataset, n))
        if data is None:
            return None
        try:
            entry, state = decode(data)
        except (ValueError, KeyError, TypeError) as error:
            raise LogBrokenError(str(self), n, f"cannot be read ({error})") from error
        if entry.n != n or state.n != n:
            raise LogBrokenError(str(self), n, f"says that it is entry {entry.n}")
        return entry, state

    def _create(self, n: int, data: bytes) -> bool:
        """Create entry ``n``; False where another one is there.

        The bytes hold a nonce, so finding exactly ours means that an earlier try of this very call made it, and only
        its reply was lost. A time-out says nothing, and neither does reading nothing after one.
        """
        key = entry_key(self.pipeline, self.dataset, n)
        for attempt in range(ATTEMPTS):
            try:
                if self.store.put_if_absent(key, data):
                    return True
                there = self.store.get(key)
            except StoreUnavailableError:
                there = None
            if there is not None:
                return there == data
            self._clock.sleep(backoff(attempt, self._rng))
        raise CommitUnknownError(str(self), n)

    def _project_runs(self, state: GateState) -> None:
        """Make sure that the last decision's run can be found, before an entry after it lets it fade.

        Every writer does, so that of all decisions but the newest few the index is complete.
        """
        for run_id, n in state.runs[-1:]:
            self.store.put_if_absent(run_key(self.pipeline, self.dataset, run_id), _pointer(n))

    def _hint(self, state: GateState) -> None:
        """Write the projections. They can be made again: a store that cannot now is no error."""
        try:
            self._project_runs(state)
            self.store.put(checkpoint_key(self.pipeline, self.dataset), _pointer(state.n))
        except StoreUnavailableError:
            pass


def _pointer(n: int) -> bytes:
    return json.dumps({"n": n}).encode()


def _number(data: bytes) -> int | None:
    try:
        n = json.loads(data)["n"]
    except (ValueError, KeyError, TypeError):
        return None  # a damaged hint costs time, not truth
    return n if isinstance(n, int) and n >= 0 else None
