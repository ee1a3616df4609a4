from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime
from itertools import islice

import pytest

from ray_pipeline.contracts.model import DataContract
from ray_pipeline.demo.events import ARRIVALS, DEPARTURES, TOPICS, WEATHER, Event, in_order
from ray_pipeline.demo.plan import PARTITIONS, DemoPlan
from ray_pipeline.demo.publish import Published, publish
from ray_pipeline.demo.spoil import ways_of
from ray_pipeline.errors import UsageError

EMBEDDED_BROKER_KEEPS = 5 * 2**20


@pytest.fixture(scope="module")
def plan() -> DemoPlan:
    return DemoPlan()


@pytest.fixture(scope="module")
def records(plan: DemoPlan) -> list[Event]:
    return list(plan.records())


def test_the_default_stretch_is_three_weeks_with_the_blizzard(plan: DemoPlan, records: list[Event]) -> None:
    assert Counter(record.topic for record in records) == {WEATHER: 1_506, DEPARTURES: 18_721, ARRIVALS: 17_591}
    first, last = (datetime.fromtimestamp(records[i].timestamp_ms / 1000, UTC) for i in (0, -1))
    assert (first, last.date()) == (datetime(2013, 2, 4, 5, tzinfo=UTC), date(2013, 2, 25))


def test_records_come_in_the_order_of_publication(records: list[Event]) -> None:
    moments = [record.timestamp_ms for record in records]
    assert moments == sorted(moments)


def test_the_expected_counts_are_those_of_the_default_seed(plan: DemoPlan) -> None:
    found = {topic: (each.read, each.landed, each.dead_lettered) for topic, each in plan.expected().items()}
    assert found == {WEATHER: (1_506, 1_470, 36), DEPARTURES: (18_721, 18_345, 376), ARRIVALS: (17_591, 17_209, 382)}


def test_expected_counts_are_the_ways_that_the_records_name(plan: DemoPlan, records: list[Event]) -> None:
    rules = {topic: {way.name: way.rule for way in ways_of(topic)} for topic in TOPICS}
    for topic, expected in plan.expected().items():
        ways = Counter(record.way for record in records if record.topic == topic)
        by_rule: Counter[str | None] = Counter()
        for name, count in ways.items():
            if name in rules[topic]:
                by_rule[rules[topic][name]] += count
        assert expected.by_rule == by_rule
        assert expected.dead_lettered == by_rule.total() == expected.read - expected.landed


def test_the_judge_comes_to_the_expected_counts(
    plan: DemoPlan, records: list[Event], contracts: Mapping[str, DataContract]
) -> None:
    for topic, expected in plan.expected().items():
        judgement = contracts[topic].judge([record.value for record in records if record.topic == topic])
        columns = contracts[topic].columns(judgement)
        found = Counter(violations[0].rule for violations in (judgement.violations | columns.violations).values())
        assert found == expected.by_rule
        assert columns.table.num_rows == expected.landed


def test_every_way_occurs_and_about_the_stated_share_is_spoiled(plan: DemoPlan, records: list[Event]) -> None:
    spoiling = {way.name for topic in TOPICS for way in ways_of(topic)}
    assert spoiling <= {record.way for record in records}
    spoiled = sum(record.way in spoiling for record in records)
    assert spoiled / len(records) == pytest.approx(plan.share, abs=0.003)


def test_without_a_share_the_records_are_the_clean_events() -> None:
    plan = DemoPlan(days=1, share=0, tricky_share=0)
    assert list(plan.records()) == list(in_order(plan.streams))
    assert all(not expected.by_rule for expected in plan.expected().values())


def test_an_event_is_spoiled_alike_in_every_stretch_that_has_it(records: list[Event]) -> None:
    known = {(record.topic, record.key, record.timestamp_ms): record for record in records}
    for record in DemoPlan(start=date(2013, 2, 7), days=2).records():
        assert known[record.topic, record.key, record.timestamp_ms] == record


def test_another_seed_spoils_others() -> None:
    ours, others = (DemoPlan(seed=seed, days=2) for seed in (1, 2))
    assert [record.way for record in ours.records()] != [record.way for record in others.records()]


def test_the_default_stretch_fits_into_what_the_embedded_broker_keeps(records: list[Event]) -> None:
    """Keys spread evenly enough: a third more than the mean, and a record's own overhead, stay under 4 of 5 MiB."""
    sizes: Counter[str] = Counter()
    for record in records:
        sizes[record.topic] += len(record.key) + len(record.value or b"") + 80
    for topic, size in sizes.items():
        assert size / PARTITIONS[topic] * 4 / 3 < 0.8 * EMBEDDED_BROKER_KEEPS


@pytest.mark.parametrize("wrong", [{"share": -0.1}, {"share": 0.9, "tricky_share": 0.2}, {"start": date(2014, 1, 1)}])
def test_a_plan_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        DemoPlan(**wrong)  # type: ignore[arg-type]


def test_publishing_hands_over_each_record_in_order_and_counts(records: list[Event]) -> None:
    some = list(islice(records, 2_500))
    produced: list[tuple[str, bytes, bytes | None, int]] = []
    reached: list[tuple[int, int]] = []

    def produce(topic: str, key: bytes, value: bytes | None, timestamp_ms: int) -> None:
        produced.append((topic, key, value, timestamp_ms))

    def progress(published: Published) -> None:
        reached.append((published.total, published.last_timestamp_ms))

    published = publish(iter(some), produce, progress)
    assert produced == [(record.topic, record.key, record.value, record.timestamp_ms) for record in some]
    assert reached == [(count, some[count - 1].timestamp_ms) for count in (1_000, 2_000, 2_500)]
    assert published.records == Counter(record.topic for record in some)
    assert sum(published.bytes.values()) == sum(len(key) + len(value or b"") for _, key, value, _ in produced)


def test_publishing_nothing_says_so() -> None:
    assert publish((), lambda *_: None).total == 0
