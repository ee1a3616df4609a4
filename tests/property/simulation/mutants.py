"""The protocol, broken on purpose: each way must be noticed, or the simulation proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ray_pipeline.errors import SinkFencedError, StoreUnavailableError
from ray_pipeline.lake.entries import Claim, encode, timestamp_text
from ray_pipeline.lake.keys import entry_key
from ray_pipeline.lake.log import PartitionLog
from ray_pipeline.runtime.committed_letters import LogLetters
from ray_pipeline.runtime.partition import PartitionOwner
from ray_pipeline.stream.dead_letters import DeadLetterProjection
from ray_pipeline.stream.pending import Pending
from ray_pipeline.testing.store import MemoryStore

Patch = pytest.MonkeyPatch


def overwrite_entries(patch: Patch) -> None:
    """The log entry is put without a condition."""

    def create(self: Any, n: int, data: bytes) -> None:
        self._store.put(entry_key(self.id, n), data)

    patch.setattr(PartitionLog, "_create", create)


def take_any_entry_for_mine(patch: Patch) -> None:
    """A refused put is taken for a lost reply, without comparing what is there."""
    create = PartitionLog._create
    patch.setattr(PartitionLog, "_create", lambda self, n, data: create(self, n, data) and None)


def take_mine_for_another(patch: Patch) -> None:
    """A refused put is taken for a loss, even where the object is one's own."""

    def create(self: Any, n: int, data: bytes) -> bytes | None:
        key = entry_key(self.id, n)
        return None if self._store.put_if_absent(key, data) else self._store.get(key) or b""

    patch.setattr(PartitionLog, "_create", create)


def no_fence(patch: Patch) -> None:
    """An owner that meets a newer claim writes after it, under the new epoch."""

    def append(self: PartitionLog, entry: Any) -> Any:
        self.load()
        object.__setattr__(entry, "epoch", self.tail.epoch)
        there = self._create(self.tail.n + 1, encode(entry))
        return append(self, entry) if there is not None else self._reader.push(encode(entry))

    patch.setattr(PartitionLog, "append", append)


def claim_without_epoch(patch: Patch) -> None:
    """A new owner takes over without raising the epoch, so that nobody can tell two owners apart."""

    def claim(self: PartitionLog, *, owner: str, supervisor: int, contract: Any) -> Any:
        written = timestamp_text(self._clock.now())
        data = encode(Claim(self.tail.epoch, self.nonce(), owner, supervisor, contract, written))
        assert self._create(self.tail.n + 1, data) is None
        return self._accept(data)

    patch.setattr(PartitionLog, "claim", claim)


def no_claim(patch: Patch) -> None:
    """A new owner relies on being told that it is alone."""

    def claim(self: PartitionLog, *, owner: str, supervisor: int, contract: Any) -> Any:
        return self.tail if self.tail.epoch else real(self, owner=owner, supervisor=supervisor, contract=contract)

    real = PartitionLog.claim
    patch.setattr(PartitionLog, "claim", claim)


def unknown_is_failed(patch: Patch) -> None:
    """A put that timed out is taken for one that did not happen, and the owner goes on."""

    def append(self: PartitionLog, entry: Any) -> Any:
        data = encode(entry)
        try:
            self._store.put_if_absent(entry_key(self.id, self.tail.n + 1), data)
        except StoreUnavailableError:
            return self.tail
        return self._accept(data)

    patch.setattr(PartitionLog, "append", append)


def letters_before_entry(patch: Patch) -> None:
    """Dead letters go out before the log entry that commits them."""
    land = PartitionOwner._land_files

    def land_and_send(self: Any, log: Any, pending: Pending) -> Any:
        entry = land(self, log, pending)
        self._projection.committed(entry.end, self._letters.letters_of(entry, pending.bad))
        self.project()
        return entry

    patch.setattr(PartitionOwner, "_land_files", land_and_send)


def entry_before_files(patch: Patch) -> None:
    """The log entry is written first, its files after it."""
    commit, land = PartitionOwner.commit, PartitionOwner._land_files

    def land_in_memory(self: Any, log: Any, pending: Pending) -> Any:
        store, self._store = self._store, MemoryStore()
        entry = land(self, log, pending)
        self._held, self._store = self._store, store
        return entry

    def commit_first(self: Any) -> bool:
        self._held = MemoryStore()
        done = commit(self)
        for key, data in self._held.objects.items():
            self._store.put(key, data)
        return done

    patch.setattr(PartitionOwner, "_land_files", land_in_memory)
    patch.setattr(PartitionOwner, "commit", commit_first)


def sink_reused_after_error(patch: Patch) -> None:
    """After a time-out the dead letters are sent again, without asking how far the topic got."""

    def put_off(self: Any, error: Exception) -> None:
        real(self, error)
        self._is_open = not isinstance(error, SinkFencedError)

    real = DeadLetterProjection._put_off
    patch.setattr(DeadLetterProjection, "_put_off", put_off)


def progress_from_memory(patch: Patch) -> None:
    """The projection trusts what the log last knew instead of the topic's own progress."""

    def open_only(self: Any) -> None:
        self._sink.open()
        self._is_open = True

    patch.setattr(DeadLetterProjection, "_open", open_only)


def letters_of_last_commit_only(patch: Patch) -> None:
    """A new owner does not look for dead letters that its predecessor committed and did not send."""
    patch.setattr(LogLetters, "letters_since", lambda self, offset: [])


def seek_past_markers(patch: Patch) -> None:
    """The end of a range is the last record's offset + 1, not the consumer's position."""
    add = Pending.add

    def add_records(self: Pending, batch: Any, *rest: Any) -> None:
        add(self, batch, *rest)
        if len(batch):
            self.end = batch.offsets[-1] + 1

    patch.setattr(Pending, "add", add_records)


def watermarks_before_claim(patch: Patch) -> None:
    """The end of the topic is asked before the claim, and compared with what was committed after that."""
    find = PartitionOwner._find_log

    def find_and_ask(self: Any, described: Any) -> Any:
        log = find(self, described)
        marks = self._admin.watermarks([self._tp])
        check = type(self)._check_position
        self._check_position = lambda log, _: check(self, log, marks[self._tp])
        return log

    patch.setattr(PartitionOwner, "_find_log", find_and_ask)


def no_topic_check(patch: Patch) -> None:
    """Whether the topic is still the one of the log is asked when a partition is claimed, and never again."""
    patch.setattr(PartitionOwner, "_refuse_other_topic", lambda self, log: None)


def uncommitted_kept_after_error(patch: Patch) -> None:
    """After an error an owner claims anew, and keeps what it had read before."""
    begin = PartitionOwner._begin

    def begin_with_old(self: Any, log: Any) -> None:
        kept = getattr(self, "_kept", None)
        begin(self, log)
        if kept is not None and kept.records:
            kept.start = kept.end = self._pending.end
            self._pending = kept

    def land(self: Any, judged: Any) -> None:
        real(self, judged)
        self._kept = self._pending

    real = PartitionOwner.land
    patch.setattr(PartitionOwner, "_begin", begin_with_old)
    patch.setattr(PartitionOwner, "land", land)


MUTANTS: list[Callable[[Patch], None]] = [
    overwrite_entries,
    take_any_entry_for_mine,
    take_mine_for_another,
    no_fence,
    claim_without_epoch,
    no_claim,
    unknown_is_failed,
    letters_before_entry,
    entry_before_files,
    sink_reused_after_error,
    progress_from_memory,
    letters_of_last_commit_only,
    seek_past_markers,
    watermarks_before_claim,
    no_topic_check,
    uncommitted_kept_after_error,
]
