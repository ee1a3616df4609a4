"""Curated tables on an embedded catalog, read by engines that this package did not write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from shutil import rmtree

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ray_pipeline.config import PipelineConfig
from ray_pipeline.connectors.iceberg.catalog import CuratedCatalog, open_catalog
from ray_pipeline.connectors.iceberg.files import encode, parts, prepare
from ray_pipeline.connectors.iceberg.table import CuratedTable
from ray_pipeline.connectors.object_store import open_store
from ray_pipeline.errors import CatalogConflictError, FileCorruptError, TableSchemaError, UsageError
from ray_pipeline.lake.schema_union import conform
from tests.curated import MOMENT, config, land, plain, rows

JANUARY_2 = datetime(2013, 1, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _planner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")  # the other planner is a package of its own


@pytest.fixture
def settings(tmp_path: Path) -> PipelineConfig:
    return config(tmp_path)


@pytest.fixture
def catalog(settings: PipelineConfig) -> Iterator[CuratedCatalog]:
    with open_catalog(settings) as catalog:
        yield catalog


@pytest.fixture
def table(catalog: CuratedCatalog) -> CuratedTable:
    return catalog.ensure("departures", rows(1).schema, "at")


def by_polars(table: CuratedTable, reader: str = "native", **options: object) -> pl.LazyFrame:
    return pl.scan_iceberg(table.info()["metadata"], reader_override=reader, **options)  # type: ignore[arg-type]


def by_duckdb(table: CuratedTable, snapshot_id: int | None = None) -> pa.Table:
    files = [uri for uri, _ in table.files(snapshot_id)]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone='UTC'")
        relation = connection.sql("SELECT * FROM read_parquet($files, union_by_name=true)", params={"files": files})
        return relation.to_arrow_table()


def test_landed_files_are_read_back_row_for_row_by_every_engine(settings: PipelineConfig, table: CuratedTable) -> None:
    days = [rows(day) for day in (1, 2, 3)]
    uris = [land(settings, f"day-{i}", day) for i, day in enumerate(days)]
    table.publish(0, uris, {"ray-pipeline.run-id": "r0"}, days[0].schema)
    expected = plain(pa.concat_tables(days))
    assert plain(by_polars(table).collect().to_arrow()) == expected
    assert plain(by_duckdb(table)) == expected
    assert plain(table.scan()) == expected
    assert table.files() == [(uri, 4) for uri in sorted(uris)]
    assert table.scan().schema.field("_timestamp").type == pa.timestamp("us", tz="UTC")


def test_pyicebergs_own_reader_differs_in_null_lists_of_records_alone(
    settings: PipelineConfig, table: CuratedTable
) -> None:
    day = rows(1)
    table.publish(0, [land(settings, "day", day)], {}, day.schema)
    read = by_polars(table, "pyiceberg").collect().to_arrow()
    lists = ["stops", "_headers"]
    assert plain(read.drop(lists)) == plain(day.drop(lists))
    assert read.column("codes").null_count == 1
    assert [read.column(name).null_count for name in lists] == [0, 0], "it has been mended: reading.py may go"


@pytest.mark.parametrize("reader", ["native", "pyiceberg"])
def test_a_filter_on_the_event_time_finds_every_row_and_opens_no_other_day(
    settings: PipelineConfig, table: CuratedTable, reader: str
) -> None:
    uris = [land(settings, f"day-{day}", rows(day)) for day in (1, 2, 3)]
    table.publish(0, uris, {}, rows(1).schema)
    for other in (1, 3):
        Path(uris[other - 1]).write_bytes(b"whoever opens this file fails")
    inside = (pl.col("at") >= JANUARY_2) & (pl.col("at") < JANUARY_2 + timedelta(days=1))
    found = by_polars(table, reader).filter(inside).collect().to_arrow()
    assert found.column("_offset").to_pylist() == [20, 21, 22, 23]


def test_filters_on_plain_columns_agree_with_the_rows(settings: PipelineConfig, table: CuratedTable) -> None:
    uris = [land(settings, f"day-{day}", rows(day)) for day in (1, 2, 3)]
    table.publish(0, uris, {}, rows(1).schema)
    for condition in (
        pl.col("_timestamp") >= JANUARY_2,
        pl.col("seats") == 2,
        pl.col("seats") == 2**31 - 1,
        pl.col("born") == date(2013, 1, 3),
        pl.col("price") > 1,
        pl.col("tail") == "Ä" * 40,
        pl.col("delay").is_null(),
        pl.col("far") > JANUARY_2,
        pl.col("far") < JANUARY_2,
        pl.col("late"),
    ):
        everything = by_polars(table).collect().filter(condition)
        assert by_polars(table).filter(condition).collect().sort("_offset").equals(everything.sort("_offset"))
        assert everything.height


def test_a_new_column_is_null_in_older_files_and_a_wider_one_keeps_their_values(
    settings: PipelineConfig, table: CuratedTable
) -> None:
    old = rows(1)
    before = table.publish(0, [land(settings, "old", old)], {}, old.schema)
    wide = {
        "seats": pa.array([2**40, None, -1, 0], pa.int64()),
        "price": pa.array([None] * 4, pa.decimal128(20, 2)),
        "gate": pa.array(["B7", None, "", "C"], pa.string()),
        "place": pa.array(
            [{"name": "EWR", "deep": {"tags": []}, "zip": 7}] * 4,
            pa.struct([*rows(1).schema.field("place").type, pa.field("zip", pa.int64())]),
        ),
    }
    new = rows(2, wide)
    table.publish(1, [land(settings, "new", new)], {}, new.schema)
    late = land(settings, "late", rows(3))  # of the older contract, released afterwards
    table.publish(2, [late], {})
    expected = plain(pa.concat_tables([conform(old, new.schema), new, conform(rows(3), new.schema)]))
    assert plain(by_polars(table).collect().to_arrow()) == expected
    assert plain(table.scan()) == expected
    assert plain(by_duckdb(table)) == expected
    assert plain(table.scan(before)) == plain(old)
    for condition in (pl.col("seats") == 1, pl.col("seats") > 2**33, pl.col("gate").is_null(), pl.col("price") > 1):
        everything = by_polars(table).collect().filter(condition).sort("_offset")
        assert by_polars(table).filter(condition).collect().sort("_offset").equals(everything)
        assert everything.height


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seats": pa.array([1.5] * 4)}, "'seats' is int32 in the table and double in the contract"),
        ({"tail": pa.array([b"x"] * 4)}, "'tail' is string in the table and binary"),
        ({"at": pa.array([None] * 4, pa.timestamp("us"))}, "'at' is timestamp"),
        ({"price": pa.array([None] * 4, pa.decimal128(10, 3))}, "'price' is decimal128"),
        ({"codes": pa.array(["x"] * 4)}, "'codes' is list"),
        ({"place": pa.array([{"name": 1}] * 4)}, "'place.name' is string"),
        ({"_event_day": pa.array([1] * 4)}, "_event_day, as its partition is"),
        ({"wait": pa.array([1] * 4, pa.duration("s"))}, "'wait' is duration"),
    ],
)
def test_a_change_that_iceberg_cannot_make_is_refused_before_anything_is_written(
    settings: PipelineConfig, table: CuratedTable, change: dict[str, pa.Array], said: str
) -> None:
    table.publish(0, [land(settings, "one", rows(1))], {}, rows(1).schema)
    before, objects = table.info(), everything_in(settings)
    changed = rows(2, change)
    assert re.search(said, table.refuses(changed.schema) or "")
    assert table.refuses(rows(1, {"more": pa.array([1] * 4)}).schema) is None
    with pytest.raises(TableSchemaError, match=said):
        table.publish(1, [], {}, changed.schema)
    assert table.info() == before
    assert everything_in(settings) == objects


def everything_in(settings: PipelineConfig) -> list[str]:
    return [key for key in open_store(settings.store).list("") if "_gate" in key]


def test_a_file_that_would_vanish_under_filters_is_never_added(settings: PipelineConfig, table: CuratedTable) -> None:
    unknown = land(settings, "unknown", rows(1), write_statistics=False)
    spread = land(settings, "spread", pa.concat_tables([rows(1), rows(2)]))
    absent = land(settings, "absent", rows(1).drop(["at"]))
    for uri, said in ((unknown, "no statistics"), (spread, "more than one day"), (absent, "is not in it")):
        with pytest.raises(TableSchemaError, match=said):
            table.publish(0, [uri], {}, rows(1).schema)
    with pytest.raises(TableSchemaError, match="a column that the table lacks: 'gate'"):
        table.publish(0, [land(settings, "more", rows(1, {"gate": pa.array(["x"] * 4)}))], {})
    with pytest.raises(FileCorruptError, match=r"none\.parquet: is missing"):
        table.publish(0, [f"{settings.store}/none.parquet"], {})
    garbage = Path(settings.store, "garbage.parquet")
    garbage.write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(FileCorruptError, match="is no readable Parquet file"):
        table.publish(0, [str(garbage)], {})
    assert (table.applied, table.info()["rows"]) == (-1, 0)


def test_files_of_others_are_written_anew_and_then_hold_the_same_values(
    settings: PipelineConfig, catalog: CuratedCatalog
) -> None:
    foreign = pa.table(
        {
            "at": pa.array(
                [None, JANUARY_2, JANUARY_2 + timedelta(days=1), None], pa.timestamp("ns", tz="Europe/Paris")
            ),
            "code": pa.array(["a", None, "a", "b"]).dictionary_encode(),
            "small": pa.array([1, 2, None, 255], pa.uint8()),
            "huge": pa.array([2**64 - 1, 0, None, 1], pa.uint64()),
            "day": pa.array([date(2013, 1, 1)] * 4, pa.date64()),
            "half": pa.array([1.5, None, 0.0, -1.0], pa.float16()),
            "pair": pa.array([[1, 2], None, [3, None], [4, 5]], pa.list_(pa.int16(), 2)),
            "of": pa.array([[("k", 1)], None, [], [("l", None)]], pa.map_(pa.string(), pa.uint32())),
            "nothing": pa.nulls(4),
            "_offset": pa.array([0, 1, 2, 3], pa.int64()),
        }
    )
    table = catalog.ensure("vendor", foreign.schema, "at")
    files = parts(prepare(foreign, table.schema), table.partition_column)
    assert [part.num_rows for part in files] == [2, 1, 1]
    store = open_store(settings.store)
    for i, part in enumerate(files):
        store.put(f"part-{i}.parquet", encode(part))
    table.publish(0, [store.uri(f"part-{i}.parquet") for i in range(3)], {}, foreign.schema)
    read = by_polars(table).collect().sort("_offset")
    assert read["code"].to_list() == ["a", None, "a", "b"]
    assert [None if v is None else int(v) for v in read["huge"]] == [2**64 - 1, 0, None, 1]
    assert read["pair"].to_list() == [[1, 2], None, [3, None], [4, 5]]
    assert read["half"].to_list() == [1.5, None, 0.0, -1.0]
    assert read["at"].to_list()[1] == JANUARY_2
    assert by_polars(table).filter(pl.col("at").is_null()).collect().height == 2
    assert by_polars(table).filter(pl.col("at") >= JANUARY_2).collect().height == 2
    assert table.scan().column("of").to_pylist().count([("k", 1)]) == 1


def test_an_event_time_outside_of_pythons_calendar_stops_no_table(
    settings: PipelineConfig, catalog: CuratedCatalog
) -> None:
    far, early = 253402300800000000, -62135596800000001  # 10000-01-01, and the moment before the year 1
    days = [pa.table({"at": pa.array([at], MOMENT), "_offset": [i]}) for i, at in enumerate((far, 0, early))]
    table = catalog.ensure("odd", days[0].schema, "at")
    table.publish(0, [land(settings, f"odd-{i}", day) for i, day in enumerate(days)], {}, days[0].schema)
    table.publish(1, [], {})
    for reader in ("native", "pyiceberg"):
        read = by_polars(table, reader).sort("_offset")
        assert read.filter(pl.col("at") > JANUARY_2).collect()["_offset"].to_list() == [0]
        assert read.filter(pl.col("at") < JANUARY_2).collect()["_offset"].to_list() == [1, 2]
    assert table.scan().column("at").cast(pa.int64()).to_pylist() == [far, 0, early]


def test_a_table_without_event_time_is_partitioned_by_the_kafka_timestamp(
    settings: PipelineConfig, catalog: CuratedCatalog
) -> None:
    published = rows(1).filter(pc.is_valid(rows(1)["_timestamp"]))
    table = catalog.ensure("plain", published.schema, None)
    assert table.partition_column == "_timestamp"
    table.publish(0, [land(settings, "plain", published)], {}, published.schema)
    assert by_polars(table).filter(pl.col("_timestamp") < JANUARY_2).collect().height == 3


def test_a_date_is_its_own_partition_and_a_table_without_any_moment_has_none(
    settings: PipelineConfig, catalog: CuratedCatalog
) -> None:
    dated = pa.table({"d": pa.array([date(2013, 1, 2)] * 2), "_offset": pa.array([0, 1])})
    table = catalog.ensure("dated", dated.schema, "d")
    table.publish(0, [land(settings, "dated", dated)], {}, dated.schema)
    assert by_polars(table).filter(pl.col("d") == date(2013, 1, 2)).collect().height == 2
    bare = catalog.ensure("bare", dated.drop(["d"]).schema, None)
    bare.publish(0, [land(settings, "bare", dated.drop(["d"]))], {}, None)
    assert bare.partition_column is None
    assert bare.scan().num_rows == 2


def test_time_travel_and_tags_lead_back_to_what_was_published(settings: PipelineConfig, table: CuratedTable) -> None:
    ids = []
    for n, day in enumerate((1, 2, 3)):
        tags = ["training-1"] if n == 1 else []
        ids.append(table.publish(n, [land(settings, f"day-{day}", rows(day))], {"run": f"r{n}"}, rows(1).schema, tags))
    assert [table.scan(snapshot_id).num_rows for snapshot_id in ids] == [4, 8, 12]
    assert [by_polars(table, snapshot_id=i).collect().height for i in ids] == [4, 8, 12]
    assert [by_duckdb(table, i).num_rows for i in ids] == [4, 8, 12]
    assert [(s.snapshot_id, s.decision, s.rows, s.summary["run"], s.tags) for s in table.snapshots()] == [
        (ids[0], 0, 4, "r0", ()),
        (ids[1], 1, 8, "r1", ("training-1",)),
        (ids[2], 2, 12, "r2", ()),
    ]
    assert table.info()["snapshot_id"] == ids[2]
    assert table.snapshot_of(1) == ids[1]
    table.tag(ids[0], "first")
    table.tag(ids[0], "first")
    assert table.snapshots()[0].tags == ("first",)
    with pytest.raises(UsageError, match="names snapshot"):
        table.tag(ids[1], "first")
    with pytest.raises(UsageError, match="has no snapshot 7"):
        table.scan(7)
    with pytest.raises(CatalogConflictError, match="its tag first"):
        table.publish(3, [], {}, None, ["first"])


def test_a_decision_that_publishes_nothing_is_a_snapshot_too(settings: PipelineConfig, table: CuratedTable) -> None:
    first = table.publish(0, [], {"verdict": "held"}, None, ["empty"])
    second = table.publish(1, [land(settings, "one", rows(1))], {}, rows(1).schema)
    third = table.publish(2, [], {})
    assert len({first, second, third}) == 3
    assert [s.rows for s in table.snapshots()] == [0, 4, 4]


def test_a_decision_must_follow_on_the_one_it_names(table: CuratedTable) -> None:
    table.publish(0, [], {}, after=-1)
    with pytest.raises(CatalogConflictError, match="follows on decision 1, and the table holds 0"):
        table.publish(2, [], {}, after=1)
    table.publish(7, [], {}, after=0)
    assert table.applied == 7
    assert table.publish(7, [], {}, after=0) == table.snapshot_of(7)


def test_a_file_of_an_earlier_decision_is_not_added_again(settings: PipelineConfig, table: CuratedTable) -> None:
    one, two = land(settings, "one", rows(1)), land(settings, "two", rows(2))
    table.publish(0, [one], {}, rows(1).schema)
    table.publish(1, [one, two], {})
    assert table.files() == [(one, 4), (two, 4)]
    with pytest.raises(CatalogConflictError, match="names a file twice"):
        table.publish(2, [one, one], {})


def test_a_catalog_whose_file_was_deleted_finds_its_tables_again(
    settings: PipelineConfig, catalog: CuratedCatalog, table: CuratedTable
) -> None:
    first = table.publish(0, [land(settings, "one", rows(1))], {}, rows(1).schema)
    table.publish(1, [land(settings, "two", rows(2))], {}, None, ["kept"])
    catalog.close()
    Path(settings.store, "flights", "_gate", "catalog.db").unlink()
    folder = Path(table_folder(settings), "metadata")
    (folder / "00009-lost-a-race.metadata.json").write_text('{"format-version": 2')
    with open_catalog(settings) as again:
        assert again.table("departures") is None
        found = again.ensure("departures", rows(1).schema, "at")
        assert (found.applied, found.info()["rows"]) == (1, 8)
        assert plain(found.scan(first)) == plain(rows(1))
        found.publish(2, [land(settings, "three", rows(3))], {})
        assert found.info()["rows"] == 12


def test_a_table_without_any_trace_is_made_anew_and_takes_every_decision_again(
    settings: PipelineConfig, catalog: CuratedCatalog, table: CuratedTable
) -> None:
    uri = land(settings, "one", rows(1))
    table.publish(0, [uri], {}, rows(1).schema)
    catalog.close()
    rmtree(Path(settings.store, "flights", "_gate"))
    with open_catalog(settings) as again:
        fresh = again.ensure("departures", rows(1).schema, "at")
        assert fresh.applied == -1
        fresh.publish(0, [uri], {}, rows(1).schema)
        assert fresh.info()["rows"] == 4


def table_folder(settings: PipelineConfig) -> str:
    return f"{settings.store}/flights/_gate/_warehouse/departures"


def test_looking_for_a_table_makes_nothing(settings: PipelineConfig, catalog: CuratedCatalog) -> None:
    assert catalog.table("departures") is None
    assert not Path(settings.store).exists()


@pytest.mark.parametrize("folder", ["we ird", "a#b", "x?y=1", "100%20", "übung"])
def test_a_store_may_lie_in_a_folder_of_any_name(tmp_path: Path, folder: str) -> None:
    settings = config(tmp_path / folder)
    with open_catalog(settings) as catalog:
        table = catalog.ensure("departures", rows(1).schema, "at")
        table.publish(0, [land(settings, "one", rows(1))], {}, rows(1).schema)
        assert by_polars(table).collect().height == by_duckdb(table).num_rows == table.scan().num_rows == 4


def test_many_publications_leave_few_manifests(settings: PipelineConfig, table: CuratedTable) -> None:
    uri = land(settings, "one", rows(1))
    table.publish(0, [uri], {}, rows(1).schema)
    for n in range(1, 12):
        table.publish(n, [], {})
    assert table.info()["rows"] == 4
    assert len(table.snapshots()) == 12
