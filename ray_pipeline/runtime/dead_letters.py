"""Refused records by dataset, newest first; ``lake/dead_letters.py`` has them by topic, as they were committed."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ray_pipeline.errors import UsageError
from ray_pipeline.lake.bad_records import bad_records
from ray_pipeline.lake.dead_letters import CommittedBadRecord, DeadLetterFilter, read_dead_letters
from ray_pipeline.lake.log_reader import LogReader
from ray_pipeline.lake.progress import partition_status
from ray_pipeline.lake.safe_parquet import open_verified, read_batches
from ray_pipeline.lake.topics import find_logs
from ray_pipeline.types import BadRecord, Offset

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.lake.entries import Data
    from ray_pipeline.lake.ports import ObjectStore

_FIRST_LOOK = 100_000
"""Offsets before the end that are looked at first; ten times as many where that is not enough."""


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """One refused record, and what a person calls the place where it is."""

    dataset: str
    found: CommittedBadRecord
    bad_file: str
    """The URI of the file that holds it."""

    def to_json(self) -> dict[str, Any]:
        """Return everything but key, value and headers, which may be anybody's secret."""
        record = self.found.record
        return {
            "dataset": self.dataset,
            "topic": self.found.topic,
            "partition": self.found.partition,
            "offset": record.offset,
            "timestamp": published(record),
            "committed_at": self.found.committed_at,
            "contract": self.found.contract.id,
            "contract_version": self.found.contract.version,
            "bad_file": self.bad_file,
            "value_bytes": None if record.value is None else len(record.value),
            "violations": [
                {"path": v.pointer, "rule": v.rule, "schema_path": v.schema_path, "message": v.message}
                for v in record.violations
            ],
        }


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """What was refused, in numbers and examples."""

    by_rule: dict[str, dict[str, int]]
    """Dataset → rule of a record's first violation → records, most frequent first."""
    latest: tuple[RefusedRecord, ...]
    """Newest publication first."""

    def to_json(self) -> dict[str, Any]:
        """Return what ``dead-letters list --output json`` prints."""
        return {
            "datasets": {
                name: {"dead_letters": sum(rules.values()), "by_rule": rules} for name, rules in self.by_rule.items()
            },
            "latest": [letter.to_json() for letter in self.latest],
        }


def latest_dead_letters(
    config: PipelineConfig,
    lake: ObjectStore,
    datasets: Sequence[str],
    *,
    rule: str | None = None,
    partition: int | None = None,
    limit: int = 10,
) -> DeadLetters:
    """Return the counts by rule, and the ``limit`` latest records; ``rule`` keeps those that break it in any place."""
    wanted = DeadLetterFilter(rule=rule, partition=partition)
    by_rule: dict[str, dict[str, int]] = {}
    latest: list[RefusedRecord] = []
    for name in dict.fromkeys(datasets):
        topic = config.dataset(name).topic
        counts: dict[str, int] = {}
        for log in find_logs(lake, config.pipeline, topic):
            reader = LogReader(lake, log)
            tail = reader.load()
            if tail is None or (partition is not None and log.partition != partition):
                continue
            for key, number in tail.by_rule.items():
                counts[key] = counts.get(key, 0) + number
            if tail.bad:
                latest += _latest(lake, name, reader, wanted, limit)
        by_rule[name] = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    return DeadLetters(by_rule, tuple(heapq.nlargest(limit, latest, key=_newest_first)))


def find_dead_letter(
    config: PipelineConfig, lake: ObjectStore, dataset: str, partition: int, offset: Offset
) -> RefusedRecord:
    """Return one refused record; ``UsageError`` says where there is none of it, and what became of the offset."""
    topic = config.dataset(dataset).topic
    wanted = DeadLetterFilter(partition=partition, first=offset, last=offset)
    found = list(read_dead_letters(lake, config.pipeline, topic, wanted))
    if found:  # a topic that was made again has the offset a second time: the later one is meant
        newest = max(found, key=lambda record: record.committed_at)
        return RefusedRecord(dataset, newest, lake.uri(newest.bad_file))
    logs = [log for log in partition_status(lake, config.pipeline, topic) if log.partition == partition]
    place = f"{dataset}[{partition}]"
    if not logs:
        raise UsageError(f"{place}: nothing of this partition was ingested")
    if not logs[0].start <= offset < logs[0].committed:
        raise UsageError(
            f"{place}: offset {offset} is not committed; the log has {logs[0].start} to {logs[0].committed - 1}"
        )
    raise UsageError(f"{place}: offset {offset} is committed, and was not refused")


def published(record: BadRecord) -> str | None:
    """Return Kafka's timestamp of a record as text; None where it has none."""
    if record.timestamp < 0:
        return None
    try:
        moment = datetime.fromtimestamp(record.timestamp / 1000, UTC)
        return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    except (OverflowError, ValueError, OSError):  # a producer may write any number there
        return f"{record.timestamp} ms"


def _newest_first(letter: RefusedRecord) -> tuple[int, str, int, Offset]:
    found = letter.found
    return (found.record.timestamp, found.topic, found.partition, found.record.offset)


def _latest(
    lake: ObjectStore, dataset: str, reader: LogReader, wanted: DeadLetterFilter, limit: int
) -> list[RefusedRecord]:
    """Return the last records of a loaded log, reading no further back than needed."""
    tail = reader.tail
    assert tail is not None
    found: list[RefusedRecord] = []
    upper, reach = tail.end, _FIRST_LOOK
    while upper > tail.source_start and len(found) < limit:
        since = max(tail.source_start, tail.end - reach)
        for data in reversed(reader.data_since(since)):
            if data.end <= upper and len(found) < limit:
                found += reversed(list(_letters(lake, dataset, reader, data, wanted)))
                upper = data.start
        upper, reach = min(upper, since), reach * 10
    return found[:limit]


def _letters(
    lake: ObjectStore, dataset: str, reader: LogReader, data: Data, wanted: DeadLetterFilter
) -> Iterator[RefusedRecord]:
    log = reader.log
    for file in data.bad_files:
        for rows in read_batches(open_verified(lake.get(file.key), file), file.key):
            for record in filter(wanted.takes, bad_records(rows)):
                committed = CommittedBadRecord(
                    log.topic, log.partition, log.source, record, data.contract, data.committed_at, file.key
                )
                yield RefusedRecord(dataset, committed, lake.uri(file.key))
