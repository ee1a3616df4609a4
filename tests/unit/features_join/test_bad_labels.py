"""Labels and rows that cannot be joined say so, in a sentence."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ray_pipeline.connectors.feast.ray_join import FeatureFile, ViewPlan, join_views
from ray_pipeline.errors import FeatureTableError, RayPipelineError, UsageError
from ray_pipeline.features.join import point_in_time

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
KIND = pa.timestamp("us", "UTC")
ROWS = pa.table({"user": [1, 2], "t": pa.array([NOON, NOON], KIND), "v": [1.0, 2.0]})


def _plan(**changes: Any) -> ViewPlan:
    given = {"name": "spend", "keys": {"user": "user"}, "features": {"v": "v"}, "schema": ROWS.schema, "event": "t"}
    return ViewPlan(**{**given, "rows": ROWS, **changes})


def _labels(**columns: Any) -> pa.Table:
    return pa.table({"user": [1], "event_timestamp": pa.array([NOON], KIND), **columns})


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (_labels().drop_columns("user"), "no column user, the key of view spend"),
        (_labels().drop_columns("event_timestamp"), "no column event_timestamp"),
        (_labels(event_timestamp=pa.array([None], KIND)), "1 of 1 labels have no event_timestamp"),
        (_labels(event_timestamp=["2024-03-01"]), "has to be moments"),
        (_labels(user=["1"]), "user is String and the features' user is Int64"),
        (_labels(user=[1.5]), "holds fractions"),
        (_labels(v=[0.0]), "column v would come twice, from the labels and from view spend"),
    ],
)
def test_labels_that_cannot_be_joined_are_refused(labels: pa.Table, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        join_views(labels, [_plan()])


def test_two_views_with_one_output_are_refused() -> None:
    with pytest.raises(UsageError, match="from view spend and from view other"):
        join_views(_labels(), [_plan(), _plan(name="other")])


def test_whole_floats_are_the_integers_that_pandas_made_them_of() -> None:
    found = join_views(_labels(user=pa.array([1.0]), ignored=[None]), [_plan()])
    assert found["v"].to_pylist() == [1.0]


@pytest.mark.parametrize(
    "key", [pa.array([1], pa.int32()), pa.array([1], pa.uint64()), pa.array([1], pa.int64()).dictionary_encode()]
)
def test_a_key_is_its_value_whatever_its_width(key: pa.Array) -> None:
    assert join_views(_labels(user=key), [_plan()])["v"].to_pylist() == [1.0]


def test_text_is_text_whatever_encodes_it() -> None:
    rows = pa.table({"user": pa.array(["a"]).dictionary_encode(), "t": pa.array([NOON], KIND), "v": [1.0]})
    schema = rows.schema.set(0, pa.field("user", pa.string()))
    found = join_views(_labels(user=pa.array(["a"], pa.large_string())), [_plan(rows=rows, schema=schema)])
    assert found["v"].to_pylist() == [1.0]


def _file(folder: Path, table: pa.Table) -> dict[str, Any]:
    pq.write_table(table, folder / "rows.parquet")
    return {"rows": None, "files": (FeatureFile(str(folder / "rows.parquet"), 1),)}


@pytest.mark.parametrize(
    ("column", "kind", "sentence"),
    [
        ("v", pa.string(), "column v is string, and double in the view"),
        ("user", pa.string(), "column user is string, and int64 in the view"),
    ],
)
def test_a_column_that_changed_its_type_is_named_with_both(
    tmp_path: Path, column: str, kind: pa.DataType, sentence: str
) -> None:
    table = ROWS.set_column(ROWS.schema.get_field_index(column), column, ROWS[column].cast(kind))
    with pytest.raises(FeatureTableError, match=sentence) as caught:
        join_views(_labels(), [_plan(**_file(tmp_path, table))])
    assert "rows.parquet" in str(caught.value)


def test_a_narrower_column_is_widened_and_an_absent_one_is_null(tmp_path: Path) -> None:
    table = ROWS.set_column(2, "v", ROWS["v"].cast(pa.float32()))
    schema = ROWS.schema.append(pa.field("new", pa.string()))
    plan = _plan(features={"v": "v", "new": "new"}, schema=schema, **_file(tmp_path, table))
    found = join_views(_labels(), [plan])
    assert found.select(["v", "new"]).to_pylist() == [{"v": 1.0, "new": None}]
    assert found.schema.field("v").type == pa.float64()


def test_a_key_that_is_not_in_the_file_is_an_error_not_null(tmp_path: Path) -> None:
    with pytest.raises(FeatureTableError, match="there is no column user"):
        join_views(_labels(), [_plan(**_file(tmp_path, ROWS.drop_columns("user")))])


@pytest.mark.parametrize("content", [b"PAR1 not", None])
def test_a_file_that_cannot_be_read_fails_the_join(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "rows.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RayPipelineError, match=r"rows\.parquet cannot be read"):
        join_views(_labels(), [_plan(rows=None, files=(FeatureFile(str(path), 1),))])


def test_row_groups_that_cannot_matter_are_not_read(tmp_path: Path) -> None:
    hours = pa.array([NOON.replace(hour=hour) for hour in range(24)], KIND)
    table = pa.table({"user": [1] * 24, "t": hours, "v": [float(hour) for hour in range(24)]})
    path = tmp_path / "rows.parquet"
    pq.write_table(table, path, row_group_size=1)
    broken = bytearray(path.read_bytes())
    kept = pq.ParquetFile(path).metadata
    for group in range(24):
        if group not in (10, 11, 12):  # any look into these would fail
            start = kept.row_group(group).column(2).data_page_offset
            broken[start : start + 8] = b"\xff" * 8
    path.write_bytes(broken)
    plan = _plan(rows=None, files=(FeatureFile(str(path), 1),), ttl_us=2 * 3_600_000_000)
    assert join_views(_labels(), [plan])["v"].to_pylist() == [12.0]
    with pytest.raises(FeatureTableError, match="cannot be read"):
        join_views(_labels(), [plan], statuses=True)  # to say "too old" one has to look further back


def test_no_labels_and_no_rows_are_answers_too() -> None:
    none = _labels().slice(0, 0)
    assert join_views(none, [_plan()]).column_names == ["user", "event_timestamp", "v"]
    found = join_views(_labels(), [_plan(rows=ROWS.slice(0, 0))], statuses=True)
    assert found.select(["v", "spend__status", "spend__event"]).to_pylist() == [
        {"v": None, "spend__status": "NOT_FOUND", "spend__event": None}
    ]


def test_nested_values_arrive_as_they_are() -> None:
    values = pa.array([[{"a": 1}], None], pa.list_(pa.struct([("a", pa.int64())])))
    rows = ROWS.append_column("deep", values)
    plan = _plan(features={"deep": "deep"}, rows=pa.concat_tables([rows, rows]), schema=rows.schema)
    assert join_views(_labels(), [plan])["deep"].to_pylist() == [[{"a": 1}]]


def test_a_moment_that_is_none_is_refused_by_name() -> None:
    labels = pl.DataFrame({"at": ["noon"]})
    with pytest.raises(UsageError, match="column at is String"):
        point_in_time(
            labels,
            pl.DataFrame({"event_timestamp": [1], "v": [1]}),
            keys=[],
            at="at",
            ttl_us=None,
            as_of_known=False,
            features=["v"],
        )
