"""``drift compare``: two Parquet files, their document, and files that somebody made to hurt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ray_pipeline.cli import parquet_columns
from ray_pipeline.lake import parquet_claims

from .conftest import Run

CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: shop.orders
version: 1.0.0
status: active
name: Orders
schema:
  - name: orders
    logicalType: object
    properties:
      - {name: id, logicalType: integer, primaryKey: true, primaryKeyPosition: 1}
      - {name: price, logicalType: number}
      - {name: shop, logicalType: string}
      - {name: at, logicalType: timestamp}
      - {name: note, logicalType: string}
"""


def _orders(path: Path, rows: int, *, first: int = 0, price: float = 0.0, **more: Any) -> Path:
    random = np.random.default_rng(first + 1)
    table = {
        "id": np.arange(first, first + rows),
        "price": random.normal(price, 1, rows),
        "shop": pa.array(random.integers(0, 4, rows).astype(str)).dictionary_encode(),
        "at": pa.array(np.arange(first, first + rows), pa.timestamp("us", "UTC")),
    }
    pq.write_table(pa.table(table | more), path)
    return path


def _compare(run: Run, before: Path, after: Path, *more: object) -> Any:
    return run("drift", "compare", "--reference", before, "--current", after, *more)


@pytest.fixture
def usual(tmp_path: Path) -> Path:
    return _orders(tmp_path / "usual.parquet", 1_000)


def test_the_document_and_the_exit_codes(run: Run, usual: Path, tmp_path: Path) -> None:
    contract = tmp_path / "orders.odcs.yaml"
    contract.write_text(CONTRACT)
    cases = (
        (_orders(tmp_path / "b.parquet", 500, first=5_000), 0, False),
        (_orders(tmp_path / "c.parquet", 500, first=5_000, price=1.0), 1, True),
        (_orders(tmp_path / "d.parquet", 49, first=5_000, price=1.0), 3, None),
    )
    for file, code, drift in cases:
        said = _compare(run, usual, file, "--contract", contract, "--output", "json")
        found = said.json
        assert (said.code, found["drift"], said.err) == (code, drift, "")
        assert list(found) == ["rows", "alpha", "columns", "drift", "notices"]
        assert found["rows"]["reference"] == 1_000 and found["alpha"] == 0.05
        assert [one["name"] for one in found["columns"]] == ["price", "shop"]
        names = ["name", "test", "statistic", "p", "p_adjusted", "effect", "drift"]
        assert all(list(one) == names for one in found["columns"])
        assert "note is not compared: it is in neither table" in found["notices"]


def test_the_same_seed_prints_the_same_bytes(run: Run, usual: Path, tmp_path: Path) -> None:
    other = _orders(tmp_path / "b.parquet", 500, first=9_000)
    first, second, third = (_compare(run, usual, other, "-o", "json", "--seed", seed).out for seed in (1, 1, 2))
    assert first == second != third


def test_text_says_what_moved_and_that_rows_count_as_independent(run: Run, usual: Path, tmp_path: Path) -> None:
    moved = _orders(tmp_path / "c.parquet", 500, price=1.0)
    said = _compare(run, usual, moved)
    assert said.code == 1
    assert said.lines[0].startswith("note: rows count as independent")
    assert any(line.startswith("price ") and "DRIFT" in line and " sd" in line for line in said.lines)
    assert said.lines[-1].startswith("drift in 2 of 3 columns: id, price (")


def test_blocks_are_permuted_where_a_column_names_them(run: Run, tmp_path: Path) -> None:
    files = [
        _orders(tmp_path / f"{side}.parquet", 600, price=price, day=np.repeat([f"{side}{n}" for n in range(20)], 30))
        for side, price in (("a", 0.0), ("b", 2.0))
    ]
    said = _compare(run, *files, "--block", "day", "--output", "json")
    assert said.code == 1
    assert said.json["notices"][0].startswith("whole blocks were permuted: 20 blocks of day in the reference, 20 in")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--alpha", "1.5"], "--alpha must be above 0 and below 1"),
        (["--block", "day"], "the reference has no column day"),
        (["--min-effect", "2"], "min-effect"),
        (["--contract", "absent.yaml"], "absent.yaml"),
    ],
)
def test_asked_wrongly_exits_2(run: Run, usual: Path, more: list[str], said: str) -> None:
    found = _compare(run, usual, usual, *more)
    assert found.code == 2
    assert said in found.err
    assert found.out == ""


def test_files_that_are_none_are_told_in_a_sentence(run: Run, usual: Path, tmp_path: Path) -> None:
    absent = _compare(run, usual, tmp_path / "absent.parquet")
    assert absent.code == 2 and "absent.parquet cannot be read: No such file" in absent.err
    folder = _compare(run, usual, tmp_path)
    assert folder.code == 2 and "cannot be read" in folder.err
    text = tmp_path / "text.parquet"
    text.write_text("a,b\n1,2\n")
    found = _compare(run, usual, text)
    assert found.code == 3 and "is no readable Parquet file" in found.err
    torn = tmp_path / "torn.parquet"
    torn.write_bytes(usual.read_bytes()[:2_000] + bytes(100) + usual.read_bytes()[2_100:])
    found = _compare(run, torn, usual)
    assert found.code in (0, 1, 3) and "Traceback" not in found.err


def test_what_runs_code_when_it_is_read_is_refused(run: Run, usual: Path, tmp_path: Path) -> None:
    hostile = tmp_path / "hostile.parquet"
    mark = {b"ARROW:extension:name": b"ray.data.arrow_pickled_object", b"ARROW:extension:metadata": b""}
    table = pa.table([pa.array([b"x"] * 60)], schema=pa.schema([pa.field("x", pa.binary(), metadata=mark)]))
    pq.write_table(table, hostile)
    found = _compare(run, usual, hostile)
    assert found.code == 3 and "an extension type" in found.err


def test_a_footer_that_claims_too_much_is_refused(
    run: Run, usual: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flat = tmp_path / "flat.parquet"
    pq.write_table(pa.table({"price": np.zeros(500_000)}), flat)
    monkeypatch.setattr(parquet_claims, "_FEW_VALUES", 1_000)
    found = _compare(run, usual, flat)
    assert found.code == 3 and "claims 500,000 rows in" in found.err


def test_a_long_text_that_is_there_often_is_held_once(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_columns, "MAX_UNPACKED", 20 << 20)
    long = tmp_path / "long.parquet"
    pq.write_table(pa.table({"x": ["a" * 1_000_000, "b"] * 500}), long)
    assert _compare(run, long, long).code == 0


def test_columns_of_the_lake_are_left_out(run: Run, tmp_path: Path) -> None:
    files = [
        _orders(
            tmp_path / f"{first}.parquet", 100, first=first, _offset=pa.array(range(first, first + 100), pa.int64())
        )
        for first in (0, 100)
    ]
    found = _compare(run, *files, "-o", "json").json
    assert [one["name"] for one in found["columns"]] == ["id", "price", "shop"]
    assert found["notices"][-1] == "_offset say where a row landed: not compared"


def test_names_cannot_steer_a_terminal(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x.\x1b[31m": np.arange(100.0), "a.b": np.arange(100.0), "\x1bdate": [b"x"] * 100}), file)
    found = _compare(run, file, file)
    assert found.code == 0 and "\x1b" not in found.out
    assert any(line.startswith("a.b ") for line in found.lines)
