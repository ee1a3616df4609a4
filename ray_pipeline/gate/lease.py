"""Who works on a decision, so that two gates do not do the same work. A courtesy: the ledger's write is the guarantee.

The ``k``-th lease for decision ``n`` is created with put-if-absent, and only its holder writes it again. One that ran
out or was given back makes room for lease ``k + 1``.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random

from ray_pipeline.clock import Clock, backoff
from ray_pipeline.errors import CommitUnknownError, GateBusyError, StoreUnavailableError
from ray_pipeline.lake.entries import timestamp_text
from ray_pipeline.lake.ports import ObjectStore

from .keys import gate_prefix, lease_key

DURATION = timedelta(minutes=5)
ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Lease:
    """One gate's hold on decision ``n`` of a dataset."""

    pipeline: str
    dataset: str
    n: int
    k: int
    holder: str
    """For people: run, host, process."""
    run_id: str
    """A gate that is started again with the run id of one that died need not wait for its lease."""
    nonce: str
    until: str
    released: bool = False

    @property
    def key(self) -> str:
        """Where it lies."""
        return lease_key(self.pipeline, self.dataset, self.n, self.k)


class Leases:
    """Takes, renews and gives back the leases of one dataset's gate."""

    def __init__(
        self,
        store: ObjectStore,
        pipeline: str,
        dataset: str,
        *,
        clock: Clock,
        rng: Random,
        duration: timedelta = DURATION,
    ) -> None:
        self._store, self._pipeline, self._dataset = store, pipeline, dataset
        self._clock, self._rng, self._duration = clock, rng, duration

    def take(self, n: int, holder: str, run_id: str) -> Lease:
        """Return the lease for decision ``n``; raise ``GateBusyError``, which names who has it and until when."""
        nonce = f"{self._rng.getrandbits(64):016x}"
        k, newest = self._newest(n)
        for attempt in range(ATTEMPTS):
            if newest is not None and newest.nonce == nonce:
                return newest  # an earlier try made it, and its reply was lost
            if newest is not None and newest.run_id != run_id and not self._is_free(newest):
                raise GateBusyError(gate_prefix(self._pipeline, self._dataset), newest.holder, newest.until)
            lease = Lease(self._pipeline, self._dataset, n, k, holder, run_id, nonce, self._end())
            try:
                if self._store.put_if_absent(lease.key, _encode(lease)):
                    return lease
            except StoreUnavailableError:
                self._clock.sleep(backoff(attempt, self._rng))
            k, newest = self._newest(n)
        raise CommitUnknownError(gate_prefix(self._pipeline, self._dataset), n)

    def renew(self, lease: Lease) -> Lease:
        """Return the lease with a later end; raise ``GateBusyError`` where somebody took over after it had run out."""
        _, newest = self._newest(lease.n)
        if newest is None or newest.nonce != lease.nonce or newest.released:
            holder, until = (newest.holder, newest.until) if newest is not None else ("nobody", lease.until)
            raise GateBusyError(gate_prefix(self._pipeline, self._dataset), holder, until)
        renewed = replace(lease, until=self._end())
        self._store.put(lease.key, _encode(renewed))
        return renewed

    def release(self, lease: Lease) -> None:
        """Give it back. One that somebody else took over meanwhile is left alone."""
        _, newest = self._newest(lease.n)
        if newest is not None and newest.nonce == lease.nonce:
            self._store.put(lease.key, _encode(replace(lease, released=True)))

    def holder(self, n: int) -> Lease | None:
        """Return who works on decision ``n`` now; None where nobody does."""
        _, newest = self._newest(n)
        return None if newest is None or self._is_free(newest) else newest

    def _newest(self, n: int) -> tuple[int, Lease | None]:
        """Return the number of the next lease for ``n``, and the one before it."""
        k, newest = 0, None
        while (data := self._store.get(lease_key(self._pipeline, self._dataset, n, k))) is not None:
            newest = self._decode(data, n, k)
            k += 1
        return k, newest

    def _decode(self, data: bytes, n: int, k: int) -> Lease:
        try:
            lease = Lease(**json.loads(data))
            datetime.fromisoformat(lease.until) - self._clock.now()
        except (ValueError, TypeError, AttributeError):  # damaged: a courtesy that nobody can read binds nobody
            return Lease(self._pipeline, self._dataset, n, k, "unknown", "", "", "", released=True)
        return lease

    def _is_free(self, lease: Lease) -> bool:
        return lease.released or datetime.fromisoformat(lease.until) <= self._clock.now()

    def _end(self) -> str:
        return timestamp_text(self._clock.now().astimezone(UTC) + self._duration)


def _encode(lease: Lease) -> bytes:
    return json.dumps(asdict(lease), separators=(",", ":")).encode()
