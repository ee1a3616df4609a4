"""A snapshot is what was committed at one moment, and stays it."""

from __future__ import annotations

from collections.abc import Iterator

import fsspec
import pyarrow as pa
import pytest

from ray_pipeline.errors import FileCorruptError
from ray_pipeline.lake.history import read_commits, read_history
from ray_pipeline.lake.keys import LogId, entry_key, segment_key
from ray_pipeline.lake.schema_union import conform, unite
from ray_pipeline.lake.snapshot import read, take_snapshot
from ray_pipeline.testing.store import MemoryStore

from .lakes import ORDERS, Writer, contract_of, data_entries, good_lake, log_id, order


class CountingStore(MemoryStore):
    """Says what was asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[str] = []
        self.listed: list[str] = []

    def get(self, key: str) -> bytes | None:
        self.got.append(key)
        return super().get(key)

    def list(self, prefix: str) -> Iterator[str]:
        self.listed.append(prefix)
        return super().list(prefix)


def test_a_snapshot_has_the_landed_files_and_never_a_bad_one() -> None:
    lake = good_lake()
    snapshot = take_snapshot(lake, "shop", "orders")
    named = [file for partition in (0, 1) for _, data in data_entries(lake, partition) for file in data.files]
    assert list(snapshot.files) == named
    assert all("/bad/" not in uri for uri in snapshot.uris())
    assert snapshot.uris()[0] == f"memory://lake/{named[0].key}"
    assert [file.rows for file in snapshot.bad_files] == [2, 1]
    assert (snapshot.rows, [tail.end for tail in snapshot.tails]) == (25, [25, 105])
    assert "25 rows" in repr(snapshot)


def test_a_snapshot_stays_what_it_is_while_the_log_grows() -> None:
    lake = good_lake()
    before = take_snapshot(lake, "shop", "orders")
    Writer(lake, 1).claim().commit(110, {o: order(o) for o in range(105, 110)})
    Writer(lake, 2).claim().commit(5, {o: order(o) for o in range(5)})
    after = take_snapshot(lake, "shop", "orders")
    assert (before.rows, after.rows) == (25, 35)
    again = take_snapshot(lake, "shop", "orders", through={tail.log: tail.n for tail in before.tails})
    assert again == before
    assert again.to_table().equals(before.to_table())


def test_a_snapshot_never_lists_data_nor_entries() -> None:
    lake = CountingStore()
    Writer(lake).claim().commit(5, {o: order(o) for o in range(5)})
    lake.listed.clear()
    take_snapshot(lake, "shop", "orders")
    assert lake.listed == ["shop/_topics/orders"]


def test_files_that_no_entry_names_do_not_count() -> None:
    lake = good_lake()
    orphan = next(key for key in lake.objects if "/data/" in key)
    lake.put(orphan.replace("-e1-", "-e9-"), lake.objects[orphan])
    assert take_snapshot(lake, "shop", "orders").rows == 25


def test_a_topic_without_logs_is_empty() -> None:
    snapshot = take_snapshot(MemoryStore(), "shop", "orders")
    assert (snapshot.files, snapshot.to_table().num_rows) == ((), 0)


def test_the_table_holds_every_row_typed() -> None:
    table = take_snapshot(good_lake(), "shop", "orders").to_table()
    assert table.num_rows == 25
    assert sorted(zip(table["_partition"].to_pylist(), table["_offset"].to_pylist(), strict=True)) == [
        *((0, o) for o in [*range(8), *range(10, 17), *range(20, 25)]),
        *((1, o) for o in range(100, 105)),
    ]
    assert table.schema.field("at").type == pa.timestamp("us", tz="UTC")


def test_columns_are_chosen_by_name() -> None:
    snapshot = take_snapshot(good_lake(), "shop", "orders")
    assert snapshot.to_table(["qty", "_offset"]).column_names == ["qty", "_offset"]
    with pytest.raises(KeyError, match="nonesuch"):
        snapshot.to_table(["nonesuch"])


def test_a_changed_file_is_not_read() -> None:
    lake = good_lake()
    snapshot = take_snapshot(lake, "shop", "orders")
    content = lake.objects[snapshot.files[0].key]
    lake.objects[snapshot.files[0].key] = content[:50] + bytes([content[50] ^ 1]) + content[51:]
    with pytest.raises(FileCorruptError, match="SHA-256"):
        snapshot.to_table()
    lake.delete(snapshot.files[0].key)
    with pytest.raises(FileCorruptError, match="missing"):
        snapshot.to_table()


def test_a_file_system_reads_the_same() -> None:
    lake = good_lake()
    snapshot = take_snapshot(lake, "shop", "orders")
    files = fsspec.filesystem("memory")
    for file in snapshot.files:
        files.pipe(lake.uri(file.key), lake.objects[file.key])
    assert read(snapshot, files).equals(snapshot.to_table())
    assert read(snapshot, files, ["qty"]).equals(snapshot.to_table(["qty"]))
    files.pipe(lake.uri(snapshot.files[0].key), b"short")
    with pytest.raises(FileCorruptError, match="size"):
        read(snapshot, files)


def test_contract_versions_meet_by_name() -> None:
    lake = MemoryStore()
    writer = Writer(lake).claim().commit(2, {o: order(o) for o in range(2)})
    wider = contract_of(ORDERS.replace("1.0.0", "1.1.0") + "      - {name: paid, logicalType: boolean}\n")
    writer.claim(wider).commit(4, {o: order(o, paid=True) for o in range(2, 4)})
    table = take_snapshot(lake, "shop", "orders").to_table()
    assert sorted(table["paid"].to_pylist(), key=str) == [None, None, True, True]
    assert set(table["_contract_version"].to_pylist()) == {"1.0.0", "1.1.0"}


def test_types_that_contradict_are_refused_by_name() -> None:
    lake = MemoryStore()
    writer = Writer(lake).claim().commit(2, {o: order(o) for o in range(2)})
    other = contract_of(
        ORDERS.replace("1.0.0", "2.0.0").replace("note, logicalType: string", "note, logicalType: integer")
    )
    writer.claim(other).commit(4, {o: order(o, note=1) for o in range(2, 4)})
    with pytest.raises(FileCorruptError, match="'note' is int64 here and string in an earlier file"):
        take_snapshot(lake, "shop", "orders").to_table()


def test_nested_columns_meet_by_name_and_keep_their_nulls() -> None:
    old = pa.array([[{"a": 1}, None], None, []], pa.list_(pa.struct([("a", pa.int32())])))
    table = pa.table({"x": old}).slice(0)
    schema = unite(table.schema, pa.schema([("x", pa.list_(pa.struct([("a", pa.int64()), ("b", pa.string())])))]), "f")
    expected = [[{"a": 1, "b": None}, None], None, []]
    assert conform(table, schema)["x"].to_pylist() == expected
    assert conform(table.slice(1), schema)["x"].to_pylist() == expected[1:]


def many_commits(count: int, store: MemoryStore) -> LogId:
    writer = Writer(store).claim()
    for i in range(count):
        writer.commit(i + 1, {i: order(i)})
    return writer.log_id


def test_history_is_the_same_with_and_without_segments() -> None:
    lake = CountingStore()
    log = many_commits(250, lake)
    history = list(read_history(lake, log))
    assert [n for n, _ in history] == list(range(252))
    lake.got.clear()
    assert len(list(read_commits(lake, log))) == 250
    assert len(lake.got) < 60, "two segments and the entries after them"
    for last in (99, 199):
        lake.delete(segment_key(log, last))
    assert list(read_history(lake, log)) == history
    assert [n for n, _ in read_history(lake, log, first=150, through=205)] == list(range(150, 206))


def test_history_ends_at_the_last_entry_even_where_a_segment_ends() -> None:
    lake = MemoryStore()
    log = many_commits(98, lake)
    assert entry_key(log, 99) in lake.objects
    assert len(list(read_history(lake, log))) == 100


def test_a_log_that_is_about_to_begin_is_no_part_of_a_snapshot() -> None:
    lake = good_lake()
    lake.delete(entry_key(log_id(1), 0))
    assert [tail.log.partition for tail in take_snapshot(lake, "shop", "orders").tails] == [0]
