"""Which files can be added to a table as they are, and how the others are written anew."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ray_pipeline.connectors.iceberg.columns import clash, curated_schema, widens
from ray_pipeline.connectors.iceberg.files import addable, encode, event_day, parts, prepare
from ray_pipeline.errors import TableSchemaError
from tests.curated import MOMENT, footer, rows

DAY = 86_400_000_000
FAR = 253402300800000000  # the first moment of the year 10000


def moments(*values: int | None, unit: str = "us", tz: str | None = "UTC") -> pa.Table:
    return pa.table({"at": pa.array(values, pa.timestamp(unit, tz=tz))})


def test_a_landed_file_is_added_as_it_is() -> None:
    assert addable(footer(rows(1)), "at") is None
    assert addable(footer(rows(1)), "at", curated_schema(rows(1).schema)) is None
    assert event_day(footer(rows(1)), "at") == 15706


@pytest.mark.parametrize(
    ("table", "options", "said"),
    [
        (moments(0, 1), {"write_statistics": False}, "column 'at' has no statistics"),
        (moments(0, DAY), {}, "column 'at' has more than one day"),
        (moments(-1, 0), {}, "column 'at' has more than one day"),
        (moments(0, None), {}, "column 'at' is null in some of its rows"),
        (moments(0, 1, DAY), {"row_group_size": 1}, "column 'at' has more than one day"),
        (moments(0, None), {"row_group_size": 1}, "column 'at' is null in some of its rows"),
        (moments(), {}, "it holds no rows"),
        (moments(0, unit="ns"), {}, r"column 'at' is timestamp\[ns"),
        (moments(0, tz="Europe/Paris"), {}, r"column 'at' is timestamp\[us, tz=Europe/Paris\]"),
        (moments(0), {"use_deprecated_int96_timestamps": True}, r"column 'at' is timestamp\[ns"),
        (pa.table({"b": [1]}), {}, "column 'at', whose day is its partition, is not in it"),
        (pa.table({"at": [1]}), {}, "neither a moment nor a date"),
        (rows(1, {"s": pa.array(["a"] * 4).dictionary_encode()}), {}, "column 's' is dictionary"),
        (rows(1, {"s": pa.array([1] * 4, pa.uint32())}), {}, "column 's' is uint32"),
        (rows(1, {"s": pa.array([1] * 4, pa.int8())}), {}, "column 's' is int8"),
        (rows(1, {"s": pa.array([{"x": 1}] * 4, pa.struct([("x", pa.float16())]))}), {}, "column 's' is struct"),
        (rows(1), {"use_compliant_nested_type": False}, "lists or maps are not laid out"),
        (rows(1).rename_columns(["x"] * 2 + rows(1).column_names[2:]), {}, "two of its columns have one name"),
    ],
)
def test_a_file_that_readers_would_not_find_or_not_agree_on_is_named(
    table: pa.Table, options: dict[str, Any], said: str
) -> None:
    found = addable(footer(table, **options), "at")
    assert found is not None and re.search(said, found)


def test_a_file_that_carries_ids_of_another_table_is_not_added() -> None:
    marked = pa.field("at", MOMENT, metadata={b"PARQUET:field_id": b"7"})
    table = pa.table([moments(0)["at"]], schema=pa.schema([marked]))
    assert addable(footer(table), "at") == "it has field ids of another table"


def test_a_file_whose_columns_are_wider_than_the_tables_waits_for_the_table() -> None:
    known = curated_schema(rows(1).schema)
    wide = rows(1, {"seats": pa.array([2**40] * 4, pa.int64())})
    assert "wider than in the table" in str(addable(footer(wide), "at", known))
    assert addable(footer(rows(1)), "at", curated_schema(wide.schema)) is None
    other = rows(1, {"seats": pa.array(["x"] * 4)})
    assert "is int32 in the table and string in the file" in str(addable(footer(other), "at", known))


@pytest.mark.parametrize(
    ("table", "day"),
    [
        (moments(0, DAY - 1), 0),
        (moments(-DAY, -1), -1),
        (moments(FAR, FAR + 1), FAR // DAY),
        (moments(0, 86_399_999, unit="ms"), 0),
        (moments(5, tz=None), 0),
        (moments(None, None), None),
        (pa.table({"at": pa.array([date(2013, 1, 1)])}), 15706),
    ],
)
def test_the_day_is_read_from_the_statistics_however_far_away_it_is(table: pa.Table, day: int | None) -> None:
    assert addable(footer(table), "at") is None
    assert event_day(footer(table), "at") == day


def test_every_part_of_a_prepared_table_is_addable_and_no_row_is_lost() -> None:
    mixed = pa.table(
        {
            "at": pa.array([DAY, None, -1, 0, DAY + 5, None, FAR], MOMENT),
            "n": pa.array(range(7), pa.uint8()),
            "s": pa.array(list("abcabca")).dictionary_encode(),
        }
    )
    made = parts(prepare(mixed), "at")
    for part in made:
        assert addable(pq.read_metadata(pa.BufferReader(encode(part))), "at") is None
    assert [part.column("n").to_pylist() for part in made] == [[1, 5], [2], [3], [0, 4], [6]]
    assert sum(part.num_rows for part in made) == 7


@pytest.mark.parametrize("column", [None, "at"])
def test_a_table_of_one_day_is_one_part(column: str | None) -> None:
    assert [part.num_rows for part in parts(prepare(rows(1)), column)] == [4]
    assert parts(prepare(rows(1).slice(0, 0)), column)[0].num_rows == 0


def test_preparing_keeps_values_and_cuts_only_below_a_microsecond() -> None:
    table = pa.table(
        {
            "t": pa.array([1_500, -1_500, None], pa.timestamp("ns", tz="Asia/Tokyo")),
            "u": pa.array([2**64 - 1, 0, None], pa.uint64()),
            "l": pa.array([["a"], None, []], pa.large_list(pa.dictionary(pa.int8(), pa.large_string()))),
            "r": pc.run_end_encode(pa.array([1, 1, 2], pa.int32())),
            "none": pa.nulls(3),
        }
    )
    made = prepare(table)
    assert made.schema.types[:3] == [MOMENT, pa.decimal128(20, 0), pa.list_(pa.string())]
    assert made.column("t").cast(pa.int64()).to_pylist() == [1, -1, None]
    assert [None if v is None else int(v) for v in made.column("u").to_pylist()] == [2**64 - 1, 0, None]
    assert made.column("l").to_pylist() == [["a"], None, []]
    assert made.column("r").to_pylist() == [1, 1, 2]
    assert "none" not in made.column_names


def test_preparing_for_a_table_gives_a_column_the_width_it_has_there() -> None:
    known = pa.schema([("n", pa.int64()), ("f", pa.float32()), ("other", pa.string())])
    made = prepare(pa.table({"n": pa.array([1], pa.int32()), "f": pa.array([1.5], pa.float64())}), known)
    assert made.schema == pa.schema([("n", pa.int64()), ("f", pa.float64())])


@pytest.mark.parametrize(
    "kind",
    [pa.duration("s"), pa.month_day_nano_interval(), pa.decimal256(50, 2), pa.struct([]), pa.list_(pa.null())],
)
def test_a_type_that_no_table_holds_is_refused_by_the_columns_name(kind: pa.DataType) -> None:
    with pytest.raises(TableSchemaError, match="column 'wait"):
        curated_schema(pa.schema([("wait", kind)]))


def test_what_widens_and_what_clashes() -> None:
    record = pa.struct([("a", pa.list_(pa.int32()))])
    wide = pa.struct([("a", pa.list_(pa.int64())), ("b", pa.string())])
    assert clash(record, wide, "r") is None and widens(record, wide) and not widens(wide, record)
    assert "'r.a.element'" in str(clash(record, pa.struct([("a", pa.list_(pa.string()))]), "r"))
    assert clash(pa.map_(pa.string(), pa.int32()), pa.map_(pa.string(), pa.int64()), "m") is None
    assert clash(MOMENT, pa.timestamp("us"), "t")


def test_moments_of_python_are_what_the_file_holds() -> None:
    table = prepare(pa.table({"at": pa.array([datetime(2013, 1, 1, tzinfo=UTC)], pa.timestamp("ms", tz="UTC"))}))
    assert table.column("at").to_pylist() == [datetime(2013, 1, 1, tzinfo=UTC)]
