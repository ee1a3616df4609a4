"""The producer of prediction events, against a broker that goes away and comes back."""

from __future__ import annotations

import queue
from collections.abc import Iterator

import pytest

from ray_pipeline.connectors.kafka.embedded import EmbeddedBroker
from ray_pipeline.connectors.kafka.prediction_log import PredictionLog, Report
from ray_pipeline.errors import PredictionLogError
from tests.served import events_on

TOPIC = "predictions"


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker({TOPIC: 2}) as running:
        yield running


def options(broker: EmbeddedBroker) -> dict[str, str]:
    return {"bootstrap.servers": broker.bootstrap_servers}


def until_full(log: PredictionLog, report: Report) -> tuple[int, PredictionLogError]:
    """Return how many events it took, and how it refused the next one."""
    for number in range(100):
        try:
            log.put(f"r{number}".encode(), b"{}", 0, report)
        except PredictionLogError as error:
            return number, error
    pytest.fail("the queue has no end")


def test_what_is_queued_is_on_the_topic_when_the_log_is_closed(broker: EmbeddedBroker) -> None:
    log = PredictionLog(options(broker), TOPIC)
    for number in range(500):
        log.put(f"r{number}".encode(), b"{}", 1_000 + number)
    assert log.close() == 0
    found = events_on(broker, TOPIC, 2)
    assert {key: at for key, _, at in found} == {f"r{n}".encode(): 1_000 + n for n in range(500)}
    with pytest.raises(PredictionLogError, match="this process ends"):
        log.put(b"late", b"{}", 0)


def test_each_event_is_reported_once(broker: EmbeddedBroker) -> None:
    log, said = PredictionLog(options(broker), TOPIC, linger_ms=0), queue.SimpleQueue[str | None]()
    log.put(b"r1", b"{}", 0, said.put)
    assert said.get(timeout=20) is None
    assert (log.counts.delivered, log.counts.failed, log.trouble, log.lossy) == (1, 0, None, False)
    log.close()
    assert said.empty()


def test_an_outage_fills_the_queue_then_refuses_and_loses_nothing(broker: EmbeddedBroker) -> None:
    log, said = PredictionLog(options(broker), TOPIC, max_events=10), queue.SimpleQueue[str | None]()
    log.put(b"first", b"{}", 0, said.put)
    assert said.get(timeout=20) is None
    broker.stop()
    taken, refused = until_full(log, said.put)
    assert taken in (9, 10)  # the place of the first one is free only once its report has returned
    assert TOPIC in str(refused)
    assert log.probe(0.5) is not None
    assert log.trouble is not None
    broker.start()
    assert [said.get(timeout=60) for _ in range(taken)] == [None] * taken
    assert log.probe(5.0) is None
    assert (log.trouble, log.counts.failed) == (None, 0)
    log.close()
    assert len(events_on(broker, TOPIC, 2)) == 1 + taken


def test_an_event_that_is_given_up_is_told_and_so_is_the_next_that_is_delivered(broker: EmbeddedBroker) -> None:
    log = PredictionLog(options(broker), TOPIC, linger_ms=0, give_up_after=1.0)
    said = queue.SimpleQueue[str | None]()
    broker.stop()
    log.put(b"r1", b"{}", 0, said.put)
    assert said.get(timeout=30) is not None
    assert log.lossy and log.trouble is not None and log.counts.failed == 1
    broker.start()
    assert log.probe(20.0) is not None  # that the brokers answer does not bring the lost event back
    log.put(b"r2", b"{}", 0, said.put)
    while (reason := said.get(timeout=30)) is not None:
        log.put(b"r2", b"{}", 0, said.put)
    assert reason is None
    assert (log.lossy, log.trouble) == (False, None)
    log.close()


def test_an_event_that_is_too_large_is_refused_without_being_quoted(broker: EmbeddedBroker) -> None:
    log = PredictionLog(options(broker), TOPIC)
    with pytest.raises(PredictionLogError) as refused:
        log.put(b"r1", b"canary" * 500_000, 0)
    assert "canary" not in str(refused.value)
    log.close()
