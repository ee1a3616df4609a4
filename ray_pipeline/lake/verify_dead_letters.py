"""I8: the dead-letter topic against the bad files. What is in the topic comes from a caller who can read Kafka."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ray_pipeline.lake.keys import LogId, log_prefix
from ray_pipeline.lake.verify_ledger import Ledger
from ray_pipeline.types import Offset, SourceId

Offsets = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(slots=True)
class DeadLetterTopic:
    """The dead letters of one source topic, read committed, as the source offsets that they tell of."""

    name: str
    ids: dict[int, array[int]] = field(default_factory=dict)
    """Source partition → source offsets, one per letter; eight bytes each."""
    through: dict[int, Offset] = field(default_factory=dict)
    """Source partition → the transactional progress, read *before* the letters; none where a broker keeps none."""
    expired: bool = False
    """The topic's own retention took its oldest records."""
    exactly_once: bool = True
    """False where the projection is at least once, and the broker may forget: a repeated letter is no breach then."""
    source: SourceId | None = None
    """Which incarnation of the source topic ``through`` is about; None: there was only one."""


DeadLetterReader = Callable[[str], DeadLetterTopic | None]
"""Source topic → its dead letters; None where they cannot be read, for instance since it is not configured."""


@dataclass(frozen=True, slots=True)
class _Log:
    id: LogId
    bad: Offsets
    end: Offset
    dlq_through: Offset


class DeadLetterCheck:
    """Takes the bad records of one topic's logs, then compares them with the topic.

    All incarnations of a source topic share one dead-letter topic, where an offset may so stand more than once.
    """

    def __init__(self) -> None:
        self._logs: dict[int, list[_Log]] = {}

    def add(self, log: LogId, bad: Offsets, *, end: Offset, dlq_through: Offset) -> None:
        """Take one log: the offsets of its bad records, where it ends, and the progress that it knows of."""
        self._logs.setdefault(log.partition, []).append(_Log(log, bad, end, dlq_through))

    def compare(self, topic: DeadLetterTopic, ledger: Ledger) -> None:
        """Write down what is missing, surplus or doubled."""
        for partition, logs in self._logs.items():
            _compare(partition, logs, topic, ledger)


def _compare(partition: int, logs: list[_Log], topic: DeadLetterTopic, ledger: Ledger) -> None:
    last = next((log for log in logs if log.id.source == topic.source), logs[-1])
    key = f"{topic.name} ({log_prefix(last.id)})"
    sent = np.frombuffer(topic.ids.get(partition, array("q")), np.int64)
    sent = sent[sent < max(log.end for log in logs)]  # what is past that was committed after the log was read
    allowed = np.concatenate([log.bad for log in logs])
    required = np.concatenate([log.bad[log.bad < _through(log, topic)] for log in logs])
    offsets = np.unique(np.concatenate([sent, allowed]))
    times_sent, times_allowed, times_required = (_count(offsets, found) for found in (sent, allowed, required))

    if not topic.exactly_once:
        times_sent = np.minimum(times_sent, times_allowed + (times_allowed == 0))
    ghosts = offsets[(times_sent > 0) & (times_allowed == 0)]
    doubled = offsets[(times_sent > times_allowed) & (times_allowed > 0)]
    missing = offsets[times_sent < times_required]
    if topic.expired:  # what is older than the oldest that is left may have been there
        missing = missing[missing > (sent.min() if len(sent) else np.iinfo(np.int64).max)]
    for found, message in (
        (ghosts, "a dead letter of a record that is in no bad file"),
        (doubled, "its dead letter is in the topic twice"),
        (missing, "a bad record, below the progress of the projection, whose dead letter is not in the topic"),
    ):
        if len(found):
            ledger.broken("I8", last.id, key, int(found[0]), message)


def _through(log: _Log, topic: DeadLetterTopic) -> Offset:
    """Return up to where the letters of this log have to be in the topic."""
    if topic.source is None or log.id.source == topic.source:
        return topic.through.get(log.id.partition, log.dlq_through)
    return log.dlq_through if topic.exactly_once else 0


def _count(offsets: Offsets, found: Offsets) -> Offsets:
    """Return how often each of ``offsets`` (unique, ascending) is in ``found``."""
    ordered = np.sort(found)
    return np.searchsorted(ordered, offsets, "right") - np.searchsorted(ordered, offsets, "left")
