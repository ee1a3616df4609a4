"""Who works on a model's loop, so that two do not train the same challenger. The ledger's writes are the guarantee.

The ``k``-th lease is created with put-if-absent, and only its holder writes it again. One that ran out, was given back,
or whose process is gone from this machine makes room for lease ``k + 1``. A clock that was set back makes a lease
longer, never shorter: no end moves towards the past.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from random import Random, SystemRandom
from typing import TYPE_CHECKING

from ray_pipeline.clock import Clock, backoff
from ray_pipeline.errors import CommitUnknownError, RayPipelineError, RetrainError, StoreUnavailableError
from ray_pipeline.lake.entries import timestamp_text
from ray_pipeline.lake.seal import seal, unseal
from ray_pipeline.runtime.retrain.keys import lease_folder, lease_key, number_of

if TYPE_CHECKING:
    from ray_pipeline.lake.ports import ObjectStore

ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Lease:
    """One step's hold on the loop."""

    number: int
    holder: str
    host: str
    pid: int
    nonce: str
    taken: str
    until: str
    released: bool = False


def gone(lease: Lease) -> bool:
    """Say whether the holder was a process of this machine, and is no more."""
    if lease.host != socket.gethostname() or lease.pid <= 0:
        return False
    try:
        os.kill(lease.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # somebody else's process
    return False


class Leases:
    """Takes, renews and gives back the lease of one model's loop."""

    def __init__(
        self,
        store: ObjectStore,
        pipeline: str,
        model: str,
        *,
        clock: Clock,
        seconds: float,
        rng: Random | None = None,
        is_gone: Callable[[Lease], bool] = gone,
    ) -> None:
        self._store, self._pipeline, self._model = store, pipeline, model
        self._clock, self._seconds, self._is_gone = clock, seconds, is_gone
        self._rng = rng or SystemRandom()

    def take(self, holder: str) -> Lease:
        """Return the lease; raise ``RetrainError``, which names who has it and until when."""
        nonce = f"{self._rng.getrandbits(64):016x}"
        newest = self.newest()
        for attempt in range(ATTEMPTS):
            if newest is not None and newest.nonce == nonce:
                return newest  # an earlier try made it, and its reply was lost
            if newest is not None and not self._is_free(newest):
                raise RetrainError(self._model, f"{newest.holder} works on it, until {newest.until} at the latest")
            lease = self._next(newest, holder, nonce)
            try:
                if self._store.put_if_absent(self._key(lease.number), seal(asdict(lease))):
                    return lease
            except StoreUnavailableError:
                self._clock.sleep(backoff(attempt, self._rng))
            newest = self.newest()
        raise CommitUnknownError(lease_folder(self._pipeline, self._model), 0 if newest is None else newest.number)

    def renew(self, lease: Lease) -> Lease:
        """Return the lease with a later end; ``RetrainError`` where somebody took over after it had run out."""
        self.check(lease)
        until = max(lease.until, self._after(self._clock.now()))
        renewed = replace(lease, until=until)
        self._store.put(self._key(lease.number), seal(asdict(renewed)))
        return renewed

    def check(self, lease: Lease) -> None:
        """Raise ``RetrainError`` where the lease is somebody else's by now."""
        newest = self.newest()
        if newest is None or newest.nonce != lease.nonce or newest.released:
            by = "nobody" if newest is None or newest.released else newest.holder
            raise RetrainError(self._model, f"this step lost its lease, {by} has it; what was begun goes on there")

    def release(self, lease: Lease) -> None:
        """Give it back. One that somebody else took over meanwhile is left alone."""
        newest = self.newest()
        if newest is not None and newest.nonce == lease.nonce:
            self._store.put(self._key(lease.number), seal(asdict(replace(newest, released=True))))

    def holder(self) -> Lease | None:
        """Return who works on the loop now; None where nobody does."""
        newest = self.newest()
        return None if newest is None or self._is_free(newest) else newest

    def newest(self) -> Lease | None:
        """Return the newest lease, whoever has it; one that cannot be read binds nobody."""
        numbers = [number_of(key) for key in self._store.list(lease_folder(self._pipeline, self._model))]
        number = max((one for one in numbers if one is not None), default=0)
        data = self._store.get(self._key(number)) if number else None
        if data is None:
            return None
        try:
            lease = Lease(**unseal(data))
            datetime.fromisoformat(lease.until) - datetime.fromisoformat(lease.taken)
        except (ValueError, TypeError):
            now = timestamp_text(self._clock.now())
            return Lease(number, "unknown", "", 0, "", now, now, released=True)
        return lease

    def _next(self, before: Lease | None, holder: str, nonce: str) -> Lease:
        now = self._clock.now()
        if before is not None:
            now = max(now, datetime.fromisoformat(before.taken))
        number = 1 if before is None else before.number + 1
        taken, until = timestamp_text(now), self._after(now)
        return Lease(number, holder, socket.gethostname(), os.getpid(), nonce, taken, until)

    def _is_free(self, lease: Lease) -> bool:
        ended = datetime.fromisoformat(lease.until) <= self._clock.now()
        return lease.released or ended or self._is_gone(lease)

    def _after(self, now: datetime) -> str:
        return timestamp_text(now + timedelta(seconds=self._seconds))

    def _key(self, number: int) -> str:
        return lease_key(self._pipeline, self._model, number)


@contextmanager
def held(leases: Leases, holder: str, seconds: float, say: Callable[[str], None]) -> Iterator[Lease]:
    """Hold the lease as long as the work takes; raise ``RetrainError`` where somebody else has it."""
    lease = leases.take(holder)
    ended = threading.Event()

    def renew() -> None:
        current = lease
        while not ended.wait(seconds / 4):
            try:
                current = leases.renew(current)
            except RayPipelineError as error:
                say(f"the lease could not be renewed: {error}")
                if not error.retryable:
                    return  # somebody else has it

    keeper = threading.Thread(target=renew, name="retrain-lease", daemon=True)
    keeper.start()
    try:
        yield lease
    finally:
        ended.set()
        keeper.join()
        try:
            leases.release(lease)
        except RayPipelineError as error:
            say(f"the lease was not given back ({error}); it ends by itself")
