"""A good lake passes; whatever is spoiled is named."""

from __future__ import annotations

import pyarrow as pa
import pytest

from ray_pipeline.lake.entries import Claim, Data, Release, encode
from ray_pipeline.lake.keys import contract_key, entry_key, marker_key
from ray_pipeline.lake.verify import Progress, verify
from ray_pipeline.lake.verify_report import Status, VerifyReport
from ray_pipeline.testing.store import MemoryStore
from ray_pipeline.types import Outcome

from .lakes import (
    BAD,
    contract_of,
    data_entries,
    entry_of,
    good_lake,
    log_id,
    order,
    rewrite,
    rewrite_rows,
    with_value,
)

FIRST, SECOND, THIRD = 2, 3, 6  # the data entries of partition 0


@pytest.fixture
def lake() -> MemoryStore:
    return good_lake()


def audit(store: MemoryStore, **options: object) -> VerifyReport:
    return verify(store, "shop", **options)  # type: ignore[arg-type]


def assert_names(report: VerifyReport, invariant: str, key: str, offset: int | None = None) -> None:
    """The invariant is broken first in this object, and the other partition is still checked."""
    result = report.result(invariant)
    assert result.status is Status.BROKEN, report
    assert (result.breaches[0].key, result.breaches[0].offset) == (key, offset), report
    assert report.outcome is Outcome.BROKEN
    assert report.counts.logs == 2


def test_a_good_lake_holds_what_objects_can_prove(lake: MemoryStore) -> None:
    report = audit(lake)
    assert report.outcome is Outcome.HELD, report
    statuses = {result.id: result.status for result in report.results}
    not_offline = {"I8", "I9", "I11"}
    assert {name for name, status in statuses.items() if status is Status.NOT_CHECKED} == not_offline
    assert {status for name, status in statuses.items() if name not in not_offline} == {Status.HELD}
    assert (report.counts.rows, report.counts.bad_records, report.counts.judged) == (25, 3, 28)
    assert [n for n, _ in data_entries(lake)] == [FIRST, SECOND, THIRD]


def test_an_empty_lake_proves_nothing() -> None:
    report = audit(MemoryStore())
    assert report.outcome is Outcome.UNKNOWN
    assert "nothing is proven" in str(report)


def test_only_the_named_topics_are_audited(lake: MemoryStore) -> None:
    assert audit(lake, topics=["other"]).counts.logs == 0
    assert audit(lake, topics=["orders"]).counts.logs == 2


def test_quick_judges_no_record_and_says_so(lake: MemoryStore) -> None:
    report = audit(lake, quick=True)
    assert report.outcome is Outcome.HELD, report
    assert report.counts.judged == 0
    assert "quick" in report.result("I7").note


def test_progress_comes_entry_by_entry(lake: MemoryStore) -> None:
    seen: list[Progress] = []
    audit(lake, progress=seen.append)
    assert [p.entry for p in seen] == [1, 2, 3, 4, 5, 6, 7, 1, 2, 3]
    assert seen[-1].rows == 25


def test_the_report_is_json_and_text_and_html(lake: MemoryStore) -> None:
    key = rewrite(lake, SECOND, start=11)
    report = audit(lake)
    document = report.to_json()
    assert document["outcome"] == "broken"
    assert document["invariants"][0]["breaches"][0]["key"] == key
    assert key in str(report)
    assert repr(report) == str(report)
    assert "<table>" in report._repr_html_()


# I1 … I3: the entries


def test_i1_a_dropped_entry(lake: MemoryStore) -> None:
    key = entry_key(log_id(), SECOND)
    lake.delete(key)
    assert_names(audit(lake), "I1", key)


def test_i1_a_whole_log_that_is_gone_while_its_files_are_there(lake: MemoryStore) -> None:
    for key in list(lake.list(entry_key(log_id(0), 0).rpartition("/")[0])):
        lake.delete(key)
    report = audit(lake)
    result = report.result("I1")
    assert result.status is Status.BROKEN
    assert result.breaches[0].key == entry_key(log_id(0), 0)
    assert "the whole log is gone" in result.breaches[0].message
    assert report.outcome is Outcome.BROKEN


def test_i1_a_marker_without_a_log_says_nothing(lake: MemoryStore) -> None:
    lake.put(marker_key(log_id(9)), b"{}\n")
    assert audit(lake).outcome is Outcome.HELD


def test_i1_an_entry_that_cannot_be_read(lake: MemoryStore) -> None:
    key = entry_key(log_id(), SECOND)
    lake.objects[key] = lake.objects[key][:-10]
    assert_names(audit(lake), "I1", key)


def test_i1_an_entry_under_another_number(lake: MemoryStore) -> None:
    lake.objects[entry_key(log_id(), 7)] = lake.objects.pop(entry_key(log_id(), FIRST))
    assert_names(audit(lake), "I1", entry_key(log_id(), FIRST))


def test_i1_a_number_that_is_far_away_costs_no_search_for_what_lies_between(lake: MemoryStore) -> None:
    lake.objects[entry_key(log_id(), 10**19)] = lake.objects.pop(entry_key(log_id(), THIRD))
    assert_names(audit(lake), "I1", entry_key(log_id(), THIRD))


