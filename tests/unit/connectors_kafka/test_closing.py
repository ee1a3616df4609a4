from __future__ import annotations

import threading
import time

from confluent_kafka import KafkaError, KafkaException

from ray_pipeline.connectors.kafka.closing import close_within


def test_what_does_not_end_is_left_behind_in_time():
    release = threading.Event()
    started = time.monotonic()
    assert not close_within(0.05, lambda: release.wait(30))
    assert time.monotonic() - started < 5
    release.set()


def test_what_ends_is_waited_for():
    ended = []
    assert close_within(5, lambda: ended.append(1))
    assert ended == [1]


def test_a_client_that_is_fenced_already_leaves_without_a_word():
    def fenced() -> None:
        raise KafkaException(KafkaError(KafkaError._FENCED))

    assert close_within(5, fenced)
