"""Every record is counted once; every offset is accounted for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.stream.judging import judge_batch, sort_out
from ray_pipeline.stream.pending import CommitLimits, Pending
from ray_pipeline.stream.ports import TopicDescription
from ray_pipeline.stream.start import resolve_starts
from ray_pipeline.testing.source import ScriptedRecord, batch_of
from ray_pipeline.types import SourceId, TopicPartition, Watermarks
from tests.property.simulation.contract import NumberContract

TP = TopicPartition("numbers", 0)
VALUES = st.sampled_from([b"1", b"22", b"bad", b"", None])


def contract(tombstones: str = "reject") -> Any:
    return cast("Any", NumberContract("1", tombstones))


@settings(deadline=None)
@given(
    values=st.lists(VALUES, max_size=20), gaps=st.lists(st.integers(0, 3), min_size=20, max_size=20), skip=st.booleans()
)
def test_the_counts_add_up_to_the_offsets(values: list[bytes | None], gaps: list[int], skip: bool) -> None:
    at, records = 100, []
    for value, gap in zip(values, gaps, strict=False):
        at += gap
        records.append(ScriptedRecord(at, value, timestamp=at))
        at += 1
    numbers = contract("skip" if skip else "reject")
    judged = judge_batch(numbers, batch_of(TP, 100, at + 2, records))
    result = sort_out(numbers, judged)
    pending = Pending(100, 100)
    pending.add(judged.batch, result, result.table, judged.bytes, now=1.0)
    assert pending.good + len(pending.bad) + pending.tombstones + pending.skipped == at + 2 - 100
    assert pending.good == sum(value is not None and value.isdigit() for value in values)
    assert pending.tombstones == (values.count(None) if skip else 0)
    assert sum(pending.by_rule.values()) == len(pending.bad) == judged.refused
    assert pending.skipped == sum(gaps[: len(values)]) + 2
    assert pending.max_timestamp == max((record.timestamp for record in records), default=-1)
    assert [record.value for record in pending.bad] == [
        value for value in values if (value is None and not skip) or (value is not None and not value.isdigit())
    ]


def test_a_bad_record_keeps_everything_it_came_with() -> None:
    record = ScriptedRecord(7, b"bad", key=b"k", timestamp=5, headers=(("a", b"1"),))
    (bad,) = sort_out(contract(), judge_batch(contract(), batch_of(TP, 7, 8, [record]))).bad
    assert (bad.offset, bad.timestamp, bad.key, bad.value, bad.headers) == (7, 5, b"k", b"bad", (("a", b"1"),))
    assert [violation.rule for violation in bad.violations] == ["type"]


def test_a_batch_of_markers_moves_the_end() -> None:
    judged = judge_batch(contract(), batch_of(TP, 5, 9, []))
    pending = Pending(5, 5)
    pending.add(judged.batch, sort_out(contract(), judged), None, judged.bytes, now=3.0)
    assert (pending.end, pending.skipped, pending.since) == (9, 4, 3.0)


def test_a_batch_that_leaves_offsets_out_is_refused() -> None:
    judged = judge_batch(contract(), batch_of(TP, 6, 9, []))
    with pytest.raises(AssertionError, match="begins at 6, not at 5"):
        Pending(5, 5).add(judged.batch, sort_out(contract(), judged), None, 0, now=0.0)


@pytest.mark.parametrize(
    ("records", "size", "now", "due"),
    [(9, 9, 9.9, False), (10, 0, 0.0, True), (1, 100, 0.0, True), (1, 1, 10.0, True), (0, 0, 10.0, True)],
)
def test_a_checkpoint_is_due_by_records_bytes_or_time(records: int, size: int, now: float, due: bool) -> None:
    limits = CommitLimits(records=10, seconds=10.0, bytes=100)
    pending = Pending(0, 12, records=records, bytes=size, since=0.0)
    assert pending.is_due(limits, now) is due


def test_nothing_pending_is_never_due() -> None:
    assert not Pending(5, 5).is_due(CommitLimits(), 1e9)


class Admin:
    def describe(self, topic: str) -> TopicDescription:
        raise NotImplementedError

    def watermarks(self, topic_partitions: Any) -> dict[TopicPartition, Watermarks]:
        return {tp: Watermarks(tp.partition, 100 + tp.partition) for tp in topic_partitions}

    def offset_at(self, topic_partition: TopicPartition, moment: datetime) -> int:
        return 50 + topic_partition.partition


@pytest.mark.parametrize(
    ("policy", "starts"),
    [("earliest", [0, 1]), ("latest", [100, 101]), (datetime(2013, 1, 1, tzinfo=UTC), [50, 51])],
)
def test_where_a_first_run_begins(policy: Any, starts: list[int]) -> None:
    assert resolve_starts(policy, Admin(), TopicDescription("t", SourceId("c", "t"), 2)) == starts
