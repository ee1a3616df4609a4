"""The register of a pipeline's supervisors: each takes the next number, and the highest one is in charge."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from random import Random

from ray_pipeline.clock import Clock, backoff
from ray_pipeline.errors import CommitUnknownError, StoreUnavailableError
from ray_pipeline.lake.entries import timestamp_text
from ray_pipeline.lake.keys import supervisor_key, supervisors_prefix
from ray_pipeline.lake.ports import ObjectStore

ATTEMPTS = 32


@dataclass(frozen=True, slots=True)
class Supervisor:
    """One supervisor as it registered."""

    number: int
    owner: str
    """For people: host, process, actor."""
    nonce: str
    started_at: str


def register(store: ObjectStore, pipeline: str, owner: str, *, clock: Clock, rng: Random) -> Supervisor:
    """Take the next number; every supervisor with a lower one is to exit."""
    newest = latest(store, pipeline)
    number = 1 if newest is None else newest.number + 1
    nonce = f"{rng.getrandbits(64):016x}"
    for attempt in range(ATTEMPTS):
        supervisor = Supervisor(number, owner, nonce, timestamp_text(clock.now()))
        key, data = supervisor_key(pipeline, number), _encode(supervisor)
        try:
            if store.put_if_absent(key, data):
                return supervisor
            there = store.get(key)
        except StoreUnavailableError:
            there = None
        if there is not None:
            found = _decode(there)
            if found.nonce == nonce:  # an earlier try made it, and its reply was lost
                return found
            number += 1
            continue
        clock.sleep(backoff(attempt, rng))
    raise CommitUnknownError(supervisors_prefix(pipeline), number)


def latest(store: ObjectStore, pipeline: str) -> Supervisor | None:
    """Return the supervisor in charge; None where none ever registered."""
    newest = None
    for key in store.list(supervisors_prefix(pipeline)):
        newest = key
    data = None if newest is None else store.get(newest)
    return None if data is None else _decode(data)


def _encode(supervisor: Supervisor) -> bytes:
    return json.dumps(asdict(supervisor), separators=(",", ":")).encode()


def _decode(data: bytes) -> Supervisor:
    return Supervisor(**json.loads(data))
