"""``contract lint`` and ``contract show``."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import CONTRACT, Run

WRONG = CONTRACT.replace("logicalType: integer", "logicalType: intger").replace("version: 1.0.0\n", "")


def test_sound_contracts_exit_0(run: Run, shop: Path) -> None:
    said = run("contract", "lint", shop / "orders.odcs.yaml")
    assert (said.code, said.lines, said.err) == (0, ["1 contract: no problem"], "")


def test_a_wrong_contract_exits_1_with_file_line_and_key(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(WRONG)
    said = run("contract", "lint", file)
    assert said.code == 1
    assert any(line.startswith(f"{file}:11: schema.orders.properties.id.logicalType: ") for line in said.lines)
    assert any("version" in line for line in said.lines)
    assert said.err == ""


def test_every_file_of_a_folder_is_checked_and_all_problems_are_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name in ("a.yaml", "deep/b.yml", "deep/c.json", ".hidden/d.yaml", "notes.txt"):
        (tmp_path / name).write_text("{")
    said = run("contract", "lint", tmp_path)
    assert said.code == 1
    assert said.lines[-1] == "3 contracts: 3 problems, 0 warnings"


def test_a_file_that_is_not_there_exits_2_and_the_others_are_checked(run: Run, shop: Path) -> None:
    said = run("contract", "lint", shop / "none.yaml", shop / "orders.odcs.yaml")
    assert said.code == 2
    assert "none.yaml" in said.err
    assert said.lines == ["1 contract: no problem"]
    said = run("contract", "lint", shop / "none.yaml")
    assert (said.code, said.out) == (2, "")


def test_a_folder_without_contracts_exits_2(run: Run, tmp_path: Path) -> None:
    said = run("contract", "lint", tmp_path)
    assert said.code == 2
    assert "no contract below" in said.err


def test_without_a_path_the_contracts_of_the_configuration_are_checked(run: Run, shop: Path) -> None:
    said = run("contract", "lint")
    assert (said.code, said.lines) == (0, ["1 contract: no problem"])


def test_lint_as_json(run: Run, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(WRONG)
    said = run("contract", "lint", tmp_path, "--output", "json")
    assert said.code == 1
    assert said.json["files"] == 1
    assert {"file", "line", "key", "message", "warning"} == set(said.json["problems"][0])


def test_a_warning_does_not_fail(run: Run, tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(CONTRACT.replace("v3.1.0", "v3.0.2"))
    said = run("contract", "lint", tmp_path)
    assert said.code == 0
    assert "warning" in said.out


def test_show_says_what_lands(run: Run, shop: Path) -> None:
    said = run("contract", "show", shop / "orders.odcs.yaml")
    assert said.code == 0
    assert "shop.orders version 1.0.0" in said.out
    assert "int64" in said.out


def test_show_takes_a_dataset_of_the_configuration(run: Run, shop: Path) -> None:
    said = run("contract", "show", "orders", "--output", "json")
    assert said.code == 0
    assert [column["name"] for column in said.json["columns"]] == ["id", "note"]


def test_show_of_several_is_one_object_a_line(run: Run, shop: Path) -> None:
    said = run("contract", "show", "orders", shop / "orders.odcs.yaml", "--output", "json")
    assert [json.loads(line)["id"] for line in said.lines] == ["shop.orders", "shop.orders"]


def test_show_of_a_wrong_contract_exits_2_with_all_problems(run: Run, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(WRONG)
    said = run("contract", "show", tmp_path / "wrong.yaml")
    assert said.code == 2
    assert said.err.count("wrong.yaml") >= 2
    assert said.out == ""


def test_show_of_nothing_exits_2(run: Run, shop: Path, tmp_path: Path) -> None:
    assert run("contract", "show", tmp_path / "none.yaml").code == 2
    assert "did you mean orders?" in run("contract", "show", "order").err


def test_a_contract_cannot_steer_the_terminal(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(CONTRACT.replace("name: Orders", 'name: "\\e[31mOrders\\u202e"'))
    said = run("contract", "show", tmp_path / "a.yaml")
    assert said.code == 0
    assert "\\x1b[31mOrders\\u202e" in said.out
    assert "\x1b" not in said.out
