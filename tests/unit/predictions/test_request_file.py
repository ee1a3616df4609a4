"""A file of requests: three formats that ask the same, stable ids, and every bad row by its line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ray_pipeline.errors import ProblemsError, UsageError
from ray_pipeline.features.shape import ValueType
from ray_pipeline.runtime.predictions.request import RequestField
from ray_pipeline.runtime.predictions.request_file import MOST_PROBLEMS, read_request_file, written_values

FIELDS = (
    RequestField("origin", ValueType.STRING, "key", required=True),
    RequestField("seats", ValueType.INT64, "key", required=True),
    RequestField("holiday", ValueType.BOOL, "request", required=True),
    RequestField("due", ValueType.TIMESTAMP, "request", required=True),
    RequestField("flight_id", ValueType.STRING, "label_key", required=False),
)
AT = datetime(2013, 2, 5, 12, tzinfo=UTC)
JSON = """\
{"origin": "EWR", "seats": 180, "holiday": true, "due": "2013-02-05T13:00:00Z", "as_of": "2013-02-05T12:00:00Z"}

{"origin": null, "seats": 9, "holiday": false, "due": null, "flight_id": "f2", "as_of": "2013-02-05T12:00:00Z"}
"""
CSV = """\
origin,seats,holiday,due,flight_id,as_of
EWR,180,TRUE,2013-02-05T13:00:00Z,,2013-02-05T12:00:00Z
,9,false,,f2,2013-02-05T07:00:00-05:00
"""


def table(unit: str) -> pa.Table:
    due = [datetime(2013, 2, 5, 13, tzinfo=UTC), None]
    return pa.table(
        {
            "origin": pa.array(["EWR", None]),
            "seats": pa.array([180, 9], pa.int32()),
            "holiday": pa.array([True, False]),
            "due": pa.array(due, pa.timestamp(unit, "America/New_York")),
            "flight_id": pa.array([None, "f2"]),
            "as_of": pa.array([AT, AT], pa.timestamp(unit, "UTC")),
        }
    )


def test_the_three_formats_ask_the_same_with_the_same_ids(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\ufeff" + JSON)
    (tmp_path / "a.csv").write_text("\ufeff" + CSV)
    pq.write_table(table("us"), tmp_path / "a.parquet")
    pq.write_table(table("ns"), tmp_path / "b.parquet")
    names = ("a.jsonl", "a.csv", "a.parquet", "b.parquet")
    found = [read_request_file(tmp_path / name, FIELDS, "late") for name in names]
    assert found[0] == found[1] == found[2] == found[3]
    first, second = found[0]
    assert first.values == {"origin": "EWR", "seats": 180, "holiday": True, "due": datetime(2013, 2, 5, 13, tzinfo=UTC)}
    assert (first.as_of, first.label_key, second.label_key) == (AT, None, "f2")
    assert second.values["origin"] is None
    assert len({first.request_id, second.request_id}) == 2
    assert read_request_file(tmp_path / "a.csv", FIELDS, "other")[0].request_id != first.request_id


def test_the_same_question_twice_has_two_ids_that_are_the_same_each_time(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(JSON.splitlines()[0] + "\n" + JSON.splitlines()[0] + "\n")
    first, second = read_request_file(file, FIELDS, "late")
    assert second.request_id == f"{first.request_id}-2"
    assert read_request_file(file, FIELDS, "late") == [first, second]


def test_a_row_that_names_no_moment_takes_the_one_that_is_given(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"origin": "EWR", "seats": 1, "holiday": true, "due": null}\n')
    assert read_request_file(file, FIELDS, "late", as_of=AT)[0].as_of == AT
    with pytest.raises(ProblemsError, match=r"a.jsonl:1: as_of: as_of is missing"):
        read_request_file(file, FIELDS, "late")


def test_every_bad_row_is_said_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    good = JSON.splitlines()[0][1:-1]
    typed = good.replace('"EWR"', "7")
    file.write_text(
        f'{{{good}, "request_id": "one"}}\nnot json\n[1]\n\n{{{typed}}}\n{{{good}, "orgin": "secret"}}\n'
        f'{{{good}, "request_id": "one"}}\n{{{good}, "request_id": "two"}}\n'
    )
    with pytest.raises(ProblemsError) as caught:
        read_request_file(file, FIELDS, "late")
    said = [(one.line, one.key, one.message) for one in caught.value.problems]
    assert said == [
        (2, "", "is no JSON"),
        (3, "", "a request is a JSON object"),
        (5, "origin", "origin must be text, not a whole number"),
        (6, "orgin", "orgin: unknown field; did you mean origin?"),
        (7, "request_id", "is the request_id of line 1 too"),
    ]
    assert "secret" not in str(caught.value)


def test_a_line_that_names_a_field_twice_is_refused_and_not_merged(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    good = JSON.splitlines()[0][1:-1]
    nested = "[" * 100_000 + "]" * 100_000
    file.write_text(f'{{{good}, "origin": "JFK"}}\n{{{good}, "\\u006frigin": "JFK"}}\n{{"origin": {nested}}}\n')
    with pytest.raises(ProblemsError) as caught:
        read_request_file(file, FIELDS, "late")
    said = [(one.line, one.message) for one in caught.value.problems]
    assert said == [(1, "names a field twice"), (2, "names a field twice"), (3, "is no JSON")]


def test_a_file_of_nothing_but_bad_rows_is_said_within_bounds(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("x\n" * (MOST_PROBLEMS + 5))
    with pytest.raises(ProblemsError) as caught:
        read_request_file(file, FIELDS, "late")
    assert len(caught.value.problems) == MOST_PROBLEMS + 1
    assert "5 more rows" in caught.value.problems[-1].message


def test_a_csv_row_of_another_length_or_type_is_said_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(
        "origin,seats,holiday,due,as_of\n"
        "EWR,many,true,,2013-02-05T12:00:00Z\n"
        "EWR,1\n"
        "EWR,1,maybe,,2013-02-05T12:00:00Z\n"
        "EWR,1,true,,2013-02-05T12:00:00\n"
    )
    with pytest.raises(ProblemsError) as caught:
        read_request_file(file, FIELDS, "late")
    assert [(one.line, one.key) for one in caught.value.problems] == [
        (2, "seats"),
        (3, ""),
        (4, "holiday"),
        (5, "as_of"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.txt", "", "must be a file of requests: .jsonl, .csv, .parquet"),
        ("a.csv", "", "the first line must name the columns"),
        ("a.csv", "origin,origin\n", "each once"),
        ("a.csv", 'origin\n"EWR', "a.csv:2"),
        ("a.parquet", "no parquet", "no Parquet file"),
    ],
)
def test_a_file_that_is_none_is_said(tmp_path: Path, name: str, content: str, sentence: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=sentence):
        read_request_file(tmp_path / name, FIELDS, "late")


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file"):
        read_request_file(tmp_path / "none.csv", FIELDS, "late")


def test_bytes_that_are_no_text_are_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"origin\n\xff\n")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_request_file(tmp_path / "a.csv", FIELDS, "late")


def test_values_on_the_command_line_are_read_by_their_fields() -> None:
    said = {"origin": "7", "seats": "7", "holiday": "False", "due": "2013-02-05T13:00:00Z", "flight_id": "8", "x": ""}
    assert written_values(FIELDS, said) == {
        "origin": "7",
        "seats": 7,
        "holiday": False,
        "due": "2013-02-05T13:00:00Z",
        "flight_id": "8",
        "x": None,
    }
