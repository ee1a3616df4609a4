"""The dead letters that a partition's commit log names, as its projection reads them."""

from __future__ import annotations

from collections.abc import Sequence

from ray_pipeline.lake.entries import Data
from ray_pipeline.lake.landing import read_bad
from ray_pipeline.lake.log import PartitionLog
from ray_pipeline.lake.log_reader import is_claimed_by
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.stream.dead_letters import CommittedLetters
from ray_pipeline.stream.ports import DeadLetter
from ray_pipeline.types import BadRecord, Offset, TopicPartition


class LogLetters:
    """A :class:`~ray_pipeline.stream.dead_letters.CommittedHistory` over the log of one claim."""

    def __init__(self, store: ObjectStore, log: PartitionLog, topic_partition: TopicPartition) -> None:
        self._store, self._log, self._tp = store, log, topic_partition
        self._nonce = log.tail.owner_nonce

    def letters_since(self, offset: Offset) -> list[CommittedLetters]:
        """Return the commits with dead letters that end past ``offset``, oldest first."""
        found = (self.letters_of(entry) for entry in self._log.data_since(offset))
        return [letters for letters in found if letters is not None]

    def still_mine(self) -> bool:
        """Read the log anew: is this claim its last one?"""
        # With a reader of its own: the log's is the committing thread's.
        return is_claimed_by(self._store, self._log.id, self._nonce)

    def letters_of(self, entry: Data, in_memory: Sequence[BadRecord] | None = None) -> CommittedLetters | None:
        """Return the dead letters of one commit, to be read from its bad files unless they are at hand."""
        if not entry.bad_files:
            return None

        def read() -> list[DeadLetter]:
            uri = self._store.uri(entry.bad_files[0].key)
            records = in_memory
            if records is None:
                records = [record for file in entry.bad_files for record in read_bad(self._store, file)]
            return [DeadLetter(self._tp, record, entry.contract, uri) for record in records]

        return CommittedLetters(entry.start, entry.end, entry.bad, read)
