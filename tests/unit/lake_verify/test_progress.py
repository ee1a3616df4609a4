"""What ``status`` shows comes from the log alone; what ``dead-letters`` shows, from the bad files."""

from __future__ import annotations

import pytest

from ray_pipeline.errors import FileCorruptError
from ray_pipeline.lake.dead_letters import DeadLetterFilter, read_dead_letters
from ray_pipeline.lake.entries import Close, Gap, Pause, Resume
from ray_pipeline.lake.progress import PartitionStatus, partition_status
from ray_pipeline.testing.store import MemoryStore
from ray_pipeline.types import StopReason

from .lakes import BAD, Writer, good_lake, order


def only(lake: MemoryStore, topic: str = "orders") -> PartitionStatus:
    [status] = partition_status(lake, "shop", topic)
    return status


def test_status_adds_up_a_partition() -> None:
    first, second = partition_status(good_lake(), "shop", "orders")
    assert (first.partition, first.start, first.committed, first.rows, first.dead_letters) == (0, 0, 25, 20, 3)
    assert (first.skipped, first.epoch, first.owner, first.paused) == (2, 2, "host/1/a", None)
    assert first.by_rule["record.tombstone"] == 1
    assert first.committed_at == "2013-01-01T00:00:30.000000Z"
    assert (first.dlq_through, first.dlq_backlog) == (20, 0)
    assert (second.start, second.committed, second.dead_letters) == (100, 105, 0)


def test_dead_letters_that_the_log_does_not_know_to_be_sent_are_a_backlog() -> None:
    lake = MemoryStore()
    writer = Writer(lake).claim().commit(2, {0: order(0)}, {1: BAD})
    assert only(lake).dlq_backlog == 1
    writer.commit(4, {2: order(2)}, {3: BAD}, dlq_through=2)
    assert (only(lake).dlq_through, only(lake).dlq_backlog) == (2, 1)


def test_a_released_partition_has_no_owner() -> None:
    lake = MemoryStore()
    Writer(lake).claim().release()
    assert (only(lake).owner, only(lake).committed_at) == (None, None)


def test_a_pause_says_why_until_somebody_resumes() -> None:
    lake = MemoryStore()
    writer = Writer(lake).claim()
    tail = writer.log.tail
    reason = StopReason.BAD_SHARE
    writer.log.append(Pause(tail.epoch, "n", 0, reason, "70 % are bad", writer.contract.ref, "t"))
    assert (only(lake).paused, only(lake).paused_detail, only(lake).paused_at) == ("bad-share", "70 % are bad", 0)
    writer.log.append_if_next(Resume("n", "ann", "t"))
    assert only(lake).paused is None


def test_gaps_and_closed_logs_are_told() -> None:
    lake = MemoryStore()
    writer = Writer(lake).claim()
    writer.log.append_if_next(Gap("n", 0, 7, "expired", "ann", "t"))
    assert (only(lake).gaps, only(lake).committed) == (7, 7)
    writer.log.append_if_next(Close("n", "re-created", "ann", "t"))
    assert only(lake).closed


def test_a_topic_without_logs_has_no_status() -> None:
    assert partition_status(MemoryStore(), "shop", "orders") == []


def test_bad_records_come_back_as_they_came() -> None:
    found = list(read_dead_letters(good_lake(), "shop", "orders"))
    assert [(f.partition, f.record.offset, f.record.value) for f in found] == [
        (0, 8, BAD),
        (0, 9, b"nonsense"),
        (0, 17, None),
    ]
    assert found[0].event_id == "orders/0/8"
    assert found[0].record.headers == (("h", b"1"),)
    assert {violation.rule for violation in found[0].record.violations} >= {"minLength", "minimum"}
    assert found[0].contract.version == "1.0.0"


@pytest.mark.parametrize(
    ("wanted", "offsets"),
    [
        (DeadLetterFilter(rule="minimum"), [8]),
        (DeadLetterFilter(rule="json.malformed"), [9]),
        (DeadLetterFilter(partition=1), []),
        (DeadLetterFilter(first=9), [9, 17]),
        (DeadLetterFilter(last=9), [8, 9]),
        (DeadLetterFilter(first=9, last=9), [9]),
        (DeadLetterFilter(first=18), []),
    ],
)
def test_filters(wanted: DeadLetterFilter, offsets: list[int]) -> None:
    assert [f.record.offset for f in read_dead_letters(good_lake(), "shop", "orders", wanted)] == offsets


def test_a_limit_reads_no_further() -> None:
    lake = good_lake()
    late = next(key for key in lake.objects if "/bad/" in key and f"/{10:020d}-" in key)
    lake.delete(late)
    assert len(list(read_dead_letters(lake, "shop", "orders", limit=2))) == 2
    with pytest.raises(FileCorruptError, match="missing"):
        list(read_dead_letters(lake, "shop", "orders"))
