"""Hold a lease as long as the work takes, however long that is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ray_pipeline.errors import RayPipelineError
from ray_pipeline.gate.lease import DURATION, Lease, Leases

EVERY = DURATION.total_seconds() / 4
"""Seconds between two renewals: three of them may fail before the lease ends."""


@contextmanager
def held(leases: Leases, n: int, holder: str, run_id: str, say: Callable[[str], None]) -> Iterator[Lease]:
    """Hold the right to make decision ``n``; raise ``GateBusyError`` where another gate has it.

    A courtesy among gates: the ledger itself lets only one decision ``n`` through, so a lease that cannot be renewed
    or given back is said and no more.
    """
    lease = leases.take(n, holder, run_id)
    ended = threading.Event()

    def renew() -> None:
        current = lease
        while not ended.wait(EVERY):
            try:
                current = leases.renew(current)
            except RayPipelineError as error:
                say(f"the lease of decision {n} could not be renewed: {error}")
                return

    keeper = threading.Thread(target=renew, name="lease", daemon=True)
    keeper.start()
    try:
        yield lease
    finally:
        ended.set()
        keeper.join()
        try:
            leases.release(lease)
        except RayPipelineError as error:
            say(f"the lease of decision {n} was not given back ({error}); it ends by itself")
