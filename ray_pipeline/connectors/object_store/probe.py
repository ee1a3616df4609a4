"""Ask a store whether put-if-absent holds. Exactly once rests on it, so nobody's word is taken for it."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier

from ray_pipeline.errors import StoreDeniedError, StoreUnavailableError, StoreUnsafeError
from ray_pipeline.lake.ports import ObjectStore

RACERS = 32


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What the probe saw; ``evidence`` is empty where the store is ``safe``."""

    store: str
    safe: bool
    evidence: str
    writers: int
    cleaned: bool
    """False: the store let nobody delete, so two small objects stay. That is a sound policy for an ingest role."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    data: bytes
    won: bool | None  # None: the store did not say
    seen: bytes | None


def probe(store: ObjectStore) -> ProbeReport:
    """Write twice in sequence, then from 32 threads at once; each time one writer must win and all others see it.

    An error of the store (absent bucket, refused credential) is raised as it is: it is no verdict.
    """
    run = secrets.token_hex(8)
    keys = (f"_probe-{run}-sequence", f"_probe-{run}-race")
    evidence = _sequence(store, keys[0]) or _race(store, keys[1])
    return ProbeReport(store.url, not evidence, evidence, 2 + RACERS, cleaned=_clean(store, keys))


def require_put_if_absent(store: ObjectStore) -> ProbeReport:
    """Probe, and raise ``StoreUnsafeError`` where the store does not hold."""
    report = probe(store)
    if not report.safe:
        raise StoreUnsafeError(report.store, report.evidence)
    return report


def _sequence(store: ObjectStore, key: str) -> str:
    store.put_if_absent(key, b"first")
    if store.put_if_absent(key, b"second"):
        return "a second write to one key was accepted"
    return "" if store.get(key) == b"first" else "the first of two writes to one key did not last"


def _race(store: ObjectStore, key: str) -> str:
    barrier = Barrier(RACERS)

    def run(number: int) -> _Attempt:
        barrier.wait()
        return _attempt(store, key, f"racer {number}".encode())

    with ThreadPoolExecutor(RACERS) as pool:
        attempts = list(pool.map(run, range(RACERS)))
    winners = [attempt.data for attempt in attempts if attempt.won]
    if len(winners) > 1:
        return f"{len(winners)} of {RACERS} concurrent writers of one key were all told that they created it"
    final = store.get(key)
    # No declared winner is sound where a reply was lost: then the object is that of a writer who was not told.
    if final is None or (winners and winners[0] != final) or final not in {attempt.data for attempt in attempts}:
        return "the winner of a race did not last"
    if any(attempt.seen != final for attempt in attempts if attempt.won is not None):
        return "the loser of a race did not see the winner's object"
    return ""


def _attempt(store: ObjectStore, key: str, data: bytes) -> _Attempt:
    try:
        won: bool | None = store.put_if_absent(key, data)
    except StoreUnavailableError:
        won = None
    return _Attempt(data, won, store.get(key))


def _clean(store: ObjectStore, keys: tuple[str, ...]) -> bool:
    try:
        for key in keys:
            store.delete(key)
    except (StoreDeniedError, StoreUnavailableError):
        return False
    return True
