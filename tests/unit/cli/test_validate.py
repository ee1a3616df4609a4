"""``validate``: newline-delimited JSON against a contract."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ray_pipeline.cli import lines

from .conftest import CONTRACT, Run

SCHEMA = {
    "type": "object",
    "properties": {
        "items": {
            "type": "array",
            "items": {"type": "object", "properties": {"qty": {"type": "integer", "minimum": 1}}},
        }
    },
    "required": ["items"],
}
GOOD = b'{"items": [{"qty": 2}]}'
BAD = b'{"items": [{"qty": 0}]}'


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    file = tmp_path / "basket.json"
    file.write_text(json.dumps(SCHEMA))
    return file


def test_json_is_one_object_for_each_invalid_line_and_then_the_totals(run: Run, contract: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.ndjson"
    data.write_bytes(b"\n".join((GOOD, b"", BAD, b"{")))
    said = run("validate", contract, data, "--output", "json")
    assert said.code == 1
    first, second, totals = map(json.loads, said.lines)
    assert first == {
        "line": 3,
        "violations": [
            {
                "path": "/items/0/qty",
                "rule": "minimum",
                "schema_path": "/properties/items/items/properties/qty/minimum",
            }
        ],
    }
    assert second["line"] == 4
    assert second["violations"][0]["rule"] == "json.malformed"
    assert totals == {"records": 3, "valid": 1, "invalid": 2}
    assert said.err == ""


def test_text_says_where_and_why_but_not_the_value(run: Run, contract: Path) -> None:
    said = run("validate", contract, stdin=b'{"items": [{"qty": -7777}]}\n{}')
    assert said.code == 1
    assert said.lines[0].startswith("line 1: /items/0/qty: minimum: ")
    assert said.lines[1].startswith("line 2: (record): required: ")
    assert said.lines[-1] == "2 records: 0 valid, 2 invalid"
    assert "7777" not in said.out


@pytest.mark.parametrize("data", [GOOD, GOOD + b"\n", GOOD + b"\r\n", b"\xef\xbb\xbf" + GOOD + b"\n\n", b""])
def test_valid_lines_exit_0_however_they_end(run: Run, contract: Path, data: bytes) -> None:
    said = run("validate", contract, "-", stdin=data)
    assert said.code == 0, said.out
    assert said.lines[-1].endswith(f"{int(bool(data))} valid, 0 invalid")


def test_a_large_file_is_judged_block_by_block(
    run: Run, contract: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "BLOCK", 1000)
    data = tmp_path / "data.ndjson"
    data.write_bytes(b"".join((GOOD if i % 7 else BAD) + b"\n" for i in range(2000)))
    said = run("validate", contract, data, "--output", "json")
    assert [json.loads(line)["line"] for line in said.lines[:-1]] == list(range(1, 2001, 7))
    assert json.loads(said.lines[-1]) == {"records": 2000, "valid": 1714, "invalid": 286}


def test_a_line_larger_than_a_record_may_be_is_refused_and_the_next_one_judged(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "BLOCK", 100)
    (tmp_path / "small.yaml").write_text(
        CONTRACT + "    customProperties:\n      - property: maxBytes\n        value: 64\n"
    )
    data = b'{"id": 1, "note": "' + b"x" * 100_000 + b'"}\n{"id": 2}\n'
    said = run("validate", tmp_path / "small.yaml", "--output", "json", stdin=data)
    first, totals = map(json.loads, said.lines)
    assert first == {"line": 1, "violations": [{"path": "", "rule": "record.too-large", "schema_path": ""}]}
    assert totals == {"records": 2, "valid": 1, "invalid": 1}
    said = run("validate", tmp_path / "small.yaml", stdin=data)
    assert said.lines[0] == "line 1: (record): record.too-large: more bytes than the cap of 64"


def test_formats_are_asserted_unless_they_are_to_be_notes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mail.json").write_text(
        '{"type": "object", "properties": {"to": {"type": "string", "format": "email"}}}'
    )
    data = b'{"to": "nobody"}'
    assert run("validate", tmp_path / "mail.json", stdin=data).code == 1
    assert run("validate", tmp_path / "mail.json", "--formats", "annotate", stdin=data).code == 0


def test_a_dataset_stands_for_its_contract(run: Run, shop: Path) -> None:
    assert run("validate", "orders", stdin=b'{"id": 1}').code == 0
    assert run("validate", "orders", stdin=b'{"id": "1"}').code == 1


def test_a_name_that_is_neither_a_file_nor_a_dataset_exits_2(run: Run, shop: Path) -> None:
    said = run("validate", "order", stdin=b"{}")
    assert said.code == 2
    assert "no file order, and no dataset" in said.err


def test_a_wrong_contract_exits_2(run: Run, tmp_path: Path) -> None:
    (tmp_path / "wrong.json").write_text('{"type": "strin"}')
    said = run("validate", tmp_path / "wrong.json", stdin=GOOD)
    assert said.code == 2
    assert said.out == ""


@pytest.mark.parametrize("name", ["none.ndjson", "."])
def test_records_that_cannot_be_read_exit_2(run: Run, contract: Path, tmp_path: Path, name: str) -> None:
    said = run("validate", contract, tmp_path / name)
    assert said.code == 2
    assert "cannot be read" in said.err


def test_a_record_cannot_steer_the_terminal(run: Run, shop: Path) -> None:
    said = run("validate", "orders", stdin=b'{"id": 1, "\\u001b[31m": 1, "\\u202eabc": 2}')
    assert said.code == 1
    assert "\x1b" not in said.out
    assert "\u202e" not in said.out
