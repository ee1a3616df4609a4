"""``resume``: a person lets a stopped partition go on."""

from __future__ import annotations

import pytest

from ray_pipeline.errors import PartitionStoppedError
from ray_pipeline.types import SourceId, Watermarks

from .conftest import FakeAdmin, Ingest, Run

GOOD, BAD = b'{"id": 1}', b'{"id": "1"}'


@pytest.fixture
def stopped(ingest: Ingest) -> None:
    """Partition 0 committed two records, and then its breaker opened."""
    ingest([GOOD, GOOD])
    with pytest.raises(PartitionStoppedError):
        ingest([BAD] * 8, first=2, share=0.5)


def standing(run: Run) -> list[str]:
    partitions = run("status", "--no-brokers", "--output", "json").json["partitions"]
    return [partition["standing"] for partition in partitions]


def test_status_says_why_and_how_to_go_on(run: Run, stopped: None) -> None:
    said = run("status", "--no-brokers")
    assert "paused: bad-share" in said.out
    assert "ray-pipeline resume orders --partition 0" in said.out


def test_a_partition_that_the_breaker_stopped_goes_on(
    run: Run, stopped: None, brokers: FakeAdmin, ingest: Ingest
) -> None:
    said = run("resume", "orders")
    assert said.code == 0
    assert "orders[0] goes on at offset 2" in said.out
    assert standing(run) != ["paused"]
    ingest([BAD] * 8, first=2, share=0.5)
    assert run("status", "--no-brokers", "--output", "json").json["partitions"][0]["dead_letters"] == 8


def test_nothing_stopped_is_no_error(run: Run, ingest: Ingest, brokers: FakeAdmin) -> None:
    ingest([GOOD])
    said = run("resume", "orders")
    assert (said.code, said.out) == (0, "")
    assert "no partition is stopped" in said.err


def test_another_partition_stays_stopped(run: Run, stopped: None, brokers: FakeAdmin) -> None:
    brokers.partitions = 2
    assert run("resume", "orders", "--partition", "1").code == 0
    assert standing(run) == ["paused"]


def test_a_gap_is_accepted_only_by_name(run: Run, stopped: None, brokers: FakeAdmin) -> None:
    brokers.marks = {0: Watermarks(50, 60)}
    said = run("resume", "orders")
    assert said.code == 2
    assert "--accept-gap" in said.out
    assert standing(run) == ["paused"]
    said = run("resume", "orders", "--accept-gap", "--output", "json")
    assert said.code == 0
    assert said.json["partitions"][0]["done"]
    assert run("status", "--no-brokers", "--output", "json").json["partitions"][0]["committed"] == 50


def test_the_log_of_a_topic_that_was_made_again_is_closed(run: Run, ingest: Ingest, brokers: FakeAdmin) -> None:
    ingest([GOOD])
    brokers.source = SourceId("cluster", "second")
    assert run("resume", "orders").code == 2
    assert run("resume", "orders", "--accept-gap").code == 0
    assert standing(run) == ["closed"]


def test_brokers_that_do_not_answer_exit_3(run: Run, stopped: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray_pipeline.runtime import open as opening

    monkeypatch.setattr(opening, "PATIENCE", 0.3)
    said = run("resume", "orders")
    assert said.code == 3
    assert "no answer from Kafka at 127.0.0.1:1" in said.err
