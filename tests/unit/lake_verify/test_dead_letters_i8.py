"""I8: what the dead-letter topic holds, against the bad files."""

from __future__ import annotations

from array import array
from dataclasses import replace

import pytest

from ray_pipeline.lake.entries import decode, encode
from ray_pipeline.lake.keys import LogId, entry_key
from ray_pipeline.lake.verify import verify
from ray_pipeline.lake.verify_dead_letters import DeadLetterTopic
from ray_pipeline.lake.verify_report import InvariantResult, Status
from ray_pipeline.testing.store import MemoryStore
from ray_pipeline.types import Outcome, SourceId

from .lakes import good_lake


def result(topic: DeadLetterTopic | None, lake: MemoryStore | None = None) -> InvariantResult:
    """Audit the good lake, whose bad records are 8, 9 and 17 of partition 0, against these letters."""
    report = verify(lake or good_lake(), "shop", dead_letters=lambda _: topic)
    assert report.outcome is (Outcome.BROKEN if report.result("I8").breaches else Outcome.HELD)
    return report.result("I8")


def letters(
    *offsets: int, through: int | None = 25, expired: bool = False, exactly_once: bool = True
) -> DeadLetterTopic:
    progress = {} if through is None else {0: through}
    return DeadLetterTopic("orders.dead-letters", {0: array("q", offsets)}, progress, expired, exactly_once)


@pytest.mark.parametrize(
    "topic",
    [
        letters(8, 9, 17),
        letters(17, 9, 8),
        letters(8, 9, through=17),
        letters(8, 9, 17, through=None),
        letters(8, 9, 17, 40),
        letters(9, 17, expired=True),
        letters(expired=True),
        letters(8, 9, 8, 17, exactly_once=False),
    ],
    ids=["all", "order", "up to progress", "progress of the log", "newer", "oldest expired", "all expired", "repeated"],
)
def test_letters_that_match_hold(topic: DeadLetterTopic) -> None:
    assert result(topic).status is Status.HELD


@pytest.mark.parametrize(
    ("topic", "offset", "message"),
    [
        (letters(8, 17), 9, "not in the topic"),
        (letters(8, 17, expired=True), 9, "not in the topic"),
        (letters(8, 9, through=None), 17, "not in the topic"),
        (letters(), 8, "not in the topic"),
        (letters(8, 9, 9, 17), 9, "twice"),
        (letters(8, 9, 10, 17), 10, "in no bad file"),
        (letters(8, 9, 10, 17, exactly_once=False), 10, "in no bad file"),
        (letters(8, 17, exactly_once=False), 9, "not in the topic"),
    ],
)
def test_letters_that_do_not_match_are_named(topic: DeadLetterTopic, offset: int, message: str) -> None:
    found = result(topic)
    [breach] = found.breaches
    assert breach.offset == offset
    assert message in breach.message
    assert breach.key.startswith("orders.dead-letters (shop/_log/orders/")


def test_without_brokers_it_is_not_checked_and_the_exit_code_is_the_others() -> None:
    report = verify(good_lake(), "shop")
    assert report.result("I8").status is Status.NOT_CHECKED
    assert "--brokers" in report.result("I8").note
    assert report.outcome is Outcome.HELD


def test_a_topic_that_cannot_be_read_is_not_checked() -> None:
    assert result(None).status is Status.NOT_CHECKED


def test_an_offset_may_come_once_from_each_incarnation_of_the_topic() -> None:
    lake = good_lake()
    for key in [key for key in lake.objects if "/c1.t1/00000/" in key or key.endswith("c1.t1/00000.json")]:
        lake.objects[key.replace("c1.t1", "c1.t0")] = lake.objects[key]
    first = entry_key(LogId("shop", "orders", "c1", "t0", 0), 0)
    lake.objects[first] = encode(replace(decode(lake.objects[first]), topic_id="t0"))  # type: ignore[arg-type]
    topic = letters(8, 9, 17, 8, 9, 17)
    topic.source = SourceId("c1", "t1")
    assert result(topic, lake).status is Status.HELD
    topic.ids[0].append(9)
    [breach] = result(topic, lake).breaches
    assert (breach.offset, "c1.t1" in breach.key) == (9, True)
