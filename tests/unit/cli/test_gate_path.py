"""``ray-pipeline gate --path``: needs no configuration, prints the same report, exits as the gate does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: shop.orders
version: 1.0.0
status: active
schema:
  - name: orders
    logicalType: object
    properties:
      - {name: id, logicalType: integer, required: true}
"""


def _gate(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "RAY_PIPELINE_CONFIG"}
    command = [sys.executable, "-m", "ray_pipeline", "gate", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "orders.yaml").write_text(CONTRACT)
    (tmp_path / "in").mkdir()
    return tmp_path


@pytest.mark.parametrize(("values", "code"), [([1, 2], 0), ([1, None], 1), (["a", "b"], 3)])
def test_the_exit_code_is_the_verdict(folder: Path, values: list[object], code: int) -> None:
    pq.write_table(pa.table({"id": values}), folder / "in" / "a.parquet")
    done = _gate(folder, "--path", "in", "--contract", "orders.yaml", "--output", "json")
    assert done.returncode == code, done.stderr
    document = json.loads(done.stdout)
    assert (document["exit_code"], document["datasets"][0]["dataset"]) == (code, "orders")


def test_what_was_asked_wrongly_is_one_sentence(folder: Path) -> None:
    absent = _gate(folder, "--path", "absent", "--contract", "orders.yaml")
    assert (absent.returncode, absent.stderr.count("\n")) == (2, 1)
    assert "nothing is at" in absent.stderr
    assert _gate(folder, "--path", "in").returncode == 2
    assert _gate(folder, "--path", "in", "--contract", "absent.yaml").returncode == 2


def test_the_text_says_what_was_found(folder: Path) -> None:
    pq.write_table(pa.table({"id": [1, None, 3]}), folder / "in" / "a.parquet")
    done = _gate(folder, "--path", "in", "--contract", "orders.yaml")
    assert done.returncode == 1
    assert "Rows keep the contract" in done.stdout
