"""The bad records that were committed, read from the bad files: nothing needs the brokers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from ray_pipeline.lake.bad_records import bad_records
from ray_pipeline.lake.entries import Data
from ray_pipeline.lake.history import read_commits
from ray_pipeline.lake.keys import LogId
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.safe_parquet import open_verified, read_batches
from ray_pipeline.lake.topics import find_logs
from ray_pipeline.types import BadRecord, ContractRef, Offset, SourceId


@dataclass(frozen=True, slots=True)
class CommittedBadRecord:
    """A bad record, where it came from, and under which contract it was refused."""

    topic: str
    partition: int
    source: SourceId
    record: BadRecord
    contract: ContractRef
    committed_at: str
    bad_file: str
    """The key of the file that holds it."""

    @property
    def event_id(self) -> str:
        """The record's name in Kafka, as a person writes it: ``orders/0/8``."""
        return f"{self.topic}/{self.partition}/{self.record.offset}"


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """Which bad records are wanted; what is None does not matter."""

    rule: str | None = None
    """Any of the record's violations breaks this rule."""
    partition: int | None = None
    first: Offset | None = None
    """At this offset or later."""
    last: Offset | None = None
    """At this offset or earlier."""

    def may_hold(self, data: Data) -> bool:
        """Say whether a commit may have such a record, without reading its files."""
        late = self.first is not None and data.end <= self.first
        early = self.last is not None and data.start > self.last
        return data.bad > 0 and not late and not early

    def takes(self, record: BadRecord) -> bool:
        """Say whether a record is wanted."""
        if self.first is not None and record.offset < self.first:
            return False
        if self.last is not None and record.offset > self.last:
            return False
        return self.rule is None or any(violation.rule == self.rule for violation in record.violations)


def read_dead_letters(
    store: ObjectStore, pipeline: str, topic: str, wanted: DeadLetterFilter | None = None, *, limit: int | None = None
) -> Iterator[CommittedBadRecord]:
    """Return bad records by incarnation, partition and offset, at most ``limit``; a file is read when it is needed.

    Raises ``FileCorruptError`` for a bad file that is not the one that was committed.
    """
    return islice(_read(store, pipeline, topic, wanted or DeadLetterFilter()), limit)


def _read(store: ObjectStore, pipeline: str, topic: str, wanted: DeadLetterFilter) -> Iterator[CommittedBadRecord]:
    for log in find_logs(store, pipeline, topic):
        if wanted.partition is None or log.partition == wanted.partition:
            yield from _of_log(store, log, wanted)


def _of_log(store: ObjectStore, log: LogId, wanted: DeadLetterFilter) -> Iterator[CommittedBadRecord]:
    for _, data in read_commits(store, log):
        if wanted.last is not None and data.start > wanted.last:
            return
        if wanted.may_hold(data):
            for file in data.bad_files:
                for rows in read_batches(open_verified(store.get(file.key), file), file.key):
                    for record in filter(wanted.takes, bad_records(rows)):
                        yield CommittedBadRecord(
                            log.topic, log.partition, log.source, record, data.contract, data.committed_at, file.key
                        )
