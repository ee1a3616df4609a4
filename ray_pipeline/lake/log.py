"""The commit log of one partition: numbered objects, each created only where there is none.

That one conditional write is the whole protocol. Who creates entry ``n + 1`` on top of a log whose last entry is
``n`` has read everything up to ``n``; who read less collides. So there is no lease and no clock in it, and an owner
that was frozen for an hour is found out by its very next write.
"""

from __future__ import annotations

from random import Random

from ray_pipeline.clock import Clock, backoff
from ray_pipeline.errors import CommitUnknownError, FencedError, LogBrokenError, StoreUnavailableError
from ray_pipeline.lake.entries import (
    OPERATOR_ENTRIES,
    Claim,
    Close,
    Data,
    Gap,
    LogEntry,
    Open,
    Pause,
    Release,
    Resume,
    Tail,
    encode,
    timestamp_text,
)
from ray_pipeline.lake.fold import fold
from ray_pipeline.lake.keys import LogId, entry_key, marker_key
from ray_pipeline.lake.log_reader import LogReader, decode_entry
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.segments import write_pointer, write_segment
from ray_pipeline.types import ContractRef, Offset

ATTEMPTS = 8
"""How often a write is tried before its outcome is called unknown; with the waits between, some ten seconds."""


class PartitionLog:
    """One owner's view of a partition's log, and its pen.

    After any error but ``StoreUnavailableError`` of a read the view is void: load or claim again.
    """

    def __init__(self, store: ObjectStore, log: LogId, *, clock: Clock, rng: Random) -> None:
        self.id = log
        self._store, self._clock, self._rng = store, clock, rng
        self._reader = LogReader(store, log)
        self._valid = False

    @property
    def tail(self) -> Tail:
        """What the entries so far add up to."""
        if not self._valid or self._reader.tail is None:
            raise LogBrokenError(str(self.id), self._reader.next_n, "is not known: load the log again")
        return self._reader.tail

    def load(self) -> Tail | None:
        """Read the log; None where there is none yet. Writes the segments that are missing, if it can."""
        self._valid = False
        tail = self._reader.load()
        self._valid = tail is not None
        self._save_segments()
        return tail

    def open_log(self, start: Offset) -> Tail:
        """Begin the log at ``start``, unless somebody has begun it."""
        self._store.put_if_absent(marker_key(self.id), b"{}\n")
        entry = Open(
            self.id.pipeline,
            self.id.cluster,
            self.id.topic,
            self.id.topic_id,
            self.id.partition,
            start,
            self.nonce(),
            self.written_at(),
        )
        self._create(0, encode(entry))
        tail = self.load()
        if tail is None:  # the entry is there, a stale read hides it
            raise StoreUnavailableError(self._store.url, "show a new object", f"entry 0 of {self.id} is not visible")
        return tail

    def claim(self, *, owner: str, supervisor: int, contract: ContractRef) -> Tail:
        """Take the partition: from here on every earlier owner's write collides.

        Raises ``FencedError`` where the log is claimed for a newer supervisor, so that of two supervisors the older
        one gives way and they do not take turns.
        """
        tail = self.tail
        for attempt in range(ATTEMPTS):
            self._refuse_claim(tail, owner, supervisor)
            claim = Claim(tail.epoch + 1, self.nonce(), owner, supervisor, contract, self.written_at())
            data = encode(claim)
            self._valid = False
            there = self._create(tail.n + 1, data)
            if there is None:
                return self._accept(data)
            tail = self._reader.push(there)
            self._clock.sleep(backoff(attempt, self._rng))
            tail = self._reader.advance() or tail
        raise FencedError(str(self.id), owner, tail.owner)

    def append(self, entry: Data | Pause | Release) -> Tail:
        """Write the next entry as the owner; on return it is durable and in the tail.

        Raises ``FencedError`` when somebody else owns the partition now, ``CommitUnknownError`` when the store would
        not say whether the entry is there.
        """
        data = encode(entry)
        mine = self.tail
        self._valid = False  # until the outcome is known
        while True:
            tail = self._reader.tail
            assert tail is not None
            fold(tail, entry, str(self.id))  # what contradicts the log is never written
            there = self._create(tail.n + 1, data)
            if there is None:
                return self._accept(data)
            self._pass_over(decode_entry(there, self.id, tail.n + 1), tail.n + 1, mine, entry)
            self._reader.push(there)

    def append_if_next(self, entry: Gap | Resume | Close) -> Tail | None:
        """Write a person's entry directly after the tail that the person saw; None where something came between."""
        fold(self.tail, entry, str(self.id))
        data = encode(entry)
        n = self.tail.n + 1
        self._valid = False
        return self._accept(data) if self._create(n, data) is None else None

    def data_since(self, offset: Offset) -> list[Data]:
        """Return the commits that end past ``offset``, oldest first."""
        return self._reader.data_since(offset)

    def nonce(self) -> str:
        """Return a name that nobody else has."""
        return f"{self._rng.getrandbits(64):016x}"

    def written_at(self) -> str:
        """Return this moment as entries write it."""
        return timestamp_text(self._clock.now())

    def _refuse_claim(self, tail: Tail, owner: str, supervisor: int) -> None:
        if tail.closed:
            raise FencedError(str(self.id), owner, "a person who closed this log")
        if tail.supervisor > supervisor:
            raise FencedError(str(self.id), owner, f"{tail.owner}, which supervisor {tail.supervisor} started")

    def _pass_over(self, other: LogEntry, n: int, mine: Tail, entry: Data | Pause | Release) -> None:
        """Raise unless ``entry`` can follow the entry that somebody else wrote in its place."""
        if isinstance(other, Claim) and other.epoch > mine.epoch:
            raise FencedError(str(self.id), mine.owner, other.owner)
        if isinstance(other, Close):
            raise FencedError(str(self.id), mine.owner, f"{other.allowed_by}, who closed this log")
        if isinstance(other, Gap) and not isinstance(entry, Release):
            raise FencedError(
                str(self.id), mine.owner, f"{other.allowed_by}, who gave up offsets {other.start} to {other.end}"
            )
        if not isinstance(other, OPERATOR_ENTRIES):
            raise LogBrokenError(str(self.id), n, f"a {other.type} entry that neither this owner nor a newer one wrote")

    def _create(self, n: int, data: bytes) -> bytes | None:
        """Create entry ``n``. None: it is there and ours, else what is there instead.

        The bytes hold a nonce, so finding exactly ours means that an earlier try of this very call made it, and only
        its reply was lost. A time-out says nothing, and neither does reading nothing after one (the write may still
        be on its way): only a put that answers or an object that is there does.
        """
        key = entry_key(self.id, n)
        for attempt in range(ATTEMPTS):
            try:
                if self._store.put_if_absent(key, data):
                    return None
                there = self._store.get(key)
            except StoreUnavailableError:
                there = None
            if there is not None:
                return None if there == data else there
            self._clock.sleep(backoff(attempt, self._rng))
        raise CommitUnknownError(str(self.id), n)

    def _accept(self, data: bytes) -> Tail:
        tail = self._reader.push(data)
        self._valid = True
        self._save_segments()
        return tail

    def _save_segments(self) -> None:
        """Write the segments that filled, in order. They are a shortcut: a store that cannot now is no error."""
        try:
            while self._reader.filled:
                segment = self._reader.filled[0]
                write_segment(self._store, self.id, segment.entries, segment.tail)
                write_pointer(self._store, self.id, segment.tail.n)
                del self._reader.filled[0]
        except StoreUnavailableError:
            pass  # tried again when the next one is full, and by whoever loads the log entry by entry