def test_i1_a_log_that_was_moved_to_another_partition(lake: MemoryStore) -> None:
    for n in range(3):
        lake.objects[entry_key(log_id(5), n)] = lake.objects.pop(entry_key(log_id(1), n))
    lake.objects[marker_key(log_id(5))] = b"{}"
    named = {breach.key for breach in audit(lake).result("I1").breaches}
    assert named >= {entry_key(log_id(5), 0), entry_key(log_id(1), 0)}  # the wrong place, and the place it left


def test_i1_a_range_that_begins_too_late(lake: MemoryStore) -> None:
    key = rewrite(lake, SECOND, start=12, skipped=0)
    assert_names(audit(lake), "I1", key, 10)


def test_i1_an_entry_that_is_not_an_open_entry_first(lake: MemoryStore) -> None:
    lake.objects[entry_key(log_id(), 0)] = lake.objects[entry_key(log_id(), 1)]
    assert_names(audit(lake), "I1", entry_key(log_id(), 0))


def test_i2_ranges_that_overlap(lake: MemoryStore) -> None:
    key = rewrite(lake, SECOND, start=8, skipped=4)
    report = audit(lake)
    assert_names(report, "I2", key, 8)
    assert report.result("I3").status is Status.HELD


@pytest.mark.parametrize(
    "changes", [{"good": 9}, {"bad": 1}, {"tombstones": 1}, {"skipped": -1}, {"by_rule": {"x": 9}}]
)
def test_i3_counts_that_do_not_add_up(lake: MemoryStore, changes: dict[str, object]) -> None:
    key = rewrite(lake, FIRST, **changes)
    assert_names(audit(lake), "I3", key, 0)


def test_i3_rules_that_are_not_those_of_the_bad_file(lake: MemoryStore) -> None:
    key = rewrite(lake, FIRST, by_rule={"minLength": 2})
    assert_names(audit(lake), "I3", key, 0)


# I4, I5: the files


def test_i4_an_offset_twice_in_one_file(lake: MemoryStore) -> None:
    key = rewrite_rows(lake, FIRST, lambda table: with_value(table, "_offset", 1, table["_offset"][0].as_py()))
    assert_names(audit(lake), "I4", key, 1)


def test_i4_an_offset_good_and_bad(lake: MemoryStore) -> None:
    key = rewrite_rows(lake, FIRST, lambda table: with_value(table, "_offset", 0, 4), bad=True)
    assert_names(audit(lake), "I4", key, 4)


def test_i4_a_file_named_twice(lake: MemoryStore) -> None:
    files = entry_of(lake, FIRST).files  # type: ignore[union-attr]
    rewrite(lake, FIRST, files=(*files, files[0]), good=8 + files[0].rows, skipped=-files[0].rows)
    assert_names(audit(lake), "I4", files[0].key, 1)


def test_i5_a_missing_file(lake: MemoryStore) -> None:
    key = entry_of(lake, FIRST).files[0].key  # type: ignore[union-attr]
    lake.delete(key)
    assert_names(audit(lake), "I5", key, 0)


@pytest.mark.parametrize("spoil", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b[:40] + b"x" + b[41:]])
@pytest.mark.parametrize("kind", ["files", "bad_files"])
def test_i5_bytes_that_changed(lake: MemoryStore, spoil: object, kind: str) -> None:
    key = getattr(entry_of(lake, FIRST), kind)[0].key
    lake.objects[key] = spoil(lake.objects[key])  # type: ignore[operator]
    assert_names(audit(lake), "I5", key, 0)


def test_i5_another_number_of_rows(lake: MemoryStore) -> None:
    key = rewrite_rows(lake, FIRST, lambda table: table.slice(1))
    files = entry_of(lake, FIRST).files  # type: ignore[union-attr]
    claimed = tuple(f if f.key != key else type(f)(f.key, f.rows + 1, f.bytes, f.sha256, f.day) for f in files)
    rewrite(lake, FIRST, files=claimed)
    assert_names(audit(lake), "I5", key, 0)


def test_i5_files_that_were_swapped_between_entries(lake: MemoryStore) -> None:
    first, second = entry_of(lake, FIRST), entry_of(lake, SECOND)
    assert isinstance(first, Data)
    assert isinstance(second, Data)
    rewrite(lake, FIRST, bad_files=second.bad_files)
    rewrite(lake, SECOND, bad_files=first.bad_files)
    assert_names(audit(lake), "I5", second.bad_files[0].key, 0)


# I6: the owners


def test_i6_an_epoch_that_goes_back(lake: MemoryStore) -> None:
    key = rewrite(lake, 5, epoch=1)
    assert_names(audit(lake), "I6", key, 20)


def test_i6_data_of_an_owner_who_was_replaced(lake: MemoryStore) -> None:
    key = rewrite(lake, THIRD, epoch=1)
    assert_names(audit(lake), "I6", key, 20)


def test_i6_a_claim_for_an_older_supervisor(lake: MemoryStore) -> None:
    key = rewrite(lake, 5, supervisor=0)
    assert_names(audit(lake), "I6", key, 20)


