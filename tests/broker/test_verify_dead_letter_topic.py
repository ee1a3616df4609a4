"""``verify --brokers`` (I8) on a real Kafka: the dead-letter topic is exactly the bad files, or it says where not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from confluent_kafka import Producer

from ray_pipeline.clock import WallClock
from ray_pipeline.config import load_config
from ray_pipeline.connectors.kafka.admin import KafkaAdmin
from ray_pipeline.connectors.kafka.consumer import KafkaSource
from ray_pipeline.connectors.kafka.transactional_sink import TransactionalDeadLetterSink
from ray_pipeline.lake.verify_report import Status
from ray_pipeline.runtime.dead_letter_topic import dead_letter_group
from ray_pipeline.runtime.open import Pipeline, open_pipeline
from ray_pipeline.runtime.partition import PartitionOwner
from ray_pipeline.types import Outcome, Position, TopicPartition
from tests.servers.kafka import ForeignKafka, KafkaServer

pytestmark = pytest.mark.broker

RECORDS = [b'{"id": %d}' % i if i % 3 else b'{"id": "%d"}' % i for i in range(30)]
SCHEMA = '{"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}'


@pytest.fixture
def pipeline(kafka: KafkaServer | ForeignKafka, make_topic: Callable[..., str], tmp_path: Path) -> Pipeline:
    """A source topic with records of which a third is bad, its dead-letter topic, and a lake."""
    topic = make_topic(partitions=2)
    make_topic(partitions=2, name=f"{topic}.dead-letters")
    (tmp_path / "orders.json").write_text(SCHEMA)
    (tmp_path / "shop.yaml").write_text(
        f"pipeline: {topic}\nkafka:\n  bootstrap.servers: {kafka.bootstrap}\nstore: ./lake\n"
        f"datasets:\n  orders:\n    contract: orders.json\n    topic: {topic}\n"
    )
    publish(kafka.bootstrap, topic, [(None, value, None) for value in RECORDS])
    return open_pipeline(load_config(tmp_path / "shop.yaml"))


def publish(
    bootstrap: str, topic: str, records: list[tuple[bytes | None, bytes, list[tuple[str, bytes]] | None]]
) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    for key, value, headers in records:
        producer.produce(topic, value, key, partition=0, headers=headers or [])
    assert producer.flush(15) == 0


def topic_of(pipeline: Pipeline) -> str:
    return pipeline.config.datasets["orders"].topic


def ingest(pipeline: Pipeline, *, through: int = len(RECORDS), project: bool = True) -> None:
    """Commit all of partition 0 as a run does."""
    config, at = pipeline.config, TopicPartition(topic_of(pipeline), 0)
    owner = PartitionOwner(
        store=pipeline.store,
        admin=KafkaAdmin(config.kafka),
        make_sink=lambda source: TransactionalDeadLetterSink(
            config.kafka,
            f"{config.pipeline}.0",
            config.datasets["orders"].dead_letter_topic,
            at,
            dead_letter_group(config.pipeline, source),
        ),
        contract=pipeline.contract("orders"),
        pipeline=config.pipeline,
        dataset="orders",
        topic_partition=at,
        owner="test",
        supervisor=1,
        clock=WallClock(),
        rng=Random(7),
    )
    source = KafkaSource(config.kafka, config.pipeline)
    try:
        source.assign({at: owner.own()})
        end = 0
        while end < through:
            for batch in source.poll(1000, 1.0):
                owner.land(owner.judge(batch))
                end = batch.end
        owner.commit()
        if project:
            owner.project(final=True)
        owner.release()
    finally:
        source.close()
        owner.close()


@pytest.fixture
def ingested(pipeline: Pipeline) -> Pipeline:
    ingest(pipeline)
    return pipeline


def test_the_topic_holds_exactly_the_bad_records(ingested: Pipeline) -> None:
    report = ingested.verify(brokers=True)
    assert report.outcome is Outcome.HELD, str(report)
    assert report.result("I8").status is Status.HELD
    assert report.counts.bad_records == 10


def test_without_brokers_it_is_not_checked_and_changes_no_outcome(ingested: Pipeline) -> None:
    report = ingested.verify()
    assert report.outcome is Outcome.HELD
    assert report.result("I8").status is Status.NOT_CHECKED


def test_records_that_others_wrote_into_the_topic_are_not_ours_to_judge(
    ingested: Pipeline, kafka: KafkaServer | ForeignKafka
) -> None:
    publish(
        kafka.bootstrap,
        f"{topic_of(ingested)}.dead-letters",
        [(None, b"x", None), (None, b"y", [("__contract.bad_file", b"/elsewhere/bad/t/00000/x.parquet")])],
    )
    assert ingested.verify(brokers=True).outcome is Outcome.HELD


def test_a_letter_that_is_there_twice_is_found(ingested: Pipeline, kafka: KafkaServer | ForeignKafka) -> None:
    letters = f"{topic_of(ingested)}.dead-letters"
    source = KafkaSource(ingested.config.kafka, "copy")
    source.assign({TopicPartition(letters, 0): Position(0)})
    try:
        batch = next(batch for _ in range(30) for batch in source.poll(1000, 1.0) if len(batch))
        value, headers = batch.values[0], batch.headers(0)
    finally:
        source.close()
    publish(kafka.bootstrap, letters, [(None, value or b"", [(name, data or b"") for name, data in headers])])
    report = ingested.verify(brokers=True)
    assert report.outcome is Outcome.BROKEN
    (breach,) = report.result("I8").breaches
    assert breach.offset == 0
    assert "twice" in breach.message


def test_what_is_not_projected_yet_is_no_breach(pipeline: Pipeline) -> None:
    ingest(pipeline, project=False)
    assert pipeline.verify(brokers=True).outcome is Outcome.HELD


def test_a_letter_of_a_record_that_had_failed_before_counts_by_its_id(
    pipeline: Pipeline, kafka: KafkaServer | ForeignKafka
) -> None:
    failed_before = [("__connect.errors.offset", b"4711"), ("__connect.errors.topic", b"another")]
    publish(kafka.bootstrap, topic_of(pipeline), [(None, b'{"id": null}', failed_before)])
    ingest(pipeline, through=len(RECORDS) + 1)
    report = pipeline.verify(brokers=True)
    assert report.outcome is Outcome.HELD, str(report)
    assert report.counts.bad_records == 11


def test_status_knows_the_lag(ingested: Pipeline) -> None:
    partitions = {found.partition: found for found in ingested.status().partitions}
    assert (partitions[0].committed, partitions[0].lag) == (30, 0)
    assert partitions[1].standing == "waiting"
