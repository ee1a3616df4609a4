"""I1, I2, I3, I6: what the entries of one log must say of one another. And I10: that their copies say the same.

Written apart from ``fold``, which is what the writers themselves trust; ``fold`` is asked as well, and has to agree.
"""

from __future__ import annotations

from ray_pipeline.errors import LogBrokenError
from ray_pipeline.lake.entries import Claim, Data, Gap, LogEntry, Open, Pause, Release, Tail
from ray_pipeline.lake.fold import fold
from ray_pipeline.lake.keys import LogId
from ray_pipeline.lake.verify_ledger import Ledger


class ChainCheck:
    """Follows one log, entry by entry, past breaches: it takes up again behind each."""

    def __init__(self, log: LogId, ledger: Ledger) -> None:
        self._log, self._ledger = log, ledger
        self._end: int | None = None
        self._reached = 0
        self._epoch = 0
        self._supervisor = 0
        self._first = True
        self._projected = 0
        self._sound = True
        self._found = False
        self.tail: Tail | None = None
        """The fold so far; None before the first entry and after the first that cannot be folded."""

    def entry(self, key: str, entry: LogEntry) -> None:
        """Check the next entry."""
        self._found = False
        if isinstance(entry, Open):
            self._open(key, entry)
        elif self._first:
            self._broken("I1", key, None, f"the log begins with a {entry.type} entry, not with open")
        match entry:
            case Claim():
                self._claim(key, entry)
            case Data():
                self._range(key, entry.start, entry.end)
                self._counts(key, entry)
                self._owner(key, entry.epoch, entry.start)
                self._progress(key, entry)
            case Gap():
                self._range(key, entry.start, entry.end)
            case Pause() | Release():
                self._owner(key, entry.epoch, None)
            case _:
                pass
        self._first = False
        self._fold(key, entry)

    def interrupted(self) -> None:
        """An entry before the next one is missing or cannot be read: nothing can be folded any more."""
        self._sound, self.tail = False, None

    def _fold(self, key: str, entry: LogEntry) -> None:
        if not self._sound:
            return
        try:
            self.tail = fold(self.tail, entry, str(self._log))
        except LogBrokenError as error:
            self.interrupted()
            if not self._found:  # what remains is who may write what when
                self._broken("I6", key, _start_of(entry), error.reason)

    def _open(self, key: str, entry: Open) -> None:
        if not self._first:
            self._broken("I1", key, None, "a second open entry")
            return
        told = LogId(entry.pipeline, entry.topic, entry.cluster, entry.topic_id, entry.partition)
        if told != self._log:
            self._broken("I1", key, None, f"is the beginning of another log, {told}")
        self._end = self._reached = self._projected = entry.start

    def _range(self, key: str, start: int, end: int) -> None:
        if self._end is not None and start < self._reached:
            self._broken("I2", key, start, f"covers offsets from {start}, but those before {self._reached} are taken")
        if self._end is not None and start != self._end:
            self._broken("I1", key, min(start, self._end), f"begins at {start}, but the log ends at {self._end}")
        if end <= start:
            self._broken("I1", key, start, f"covers the empty range {start} to {end}")
        self._end = end
        self._reached = max(self._reached, end)

    def _counts(self, key: str, data: Data) -> None:
        parts = {"good": data.good, "bad": data.bad, "tombstones": data.tombstones, "skipped": data.skipped}
        for name, count in parts.items():
            if count < 0:
                self._broken("I3", key, data.start, f"{name} is {count}")
        told, total = data.end - data.start, sum(parts.values())
        if total != told:
            self._broken("I3", key, data.start, f"{told} offsets in the range, {total} accounted for")
        for name, count, rows in (
            ("good", data.good, sum(file.rows for file in data.files)),
            ("bad", data.bad, sum(file.rows for file in data.bad_files)),
            ("bad", data.bad, sum(data.by_rule.values())),
        ):
            if rows != count:
                self._broken("I3", key, data.start, f"{count} {name} records, but {rows} by their files or rules")

    def _claim(self, key: str, claim: Claim) -> None:
        if claim.epoch != self._epoch + 1:
            self._broken("I6", key, self._end, f"claims epoch {claim.epoch} after epoch {self._epoch}")
        if claim.supervisor < self._supervisor:
            told = f"claims for supervisor {claim.supervisor} after one for {self._supervisor}"
            self._broken("I6", key, self._end, told)
        self._epoch = max(self._epoch, claim.epoch)
        self._supervisor = max(self._supervisor, claim.supervisor)

    def _owner(self, key: str, epoch: int, offset: int | None) -> None:
        if epoch != self._epoch:
            self._broken("I6", key, offset, f"was written in epoch {epoch} under a claim of epoch {self._epoch}")

    def _progress(self, key: str, data: Data) -> None:
        if not self._projected <= data.dlq_through <= data.start:
            told = f"dead letters through {data.dlq_through}, outside {self._projected} to {data.start}"
            self._broken("I8", key, data.start, told)
        self._projected = max(self._projected, data.dlq_through)

    def _broken(self, invariant: str, key: str, offset: int | None, message: str) -> None:
        self._found = True
        self._ledger.broken(invariant, self._log, key, offset, message)


def _start_of(entry: LogEntry) -> int | None:
    return entry.start if isinstance(entry, Data | Gap | Open) else None
