"""Fixtures for tests against a real Kafka: one broker per session, started when the first test asks for it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from tests.servers.kafka import ForeignKafka, KafkaServer, KafkaUnavailableError


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaServer | ForeignKafka]:
    """A real broker: ``.bootstrap``, and ``.kill()``, ``.terminate()``, ``.start()`` where ``.ours``."""
    named = os.environ.get("RAY_PIPELINE_TEST_BOOTSTRAP")
    if named:
        yield ForeignKafka(named)
    else:
        yield from _served(secure=False)


@pytest.fixture(scope="session")
def secure_kafka() -> Iterator[KafkaServer]:
    """A real broker of our own with a SASL_SSL listener and ACLs."""
    yield from _served(secure=True)


@pytest.fixture
def own_kafka(kafka: KafkaServer | ForeignKafka) -> KafkaServer:
    """The session's broker, for tests that end it; they start it again themselves."""
    if not isinstance(kafka, KafkaServer):
        pytest.skip("needs a broker that the test may kill; RAY_PIPELINE_TEST_BOOTSTRAP names another's")
    return kafka


@pytest.fixture
def make_topic(kafka: KafkaServer | ForeignKafka) -> Callable[..., str]:
    """Make a topic with a name of its own: ``make_topic(partitions=1, config={})``."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})

    def make(partitions: int = 1, config: dict[str, str] | None = None, name: str | None = None) -> str:
        topic = name or f"t-{uuid.uuid4().hex[:12]}"
        asked = NewTopic(topic, num_partitions=partitions, replication_factor=1, config=config or {})
        admin.create_topics([asked])[topic].result(15)
        return topic

    return make


def _served(*, secure: bool) -> Iterator[KafkaServer]:
    try:
        server = KafkaServer(secure=secure)
        server.start()
    except KafkaUnavailableError as reason:
        if os.environ.get("CI"):
            pytest.fail(str(reason), pytrace=False)
        pytest.skip(str(reason))
    try:
        yield server
    finally:
        server.stop()
