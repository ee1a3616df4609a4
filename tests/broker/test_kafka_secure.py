from __future__ import annotations

import time
from typing import Any

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from ray_pipeline.connectors.kafka.admin import KafkaAdmin
from ray_pipeline.connectors.kafka.consumer import KafkaSource
from ray_pipeline.connectors.kafka.transactional_sink import TransactionalDeadLetterSink
from ray_pipeline.errors import SinkUnavailableError, SourceDeniedError, SourceUnavailableError
from ray_pipeline.types import Position, TopicPartition
from tests.broker.kafka_records import letter, produce, read_until, values

pytestmark = pytest.mark.broker


@pytest.fixture
def options(secure_kafka) -> dict[str, Any]:
    return {
        "bootstrap.servers": secure_kafka.secure_bootstrap,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "alice",
        "sasl.password": "alice-secret",
        "ssl.ca.location": str(secure_kafka.authority),
    }


@pytest.fixture
def allow(secure_kafka):
    client = AdminClient({"bootstrap.servers": secure_kafka.bootstrap, "log_level": 0})

    def grant(kind: ResourceType, name: str, operation: AclOperation) -> AclBinding:
        binding = AclBinding(
            kind, name, ResourcePatternType.LITERAL, "User:alice", "*", operation, AclPermissionType.ALLOW
        )
        for answer in client.create_acls([binding]).values():
            answer.result(15)
        return binding

    return grant


@pytest.fixture
def topic(secure_kafka) -> str:
    client = AdminClient({"bootstrap.servers": secure_kafka.bootstrap, "log_level": 0})
    name = f"secret-{time.time_ns()}"
    client.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])[name].result(15)
    return name


def _poll_for(source: KafkaSource, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        source.poll(1, 0.2)


def _refused(options: dict[str, Any]) -> str:
    started = time.monotonic()
    with pytest.raises(SourceUnavailableError) as refused:
        KafkaAdmin(options).describe("any")
    assert time.monotonic() - started < 30
    sentence = str(refused.value)
    assert "secret" not in sentence
    return sentence


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_a_wrong_password_is_said_and_not_shown(options, mechanism):
    sentence = _refused({**options, "sasl.mechanism": mechanism, "sasl.password": "wrong-secret"})
    assert "check sasl.mechanism, sasl.username and sasl.password" in sentence


def test_a_wrong_authority_is_said(options, secure_kafka):
    sentence = _refused({**options, "ssl.ca.location": str(secure_kafka.authority.with_name("other.crt"))})
    assert "check ssl.ca.location" in sentence


def test_plain_text_to_a_tls_port_is_said(options):
    sentence = _refused({"bootstrap.servers": options["bootstrap.servers"]})
    assert "security.protocol" in sentence


def test_a_consumer_with_a_wrong_password_says_so(options, topic):
    source = KafkaSource({**options, "sasl.password": "wrong-secret"}, "g", patience=1.0)
    source.assign({TopicPartition(topic, 0): Position(0)})
    with pytest.raises(SourceUnavailableError, match=r"check sasl\.mechanism"):
        _poll_for(source, 20)
    source.close()


def test_without_a_right_the_topic_is_not_there_or_denied_in_one_sentence(options, topic):
    with pytest.raises(SourceDeniedError, match=rf"^{topic}: no right to this topic; ask for an ACL"):
        KafkaAdmin(options).describe(topic)


def test_reading_begins_when_the_right_comes_and_says_when_it_goes(options, topic, allow, secure_kafka):
    at = TopicPartition(topic, 0)
    produce(secure_kafka.bootstrap, topic, [b"1"])
    allow(ResourceType.TOPIC, topic, AclOperation.DESCRIBE)
    assert KafkaAdmin(options).describe(topic).partitions == 1
    source = KafkaSource(options, "g")
    source.assign({at: Position(0)})
    with pytest.raises(SourceDeniedError, match="no right to this topic"):
        _poll_for(source, 20)
    right = allow(ResourceType.TOPIC, topic, AclOperation.READ)
    assert values(read_until(source, {at: 1})[at]) == [b"1"]
    source.hint(at, Position(1))  # no right to the group: nobody is bothered
    client = AdminClient({"bootstrap.servers": secure_kafka.bootstrap, "log_level": 0})
    for answer in client.delete_acls([_filter(right)]).values():
        answer.result(15)
    with pytest.raises(SourceDeniedError, match="no right to this topic"):
        _poll_for(source, 20)
    allow(ResourceType.TOPIC, topic, AclOperation.READ)
    produce(secure_kafka.bootstrap, topic, [b"2"])
    assert values(read_until(source, {at: 2})[at]) == [b"2"]
    source.close()


def test_a_sink_without_a_right_says_which(options, topic, allow):
    def sink() -> TransactionalDeadLetterSink:
        return TransactionalDeadLetterSink(options, f"p.{topic}", topic, TopicPartition(topic, 0), f"p.{topic}.dlq")

    allow(ResourceType.TOPIC, topic, AclOperation.DESCRIBE)
    with pytest.raises(SinkUnavailableError, match=r"no right to this transactional\.id"):
        sink().open()
    allow(ResourceType.TRANSACTIONAL_ID, f"p.{topic}", AclOperation.WRITE)
    allow(ResourceType.TRANSACTIONAL_ID, f"p.{topic}", AclOperation.DESCRIBE)
    with pytest.raises(SinkUnavailableError, match="no right to this consumer group"):
        sink().open()
    allow(ResourceType.GROUP, f"p.{topic}.dlq", AclOperation.READ)
    opened = sink()
    assert opened.open() is None
    with pytest.raises(SinkUnavailableError, match="no right to this topic"):
        opened.send([letter(TopicPartition(topic, 0), 0)], through=1)
    allow(ResourceType.TOPIC, topic, AclOperation.WRITE)
    allow(ResourceType.TOPIC, topic, AclOperation.READ)  # a transaction stores the source's offset
    assert opened.open() is None
    opened.send([letter(TopicPartition(topic, 0), 0)], through=1)
    assert opened.open() == 1
    opened.close()


def _filter(binding: AclBinding) -> Any:
    from confluent_kafka.admin import AclBindingFilter

    return AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )
