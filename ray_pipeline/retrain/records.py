"""The loop's ledger: what was decided about a model, when, and on what evidence. Nothing here reads or writes.

::

     1  armed       labels: log loss 0.47, its own was 0.43      8  refused      what the judgement said
     2  waiting     why an armed signal does not train yet       9  failed       the training died, hung or could not be
     3  triggered   a run begins: its id is used once           10  watched      a look at a promotion afterwards
     4  training    one attempt of it                           11  kept         the watch is over
     5  trained     the challenger's version                    12  rolled_back  the version before is champion again
     6  judged      both on the same rows                       13  disarmed
     7  promoted    by this judgement
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

from ray_pipeline.config.retrain import RetrainConfig
from ray_pipeline.features.training_spec import moment_text, moment_us

DAY = 86_400_000_000


class Kind(StrEnum):
    """What an entry says."""

    ARMED = "armed"
    DISARMED = "disarmed"
    WAITING = "waiting"
    """A signal is armed and does not train, for a reason; written when the reason changes."""
    TRIGGERED = "triggered"
    TRAINING = "training"
    TRAINED = "trained"
    JUDGED = "judged"
    PROMOTED = "promoted"
    REFUSED = "refused"
    FAILED = "failed"
    WATCHED = "watched"
    KEPT = "kept"
    ROLLED_BACK = "rolled_back"


ENDS = (Kind.PROMOTED, Kind.REFUSED, Kind.FAILED)
"""A run ends as one of these."""


@dataclass(frozen=True, slots=True)
class LoopEntry:
    """One line of the ledger."""

    number: int
    """From 1, without holes."""
    kind: str
    at: str
    """Event time: the moment that was decided for. It never goes back."""
    written_at: str
    """By the clock of who wrote it."""
    who: str
    model: str
    reason: str
    """One sentence."""
    policy: str
    """Digest of the policy."""
    nonce: str
    """Tells a writer whose reply was lost its own entry from another one."""
    run: str | None = None
    """The trigger id of the run that it is about."""
    signal: str | None = None
    champion: int | None = None
    """As of the entry; of one that promotes or rolls back, the version before it."""
    challenger: int | None = None
    """The version that the entry is about."""
    code: str = ""
    """The reason in one word, for programs."""
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def at_us(self) -> int:
        """Event time in microseconds."""
        return moment_us(self.at)

    def to_json(self) -> dict[str, Any]:
        """Return the entry as :meth:`from_json` reads it."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Any) -> LoopEntry:
        """Read an entry; ``ValueError`` where it is none."""
        if not isinstance(found, dict) or found.keys() != {one.name for one in fields(cls)}:
            raise ValueError("is no entry of a loop's ledger")
        entry = cls(**found)
        texts = (entry.at, entry.written_at, entry.who, entry.model, entry.reason, entry.policy, entry.nonce)
        if (
            entry.kind not in tuple(Kind)
            or not all(isinstance(text, str) for text in texts)
            or not isinstance(entry.evidence, dict)
            or not _is_number(entry.number)
            or not all(one is None or _is_number(one) for one in (entry.champion, entry.challenger))
        ):
            raise ValueError("is no entry of a loop's ledger")
        moment_us(entry.at)
        return entry


def trigger_id(model: str, champion: int, signal: str, day: str) -> str:
    """Return the id of a run: the same signal of the same day, however often it comes, is the same run.

    >>> trigger_id("late_arrival", 3, "labels", "2013-06-01")
    '5f97a81060840758'
    """
    said = json.dumps([model, champion, signal, day], separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def policy_digest(policy: RetrainConfig) -> str:
    """Return the digest of a policy; where its spec lies is not a part of it."""
    said = policy.model_dump(mode="json", exclude={"spec"})
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def day_of(moment: int) -> str:
    """Return the day (UTC) of a moment in microseconds.

    >>> day_of(86_400_000_000)
    '1970-01-02'
    """
    return moment_text(moment)[:10]


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
