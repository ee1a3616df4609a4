"""``files``, ``status``, ``dead-letters`` and ``verify`` over a lake that a real owner committed. No broker."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ray_pipeline.cli import console
from ray_pipeline.runtime import open as opening
from ray_pipeline.types import SourceId, Watermarks

from .conftest import FakeAdmin, Ingest, Run

GOOD = b'{"id": 1, "note": "n"}'
BAD = '{"id": "\u202esecret"}'.encode()


def test_files_prints_the_committed_files_and_nothing_else(run: Run, ingest: Ingest) -> None:
    ingest([GOOD, BAD, GOOD])
    ingest([GOOD], first=3)
    said = run("files", "orders")
    assert (said.code, said.err) == (0, "")
    assert len(said.lines) == 2
    assert sum(pq.read_table(line).num_rows for line in said.lines) == 3
    assert all("/bad/" not in line for line in said.lines)


def test_files_of_a_dataset_without_data_prints_nothing(run: Run, ingest: Ingest) -> None:
    said = run("files", "returns")
    assert (said.code, said.out) == (0, "")
    assert "returns: nothing has landed yet" in said.err


def test_the_snapshot_of_the_python_api_has_the_same_files(run: Run, ingest: Ingest, shop: Path) -> None:
    ingest([GOOD, BAD])
    pipeline = opening.open_pipeline(shop / "shop.yaml")
    assert run("files", "orders").lines == pipeline.files("orders")
    assert pipeline.read("orders").num_rows == 1


def test_status_from_the_log_alone(run: Run, ingest: Ingest) -> None:
    ingest([GOOD, BAD, GOOD])
    said = run("status", "--no-brokers", "--output", "json")
    assert said.code == 0
    (partition,) = said.json["partitions"]
    assert (partition["committed"], partition["rows"], partition["dead_letters"]) == (3, 2, 1)
    assert partition["lag"] is None
    assert partition["standing"] == "released"
    assert partition["contract"] == "shop.orders 1.0.0"


def test_status_folds_no_name_and_no_number_in_a_narrow_terminal(run: Run, ingest: Ingest) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console, "PIPE_WIDTH", 40)
        ingest([GOOD, BAD, GOOD])
        said = run("status", "--no-brokers")
    assert next(line.split() for line in said.lines if "released" in line)[:6] == ["orders", "0", "3", "?", "2", "1"]
    assert "owner" not in said.out


def test_status_without_an_answer_says_so_and_exits_0(
    run: Run, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "PATIENCE", 0.3)
    ingest([GOOD])
    said = run("status")
    assert said.code == 0
    assert "lag is not known: no answer from Kafka at 127.0.0.1:1" in said.err
    assert "orders" in said.out


def test_status_of_nothing(run: Run, shop: Path) -> None:
    said = run("status", "--no-brokers")
    assert said.code == 0
    assert "nothing was ingested yet" in said.out


def test_status_knows_lag_and_partitions_without_a_log_where_brokers_answer(
    run: Run, ingest: Ingest, brokers: FakeAdmin
) -> None:
    ingest([GOOD, GOOD])
    brokers.partitions = 2
    brokers.marks = {0: Watermarks(0, 12), 1: Watermarks(3, 5)}
    partitions = [p for p in run("status", "--output", "json").json["partitions"] if p["dataset"] == "orders"]
    assert [(p["partition"], p["standing"], p["lag"]) for p in partitions] == [(0, "released", 10), (1, "waiting", 2)]


def test_status_shows_a_topic_that_was_made_again_and_the_way_on(run: Run, ingest: Ingest, brokers: FakeAdmin) -> None:
    ingest([GOOD])
    brokers.source = SourceId("cluster", "second")
    said = run("status")
    assert "topic-recreated" in said.out
    assert "ray-pipeline resume orders --partition 0 --accept-gap" in said.out


def test_dead_letters_are_counted_by_rule_and_the_latest_listed(run: Run, ingest: Ingest) -> None:
    ingest([BAD, b"{", GOOD, BAD])
    said = run("dead-letters", "list", "--limit", "2")
    assert said.code == 0
    assert "orders: 3 dead letters" in said.out
    assert [line.split()[:3] for line in said.lines[-2:]] == [["orders", "0", "3"], ["orders", "0", "1"]]
    assert "secret" not in said.out


def test_dead_letters_as_json_and_by_rule(run: Run, ingest: Ingest) -> None:
    ingest([BAD, b"{", GOOD, BAD])
    ingest([b"{"] * 3, first=4)
    found = run("dead-letters", "list", "orders", "--rule", "json.malformed", "--output", "json").json
    assert found["datasets"] == {"orders": {"dead_letters": 6, "by_rule": {"json.malformed": 4, "type": 2}}}
    assert [letter["offset"] for letter in found["latest"]] == [6, 5, 4, 1]
    assert run("dead-letters", "list", "orders", "--rule", "maximum").lines[-1] == "latest with maximum: none"


def test_one_partition_of_dead_letters(run: Run, ingest: Ingest) -> None:
    ingest([BAD])
    ingest([b"{", b"{"], partition=1)
    found = run("dead-letters", "list", "orders", "--partition", "1", "--output", "json").json
    assert found["datasets"]["orders"]["dead_letters"] == 2
    assert {letter["partition"] for letter in found["latest"]} == {1}


def test_the_payload_is_shown_only_on_demand_and_never_raw(run: Run, ingest: Ingest) -> None:
    ingest([GOOD, BAD])
    said = run("dead-letters", "show", "orders", "0", "1")
    assert said.code == 0
    assert "secret" not in said.out
    assert "/id: type:" in said.out
    said = run("dead-letters", "show", "orders", "0", "1", "--payload")
    assert 'value: {"id": "\\u202esecret"}' in said.lines
    assert "\u202e" not in said.out


def test_a_payload_as_json_says_how_it_is_written(run: Run, ingest: Ingest) -> None:
    ingest([b"\xff\x00", BAD])
    shown = [run("dead-letters", "show", "orders", 0, n, "--payload", "--output", "json").json for n in (0, 1)]
    assert [list(document["value"]) for document in shown] == [["base64"], ["text"]]
    assert "value" not in run("dead-letters", "show", "orders", 0, 0, "--output", "json").json


@pytest.mark.parametrize(
    ("partition", "offset", "sentence"),
    [(0, 0, "was not refused"), (0, 9, "is not committed; the log has 0 to 1"), (5, 0, "nothing of this partition")],
)
def test_an_offset_that_is_no_dead_letter_exits_2(
    run: Run, ingest: Ingest, partition: int, offset: int, sentence: str
) -> None:
    ingest([GOOD, BAD])
    said = run("dead-letters", "show", "orders", partition, offset)
    assert said.code == 2
    assert sentence in said.err


def test_verify_holds_over_a_sound_lake(run: Run, ingest: Ingest) -> None:
    ingest([GOOD, BAD, GOOD])
    said = run("verify", "--output", "json")
    assert said.code == 0, said.out
    assert said.json["outcome"] == "held"
    assert said.json["counts"]["rows"] == 2


def test_verify_names_what_is_broken_and_exits_1(run: Run, ingest: Ingest) -> None:
    ingest([GOOD, BAD, GOOD])
    (file,) = map(Path, run("files", "orders").lines)
    file.write_bytes(file.read_bytes()[:-1] + b"\x00")
    said = run("verify", "orders")
    assert said.code == 1
    assert file.name in said.out


def test_verify_of_nothing_cannot_tell(run: Run, shop: Path) -> None:
    said = run("verify")
    assert said.code == 3
    assert " held " not in said.out
    assert "no log was found" in said.out


def test_a_lake_that_cannot_be_read_is_one_sentence(run: Run, ingest: Ingest, shop: Path) -> None:
    ingest([GOOD])
    for entry in (shop / "lake" / "shop" / "_log").rglob("*.json"):
        entry.write_bytes(b"{}")
    said = run("files", "orders")
    assert said.code == 3
    assert "cannot be read" in said.err
    assert len(said.err.splitlines()) == 1


def test_watching_looks_again_until_ctrl_c(run: Run, ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest([GOOD])
    naps = iter([None])

    def sleep(seconds: float) -> None:
        assert seconds == 3
        if next(naps, "last") == "last":
            raise KeyboardInterrupt

    monkeypatch.setattr("ray_pipeline.cli.status.time.sleep", sleep)
    said = run("status", "--no-brokers", "--output", "json", "--watch", "3")
    assert said.code == 130
    assert len(said.lines) == 2


def test_json_is_one_object_a_line(run: Run, ingest: Ingest) -> None:
    ingest([GOOD, BAD])
    for args in (("status", "--no-brokers"), ("verify",), ("dead-letters", "list"), ("files", "orders")):
        said = run(*args, "--output", "json")
        assert len(said.lines) == 1
        json.loads(said.out)
