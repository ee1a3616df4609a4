"""The two files of a baseline: what is not exactly one is refused in a sentence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ray_pipeline.drift.baseline import Baseline, make_baseline
from ray_pipeline.drift.files import BINS_FILE, COUNTS_FILE, from_files, to_files
from ray_pipeline.errors import FileCorruptError

DAYS = ["2013-02-05"] * 30 + ["2013-02-06"] * 30


@pytest.fixture
def files() -> dict[str, bytes]:
    columns = {
        "score": ("number", range(60)),
        "carrier": ("category", ["UA", "AA"] * 30),
        "flag": ("flag", [True] * 60),
    }
    return make_baseline(
        columns, DAYS, fit_mask=[True] * 40 + [False] * 20, scores=[0.1, 0.9, None], score_days=DAYS[:3]
    ).to_files()


def test_a_baseline_comes_back_as_it_was(files: dict[str, bytes]) -> None:
    found = Baseline.from_files(files)
    assert found.to_files() == files and found == from_files(files)
    assert found.of("score").rows == 60  # a feature of that name is not the score
    score = found.of_score()
    assert score is not None and score.total.tolist() == [1, 0, 1, 1, 0]
    assert found != make_baseline({}, DAYS, fit_mask=[True] * 60) and found != "baseline"


def test_a_baseline_of_nothing_comes_back_too() -> None:
    found = make_baseline({}, [], fit_mask=[])
    assert Baseline.from_files(found.to_files()) == found and found.rows == 0


def test_the_files_are_read_by_anybody(files: dict[str, bytes]) -> None:
    said = json.loads(files[BINS_FILE])
    assert said["block"] == "day (UTC)" and said["counts"]["sha256"] == hashlib.sha256(files[COUNTS_FILE]).hexdigest()
    table = pq.read_table(pa.BufferReader(files[COUNTS_FILE]))
    assert table.column_names == ["part", "column", "block", "bin", "count"]
    assert sum(table.filter(pa.compute.equal(table["column"], "carrier"))["count"].to_pylist()) == 60


def changed(files: dict[str, bytes], **changes: Any) -> dict[str, bytes]:
    said = json.loads(files[BINS_FILE]) | changes
    return files | {BINS_FILE: json.dumps(said).encode()}


def recounted(files: dict[str, bytes], change: Callable[[list[dict[str, Any]]], Any]) -> dict[str, bytes]:
    table = pq.read_table(pa.BufferReader(files[COUNTS_FILE]))
    rows = table.to_pylist()
    change(rows)
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), sink)
    return resealed(files, sink.getvalue().to_pybytes())


def resealed(files: dict[str, bytes], counts: bytes) -> dict[str, bytes]:
    told = json.loads(files[BINS_FILE])["counts"] | {"sha256": hashlib.sha256(counts).hexdigest()}
    return changed(files | {COUNTS_FILE: counts}, counts=told)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe\xff", "can't decode"),
        (b"[" * 100_000, "is not of a baseline"),
        (b"[]", "is not of a baseline"),
        (b"null", "is not of a baseline"),
        (b"{}", r"is not of a baseline \(KeyError\)"),
        (b'{"format": 2}', "is of format 2, and this version reads 1"),
    ],
)
def test_json_that_is_no_baseline_is_refused(files: dict[str, bytes], told: bytes, reason: str) -> None:
    with pytest.raises(FileCorruptError, match=reason) as caught:
        from_files(files | {BINS_FILE: told}, place="late_arrival/3")
    assert caught.value.key == "late_arrival/3/baseline.json"


NUMBER = {"name": "x", "kind": "number", "few": False}


@pytest.mark.parametrize(
    "changes",
    [
        {"columns": [NUMBER | {"edges": [1, 0]}]},
        {"columns": [NUMBER | {"edges": ["0"]}]},
        {"columns": [NUMBER | {"edges": [True]}]},
        {"columns": [NUMBER | {"edges": [float("nan")]}]},
        {"columns": [NUMBER | {"edges": [10**400]}]},
        {"columns": [NUMBER | {"edges": [], "few": 1}]},
        {"columns": [NUMBER | {"edges": []}] * 2},
        {"columns": [{"name": "x", "kind": "pickle"}]},
        {"columns": [{"name": 3, "kind": "flag", "categories": ["false", "true"]}]},
        {"columns": [{"name": "x", "kind": "flag", "categories": ["no"]}]},
        {"columns": [{"name": "x", "kind": "category", "categories": "ab"}]},
        {"columns": []},
        {"blocks": ["2013-02-06", "2013-02-05"]},
        {"blocks": ["2013-02-05", "2013-02-05"]},
        {"blocks": ["20130205"]},
        {"blocks": ["yesterday"]},
        {"blocks": {"2013-02-05": 1}},
        {"blocks": ["2013-02-05"]},
        {"rows": 61},
        {"fit": {"rows": True, "splits": []}},
        {"score": None},
        {"score": {"name": "score", "kind": "category", "categories": [], "blocks": [], "splits": []}},
        {"counts": None},
    ],
)
def test_bins_that_cannot_be_are_refused(files: dict[str, bytes], changes: dict[str, Any]) -> None:
    with pytest.raises(FileCorruptError):
        from_files(changed(files, **changes))


@pytest.mark.parametrize("name", [BINS_FILE, COUNTS_FILE])
def test_a_missing_file_is_named(files: dict[str, bytes], name: str) -> None:
    del files[name]
    with pytest.raises(FileCorruptError, match=f"{name}: the file is gone"):
        from_files(files)


def test_other_counts_than_those_named_are_never_opened(files: dict[str, bytes]) -> None:
    with pytest.raises(FileCorruptError, match=r"baseline\.parquet: its bytes are not those"):
        from_files(files | {COUNTS_FILE: files[COUNTS_FILE] + b" "})


def double(rows: list[dict[str, Any]]) -> None:
    rows.append(rows[0])


def beyond(rows: list[dict[str, Any]]) -> None:
    rows[0]["bin"] = 99


def below(rows: list[dict[str, Any]]) -> None:
    rows[0]["bin"] = -1


def negative(rows: list[dict[str, Any]]) -> None:
    rows[0]["count"] = -1


def another_column(rows: list[dict[str, Any]]) -> None:
    rows.append(rows[0] | {"column": "nobody"})


def lost(rows: list[dict[str, Any]]) -> None:
    rows.pop(0)


def one_more(rows: list[dict[str, Any]]) -> None:
    rows[0]["count"] += 1


@pytest.mark.parametrize("change", [double, beyond, below, negative, another_column, lost, one_more])
def test_counts_that_do_not_add_up_are_refused(files: dict[str, bytes], change: Callable[..., Any]) -> None:
    with pytest.raises(FileCorruptError, match=r"baseline\.parquet: (has|counts)"):
        from_files(recounted(files, change))


def test_another_table_is_refused(files: dict[str, bytes]) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"column": ["x"]}), sink)
    with pytest.raises(FileCorruptError, match="has other columns"):
        from_files(resealed(files, sink.getvalue().to_pybytes()))
    with pytest.raises(FileCorruptError, match=r"baseline\.parquet"):
        from_files(resealed(files, b"PAR1 not at all PAR1"))


def test_every_flipped_byte_is_noticed_or_harmless(files: dict[str, bytes]) -> None:
    whole = from_files(files)
    for name, data in files.items():
        for place in range(0, len(data), max(1, len(data) // 200)):
            torn = data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]
            try:
                found = from_files(files | {name: torn})
            except FileCorruptError:
                continue
            assert name == BINS_FILE and found.rows == whole.rows
    for end in (0, 1, len(files[COUNTS_FILE]) // 2):
        with pytest.raises(FileCorruptError):
            from_files(files | {COUNTS_FILE: files[COUNTS_FILE][:end]})


def test_what_is_written_is_the_same_every_time(files: dict[str, bytes]) -> None:
    assert to_files(from_files(files)) == files
