"""Files: one per event day, one schema for ever, dead letters as they came."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.errors import FileCorruptError
from ray_pipeline.lake.bad_records import BAD_SCHEMA
from ray_pipeline.lake.days import event_range, split_by_day
from ray_pipeline.lake.landing import Checkpoint, keep_contract, land_bad, land_rows, read_bad
from ray_pipeline.lake.parquet import decode_parquet
from ray_pipeline.lake.rows import landed_schema, landed_table
from ray_pipeline.testing.source import ScriptedRecord, batch_of
from ray_pipeline.testing.store import MemoryStore
from ray_pipeline.types import BadRecord, ContractRef, TopicPartition, Violation

TP = TopicPartition("departures", 2)
PLACE = Checkpoint("flights", TP, 10, 20, 3, "ab12")
CONTRACT = ContractRef("departures", "1.0.0", "d1")
MICROS = pa.timestamp("us", tz="UTC")


@dataclass
class Events:
    """As much of a contract as landing asks for."""

    id: str = "departures"
    version: str = "1.0.0"
    kind: str = "odcs"
    digest: str = "d1"
    text: str = "id: departures\n"
    land_headers: bool = False
    landing_schema = pa.schema([pa.field("at", MICROS), pa.field("n", pa.int64())])


def rows(moments: list[datetime | None], published: list[int], headers: bool = False) -> pa.Table:
    records = [
        ScriptedRecord(10 + i, b"{}", key=b"k" if i else None, timestamp=stamp, headers=(("h", b"1"), ("h", None)))
        for i, stamp in enumerate(published)
    ]
    own = pa.table({"at": pa.array(moments, MICROS), "n": pa.array(range(len(moments)), pa.int64())})
    contract = cast("Any", Events(land_headers=headers))
    return landed_table(contract, batch_of(TP, 10, 10 + len(records), records), range(len(records)), own)


MOMENTS = st.one_of(
    st.none(), st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(lambda d: d.replace(tzinfo=UTC))
)


@settings(deadline=None)
@given(st.lists(st.tuples(MOMENTS, st.integers(-1, 4 * 10**12)), min_size=1, max_size=30))
def test_each_row_is_in_the_file_of_its_event_day(cases: list[tuple[datetime | None, int]]) -> None:
    table = rows([moment for moment, _ in cases], [stamp for _, stamp in cases])
    parts = split_by_day(table, "at")
    found = {n: day for day, part in parts for n in part["n"].to_pylist()}
    for n, (moment, stamp) in enumerate(cases):
        known = moment or datetime.fromtimestamp(max(stamp, 0) / 1000, UTC)
        assert found[n] == known.date().isoformat()
    assert len({day for day, _ in parts}) == len(parts)
    for _, part in parts:
        assert part["_offset"].to_pylist() == sorted(part["_offset"].to_pylist())


def test_without_an_event_time_the_day_is_kafkas() -> None:
    table = rows([None, None], [1_357_000_000_000, -1])
    assert [day for day, _ in split_by_day(table, None)] == ["1970-01-01", "2013-01-01"]
    assert event_range(table, None) == (None, None)


def test_a_date_column_names_the_day_itself() -> None:
    table = rows([None, None], [0, 0]).set_column(0, "at", pa.array([date(2013, 5, 1), date(1969, 12, 31)]))
    assert [day for day, _ in split_by_day(table, "at")] == ["1969-12-31", "2013-05-01"]
    assert event_range(table, "at") == ("1969-12-31T00:00:00.000000Z", "2013-05-01T00:00:00.000000Z")


def test_an_event_time_past_the_last_year_of_datetime_lands() -> None:
    beyond = pa.array([253402300800 * 10**6], pa.int64()).cast(MICROS)
    table = rows([None], [0]).set_column(0, "at", beyond)
    files = land_rows(MemoryStore(), PLACE, [table], "at").files
    assert files[0].day is not None
    assert "10000" in files[0].day


def test_every_file_of_a_contract_has_exactly_one_schema() -> None:
    store = MemoryStore()
    tables = [rows([datetime(2013, 1, 1, tzinfo=UTC), None], [-1, 5]), rows([None], [7])]
    landed = land_rows(store, PLACE, tables, "at")
    assert {pq.read_schema(pa.BufferReader(store.objects[file.key])) for file in landed.files} == {
        landed_schema(cast("Any", Events()))
    }
    for column in landed_schema(cast("Any", Events(land_headers=True))):
        assert not pa.types.is_dictionary(column.type)
        assert not pa.types.is_null(column.type)
        assert not pa.types.is_unsigned_integer(column.type)


def test_what_the_log_entry_says_of_a_file_is_so() -> None:
    store = MemoryStore()
    landed = land_rows(store, PLACE, [rows([datetime(2013, 1, 1, 5, tzinfo=UTC)] * 3, [5, 6, 7])], "at")
    (file,) = landed.files
    content = store.objects[file.key]
    assert file.key == (
        "flights/data/departures/00002/00000000000000000010-00000000000000000020-2013-01-01-e3-ab12.parquet"
    )
    assert (file.rows, file.bytes, file.day) == (3, len(content), "2013-01-01")
    assert file.sha256 == hashlib.sha256(content).hexdigest()
    assert landed.event_time_min == landed.event_time_max == "2013-01-01T05:00:00.000000Z"
    column = pq.ParquetFile(pa.BufferReader(content)).metadata.row_group(0).column(3)
    assert column.statistics.has_min_max
    assert column.compression == "ZSTD"


def test_rows_lead_back_to_their_record() -> None:
    (row, other) = rows([None, None], [1_357_000_000_123, -1], headers=True).to_pylist()
    assert row == {
        "at": None,
        "n": 0,
        "_topic": "departures",
        "_partition": 2,
        "_offset": 10,
        "_timestamp": datetime(2013, 1, 1, 0, 26, 40, 123000, tzinfo=UTC),
        "_key": None,
        "_contract": "departures",
        "_contract_version": "1.0.0",
        "_headers": [{"key": "h", "value": b"1"}, {"key": "h", "value": None}],
    }
    assert other["_timestamp"] is None
    assert other["_key"] == b"k"


def test_only_some_records_of_a_batch_land() -> None:
    records = [ScriptedRecord(10 + i, b"{}", timestamp=i) for i in range(5)]
    own = pa.table({"at": pa.nulls(2, MICROS), "n": pa.array([1, 3], pa.int64())})
    table = landed_table(cast("Any", Events()), batch_of(TP, 10, 15, records), [1, 3], own)
    assert table["_offset"].to_pylist() == [11, 13]


def test_no_rows_no_file() -> None:
    store = MemoryStore()
    assert land_rows(store, PLACE, [], "at").files == ()
    assert land_bad(store, PLACE, [], CONTRACT) == ()
    assert not store.objects


PATHS = st.lists(st.one_of(st.integers(0, 99), st.text(max_size=5).filter(lambda key: not key.isdigit())), max_size=3)
VIOLATIONS = st.builds(
    Violation, PATHS.map(tuple), st.sampled_from(["type", "json.malformed"]), st.just("/type"), st.text(max_size=10)
)
RECORDS = st.builds(
    BadRecord,
    st.integers(10, 19),
    st.integers(-1, 4 * 10**12),
    st.none() | st.binary(max_size=20),
    st.none() | st.binary(max_size=20),
    st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), max_size=3).map(tuple),
    st.lists(VIOLATIONS, min_size=1, max_size=3).map(tuple),
)


@settings(deadline=None)
@given(st.lists(RECORDS, min_size=1, max_size=10))
def test_a_bad_record_comes_back_as_it_was(records: list[BadRecord]) -> None:
    store = MemoryStore()
    (file,) = land_bad(store, PLACE, records, CONTRACT)
    assert read_bad(store, file) == records
    assert decode_parquet(store.objects[file.key]).schema == BAD_SCHEMA


def test_a_key_that_utf8_cannot_hold_is_escaped_in_the_path() -> None:
    store = MemoryStore()
    record = BadRecord(10, 0, None, b"{", (), (Violation(("\ud800",), "type", "", "no"),))
    (file,) = land_bad(store, PLACE, [record], CONTRACT)
    assert read_bad(store, file)[0].violations[0].path == ("\\ud800",)


def test_a_damaged_or_missing_bad_file_is_named() -> None:
    store = MemoryStore()
    (file,) = land_bad(store, PLACE, [BadRecord(10, 0, None, b"{", (), (Violation((), "t", "", ""),))], CONTRACT)
    store.objects[file.key] = store.objects[file.key][:-1] + b"x"
    with pytest.raises(FileCorruptError, match="SHA-256"):
        read_bad(store, file)
    store.delete(file.key)
    with pytest.raises(FileCorruptError, match="missing"):
        read_bad(store, file)


def test_the_contracts_text_lies_under_its_digest() -> None:
    store = MemoryStore()
    keep_contract(store, "flights", cast("Any", Events()))
    assert store.objects == {"flights/contracts/d1.yaml": b"id: departures\n"}
