"""``gate``, ``held``, ``quarantine``, ``curated`` and ``gate --recompute``: what they print, and how they end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.gate_shop import Shop, order

from .conftest import Run, Said

DAY = "2026-03-01"
AT = ("--at", "2026-03-20T00:00:00Z")
HOSTILE = ("../../etc/passwd", "a\nb", "\u202eevil", "", "orders/../orders", "x" * 300)


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """One day with a row that breaks a rule, one day too small; the environment names the configuration."""
    shop = Shop(tmp_path)
    shop.land("orders", [*(order(i) for i in range(4)), order(4, amount=-1.0, note="a secret")])
    shop.land("orders", [order(10, day=2)])
    monkeypatch.setenv("RAY_PIPELINE_CONFIG", str(shop.file))
    return shop


@pytest.fixture
def gated(lake: Shop, run: Run) -> Shop:
    assert run("gate", *AT).code == 1
    return lake


def clean(said: Said) -> Said:
    """Whatever was wrong is said in lines that no terminal acts on, without a traceback."""
    assert "Traceback" not in said.err
    assert "unexpected" not in said.err, said.err
    assert not any(character in said.err + said.out for character in "\u202e\x1b")
    return said


@pytest.mark.parametrize(
    "words", [["gate"], ["held"], ["held", "list"], ["held", "release"], ["curated"], ["quarantine"]]
)
def test_every_verb_explains_itself(run: Run, words: list[str]) -> None:
    said = run(*words, "--help")
    assert said.code == 0
    assert "Usage" in said.out


@pytest.mark.parametrize("verb", ["list", "show", "release"])
def test_every_verb_of_quarantine_explains_itself(run: Run, verb: str) -> None:
    assert run("quarantine", verb, "--help").code == 0


# gate


def test_a_gate_prints_what_it_found_as_a_table(run: Run, lake: Shop) -> None:
    said = clean(run("gate", *AT))
    assert said.code == 1
    assert "4 rows published, 1 quarantined, 1 held" in " ".join(said.out.split())
    assert "between 3 and 100 rows" in said.out
    assert "a secret" not in said.out


def test_a_gate_in_which_every_error_check_passed_exits_0(run: Run, tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.land("orders", [order(i) for i in range(4)])
    assert clean(run("gate", "--config", shop.file, *AT)).code == 0
    assert clean(run("gate", "--config", shop.file, *AT)).code == 0


def test_a_gate_that_could_not_judge_exits_3(run: Run, tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.land("orders", [order(i) for i in range(4)])
    Path(shop.config.store, shop.landed_files()[0].key).write_bytes(b"")
    said = clean(run("gate", "orders", "--config", shop.file, *AT))
    assert said.code == 3
    assert "Every landed file can be read" in said.out


def test_a_gate_as_json_is_one_object_and_names_every_check(run: Run, lake: Shop) -> None:
    said = clean(run("gate", "orders", "--output", "json", "--run-id", "nightly", *AT))
    assert said.code == 1
    assert said.json["run_id"] == "nightly"
    (dataset,) = said.json["datasets"]
    assert (dataset["landed"], dataset["published"], dataset["quarantined"], dataset["held"]) == (6, 4, 1, 1)
    checks = {check["check"] for day in dataset["days"] for check in day["checks"]}
    assert checks == {"unique.order_id", "notes", "positive", "volume"}


def test_a_gate_that_is_repeated_says_so(run: Run, lake: Shop) -> None:
    run("gate", "--run-id", "nightly", *AT)
    said = clean(run("gate", "--run-id", "nightly", *AT))
    assert said.code == 1
    assert "decided before" in said.err


def test_a_dry_run_decides_nothing(run: Run, lake: Shop) -> None:
    assert clean(run("gate", "--dry-run", *AT)).code == 1
    assert lake.state().n == -1
    assert run("curated", "orders", "--output", "json").json["rows"] == 0


@pytest.mark.parametrize("at", ["yesterday", "2026-03-20", "2026-03-20T00:00:00", "", "2026-13-01T00:00:00Z"])
def test_a_moment_that_is_none_is_refused(run: Run, lake: Shop, at: str) -> None:
    assert clean(run("gate", "--at", at)).code == 2
    assert lake.state().n == -1


@pytest.mark.parametrize("name", ["nobodys", *HOSTILE])
def test_a_dataset_that_is_not_there_is_refused_by_every_verb(run: Run, lake: Shop, name: str) -> None:
    for words in (["gate", name], ["curated", name], ["held", "list", name], ["quarantine", "list", name]):
        assert clean(run(*words)).code == 2, words
    assert clean(run("held", "release", name, DAY, "--reason", "x")).code == 2
    assert clean(run("quarantine", "show", name)).code == 2
    assert clean(run("quarantine", "release", name, "--day", DAY, "--reason", "x")).code == 2
    assert clean(run("gate", name, "--recompute")).code == 2


@pytest.mark.parametrize("name", ["", " ", "x" * 300, "ä" * 90, "index.html", "index.json"])
def test_a_run_id_that_no_object_can_be_named_by_is_refused_before_anything_is_done(
    run: Run, lake: Shop, name: str
) -> None:
    assert clean(run("gate", "--run-id", name, *AT)).code == 2
    assert lake.state().n == -1


@pytest.mark.parametrize("name", ["../../up", "a/b", "a\nb", "\u202eevil", "x" * 200, "_runs", "."])
def test_a_run_id_is_a_name_whatever_is_in_it(run: Run, lake: Shop, name: str) -> None:
    assert clean(run("gate", "--run-id", name, *AT)).code == 1
    assert clean(run("gate", "--run-id", name, *AT)).code == 1
    assert lake.state().n == 0
    assert lake.breaches() == []
    assert {path.name for path in lake.folder.iterdir()} == {"config.yaml", "orders.odcs.yaml", "lake"}


def test_path_and_contract_belong_together(run: Run, lake: Shop) -> None:
    assert clean(run("gate", "--path", "x.parquet")).code == 2
    assert clean(run("gate", "--contract", lake.folder / "orders.odcs.yaml")).code == 2
    assert clean(run("gate", "orders", "--path", "x", "--contract", lake.folder / "orders.odcs.yaml")).code == 2


# held


def test_held_days_are_listed_with_what_holds_them(run: Run, gated: Shop) -> None:
    said = clean(run("held", "list"))
    assert (said.code, said.lines) == (0, ["orders 2026-03-02: held, 1 row in 1 file, by volume"])
    (day,) = run("held", "list", "orders", "--output", "json").json["held"]
    assert (day["dataset"], day["day"], day["rows"], day["files"]) == ("orders", "2026-03-02", 1, 1)
    assert (day["reasons"], day["since"], day["released_by"]) == (["volume"], 0, None)


def test_nothing_held_is_said(run: Run, lake: Shop) -> None:
    assert run("held", "list").lines == ["no day is held"]
    assert run("held", "list", "--output", "json").json == {"held": []}


def test_a_held_day_is_released_and_the_next_gate_publishes_it(run: Run, gated: Shop) -> None:
    said = clean(run("held", "release", "orders", "2026-03-02", "--reason", "a \u202eholiday"))
    assert said.code == 0
    assert "next: ray-pipeline gate orders" in said.out
    assert "released by" in run("held", "list").out
    assert clean(run("gate", *AT)).code == 0, "somebody answers for the day"
    assert run("held", "list").lines == ["no day is held"]
    assert "o10" in gated.published()


def test_a_release_as_json_is_the_ledgers_entry(run: Run, gated: Shop) -> None:
    said = clean(run("held", "release", "orders", "2026-03-02", "--reason", "holiday", "--output", "json"))
    assert (said.json["n"], said.json["day"], said.json["reason"]) == (1, "2026-03-02", "holiday")


@pytest.mark.parametrize("words", [["held", "release", "orders", "2026-03-02"], ["quarantine", "release", "orders"]])
def test_a_release_needs_a_reason(run: Run, gated: Shop, words: list[str]) -> None:
    more = ["--day", DAY] if words[0] == "quarantine" else []
    assert clean(run(*words, *more)).code == 2
    assert clean(run(*words, *more, "--reason", "  ")).code == 2
    assert gated.state().n == 0


@pytest.mark.parametrize("day", [DAY, "2026-02-30", "tomorrow", *HOSTILE])
def test_a_day_that_is_not_held_is_not_released(run: Run, gated: Shop, day: str) -> None:
    assert clean(run("held", "release", "orders", day, "--reason", "x")).code == 2
    assert gated.state().n == 0


# quarantine


def test_quarantined_rows_are_counted(run: Run, gated: Shop) -> None:
    assert clean(run("quarantine", "list")).lines == [f"orders {DAY}: 1 row by positive"]
    (count,) = run("quarantine", "list", "orders", "--output", "json").json["orders"]
    assert count == {"day": DAY, "check": "positive", "dimension": None, "rows": 1}


def test_nothing_quarantined_is_said(run: Run, lake: Shop) -> None:
    assert run("quarantine", "list").lines == ["orders: nothing is quarantined"]
    assert run("quarantine", "show", "orders").lines == ["no quarantined row is like this"]


def test_quarantined_rows_are_shown_with_their_reasons_and_their_columns_only_when_asked(run: Run, gated: Shop) -> None:
    said = clean(run("quarantine", "show", "orders"))
    assert said.code == 0
    assert "orders 0 4" in said.out
    assert "positive:" in said.out
    assert "a secret" not in said.out
    assert "a secret" in run("quarantine", "show", "orders", "--payload").out
    (row,) = run("quarantine", "show", "orders", "--output", "json").json["rows"]
    assert "row" not in row
    assert (row["partition"], row["offset"], row["day"]) == (0, 4, DAY)
    (row,) = run("quarantine", "show", "orders", "--payload", "--output", "json").json["rows"]
    assert row["row"]["order_id"] == "o4"


@pytest.mark.parametrize(
    ("chosen", "rows"),
    [
        (["--day", DAY], 1),
        (["--day", "2026-03-02"], 0),
        (["--check", "positive"], 1),
        (["--check", "volume"], 0),
        (["--offset", "0:4"], 1),
        (["--offset", "0:0-4"], 1),
        (["--offset", "0:0-3", "--offset", "1:4"], 0),
        (["--day", "\u202eevil"], 0),
    ],
)
def test_rows_are_chosen_by_day_check_and_offset(run: Run, gated: Shop, chosen: list[str], rows: int) -> None:
    assert len(clean(run("quarantine", "show", "orders", *chosen, "--output", "json")).json["rows"]) == rows


@pytest.mark.parametrize("offset", ["4", "0:", "a:b", "0:4-", "0:5-4", "0:-1", ":4", "0:4:5", "", "٣:٤"])
def test_an_offset_that_is_none_is_refused(run: Run, gated: Shop, offset: str) -> None:
    assert clean(run("quarantine", "show", "orders", "--offset", offset)).code == 2


@pytest.mark.parametrize("day", ["2026-02-30", "01.03.2026"])
def test_a_day_that_is_none_is_refused(run: Run, gated: Shop, day: str) -> None:
    said = clean(run("quarantine", "show", "orders", "--day", day))
    assert (said.code, "is no day" in said.err) == (2, True)


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_a_limit_below_one_is_refused(run: Run, gated: Shop, limit: str) -> None:
    assert clean(run("quarantine", "show", "orders", "--limit", limit)).code == 2


def test_rows_that_still_break_their_check_stay_and_waived_ones_are_published(run: Run, gated: Shop) -> None:
    assert clean(run("quarantine", "release", "orders", "--day", DAY, "--reason", "look again")).code == 0
    assert "1 released row still breaks its checks and stays quarantined." in run("gate", *AT).out
    assert gated.quarantined() == {"o4": ["positive"]}
    said = clean(run("quarantine", "release", "orders", "--offset", "0:4", "--reason", "a refund", "--waive"))
    assert "next: ray-pipeline gate orders" in said.out
    assert "1 released row published." in run("gate", *AT).out
    assert "o4" in gated.published()
    assert gated.breaches() == []


def test_a_release_without_a_choice_or_without_rows_is_refused(run: Run, gated: Shop) -> None:
    assert clean(run("quarantine", "release", "orders", "--reason", "all of them")).code == 2
    assert clean(run("quarantine", "release", "orders", "--check", "volume", "--reason", "x")).code == 2
    assert gated.state().n == 0


# curated


def test_curated_as_json_has_exactly_what_other_engines_need(run: Run, gated: Shop) -> None:
    said = clean(run("curated", "orders", "--output", "json"))
    assert said.code == 0
    found: dict[str, Any] = said.json
    assert list(found) == ["metadata", "snapshot_id", "rows", "quarantined", "held"]
    assert (found["rows"], found["quarantined"], found["held"]) == (4, 1, 1)
    assert isinstance(found["snapshot_id"], int)
    assert found["metadata"].endswith(".metadata.json")
    assert Path(found["metadata"].removeprefix("file://")).exists()


def test_curated_as_text(run: Run, gated: Shop) -> None:
    said = clean(run("curated", "orders"))
    assert [line.split()[0] for line in said.lines] == ["metadata", "snapshot", "rows", "quarantined", "held"]


def test_curated_before_any_gate(run: Run, lake: Shop) -> None:
    said = clean(run("curated", "orders", "--output", "json"))
    assert said.json == {"metadata": None, "snapshot_id": None, "rows": 0, "quarantined": 0, "held": 0}
    assert "run the gate first" in run("curated", "orders").out


# gate --recompute


def test_recompute_says_that_states_are_what_files_say(run: Run, gated: Shop) -> None:
    said = clean(run("gate", "--recompute"))
    assert said.code == 0
    assert "orders: 2 files" in said.out
    found = run("gate", "orders", "--recompute", "--output", "json").json
    assert found["outcome"] == "held"
    assert found["datasets"][0]["different"] == []


def test_recompute_names_a_state_that_is_not(run: Run, gated: Shop) -> None:
    path = next(Path(gated.config.store).rglob("*.state"))
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    said = clean(run("gate", "--recompute"))
    assert said.code == 1
    assert "cannot be read" in said.out
    assert run("gate", "--recompute", "--output", "json").json["outcome"] == "broken"


def test_recompute_names_a_file_that_cannot_be_read(run: Run, gated: Shop) -> None:
    file = gated.landed_files()[0]
    Path(gated.config.store, file.key).unlink()
    said = clean(run("gate", "--recompute"))
    assert said.code == 3
    assert "is missing" in said.out