def test_i6_data_after_a_release(lake: MemoryStore) -> None:
    claim = entry_of(lake, 1)
    assert isinstance(claim, Claim)
    lake.objects[entry_key(log_id(1), 3)] = encode(Release(1, "n", "t"))
    lake.objects[entry_key(log_id(1), 4)] = encode(Release(1, "n", "t"))
    assert_names(audit(lake), "I6", entry_key(log_id(1), 4))


# I7: the rows and their contract


def test_i7_a_row_outside_its_range(lake: MemoryStore) -> None:
    key = rewrite_rows(lake, SECOND, lambda table: with_value(table, "_offset", 0, 99))
    assert_names(audit(lake), "I7", key, 99)
    assert_names(audit(lake, quick=True), "I7", key, 99)


@pytest.mark.parametrize(
    ("column", "value"),
    [("_topic", "other"), ("_partition", 7), ("_contract", None), ("_contract_version", "2.0.0")],
)
@pytest.mark.parametrize("bad", [False, True])
def test_i7_a_row_of_somewhere_else(lake: MemoryStore, column: str, value: object, bad: bool) -> None:
    key = rewrite_rows(lake, FIRST, lambda table: with_value(table, column, 0, value), bad=bad)
    assert_names(audit(lake), "I7", key, 8 if bad else 1)


@pytest.mark.parametrize("changes", [{"qty": 0}, {"id": ""}, {"id": None}])
def test_i7_a_landed_row_that_is_not_valid(lake: MemoryStore, changes: dict[str, object]) -> None:
    [(column, value)] = changes.items()
    key = rewrite_rows(lake, FIRST, lambda table: with_value(table, column, 2, value))
    report = audit(lake)
    assert_names(report, "I7", key, 4)
    assert f"/{column}" in report.result("I7").breaches[0].message
    assert audit(lake, quick=True).outcome is Outcome.HELD


def test_i7_a_bad_record_that_is_valid(lake: MemoryStore) -> None:
    good = b'{"id":"a","qty":1,"at":"2013-01-01T00:00:00Z"}'
    key = rewrite_rows(lake, FIRST, lambda table: with_value(table, "_value", 1, good), bad=True)
    assert_names(audit(lake), "I7", key, 9)


def test_i7_a_bad_record_that_is_refused_for_another_reason(lake: MemoryStore) -> None:
    key = rewrite_rows(lake, FIRST, lambda table: with_value(table, "_value", 1, BAD), bad=True)
    assert_names(audit(lake), "I7", key, 9)


def test_i7_a_file_with_another_schema(lake: MemoryStore) -> None:
    def narrowed(table: pa.Table) -> pa.Table:
        i = table.schema.get_field_index("qty")
        return table.set_column(i, "qty", table["qty"].cast(pa.int32()))

    key = rewrite_rows(lake, FIRST, narrowed)
    assert_names(audit(lake), "I7", key, 0)
    key = rewrite_rows(lake, FIRST, lambda table: table.drop_columns(["_offset"]))
    assert_names(audit(lake), "I7", key, 0)


def test_i7_a_row_in_the_file_of_another_day(lake: MemoryStore) -> None:
    at = order(3)["at"]
    key = rewrite_rows(lake, FIRST, lambda table: with_value(table, "at", 0, at))
    assert_names(audit(lake), "I7", key, 1)


def test_i7_event_times_that_are_not_the_rows(lake: MemoryStore) -> None:
    key = rewrite(lake, FIRST, event_time_max="2014-01-01T00:00:00.000000Z")
    assert_names(audit(lake), "I7", key, 0)


def test_i7_a_contract_whose_text_was_edited(lake: MemoryStore) -> None:
    key = contract_key("shop", contract_of().digest, "odcs")
    lake.objects[key] = lake.objects[key].replace(b"minimum: 1", b"minimum: 0")
    assert_names(audit(lake), "I7", key, 0)


def test_a_contract_whose_text_is_missing_leaves_i7_unknown(lake: MemoryStore) -> None:
    key = contract_key("shop", contract_of().digest, "odcs")
    lake.delete(key)
    report = audit(lake)
    assert report.outcome is Outcome.UNKNOWN, report
    assert report.result("I7").status is Status.UNKNOWN
    assert report.result("I7").doubts[0].key == key
    assert report.counts.rows == 25


# I8's offline part, I10


def test_i8_progress_that_contradicts_the_log(lake: MemoryStore) -> None:
    key = rewrite(lake, THIRD, dlq_through=5)
    assert_names(audit(lake), "I8", key, 20)


def test_i10_a_log_that_snapshots_do_not_see(lake: MemoryStore) -> None:
    lake.delete(marker_key(log_id()))
    assert_names(audit(lake), "I10", marker_key(log_id()))


def test_two_spoiled_partitions_are_both_named(lake: MemoryStore) -> None:
    first, second = rewrite(lake, FIRST, good=9), rewrite(lake, 2, partition=1, good=9)
    assert [finding.key for finding in audit(lake).result("I3").breaches] == [first, second]
