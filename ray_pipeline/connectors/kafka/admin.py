"""Questions about topics, answered or refused within a time-out."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from datetime import datetime
from typing import Any, TypeVar

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaError, KafkaException, TopicCollection
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec  # type: ignore[attr-defined]

from ray_pipeline.connectors.kafka.options import Options, admin_settings, brokers
from ray_pipeline.connectors.kafka.trouble import MISSING, Trouble, build, denial, error_of, explain
from ray_pipeline.errors import SourceDeniedError, SourceError, SourceUnavailableError
from ray_pipeline.stream.ports import TopicDescription
from ray_pipeline.types import Offset, SourceId, TopicPartition, Watermarks

T = TypeVar("T")

_OFFSETS: Any = OffsetSpec  # its methods carry no types

_MOCK_CLUSTER = "mockCluster"  # how librdkafka names its mock clusters; no real one is named so
_NO_TOPIC_ID = "AAAAAAAAAAAAAAAAAAAAAA"  # sixteen zero bytes: brokers before 2.8 have no topic ids
_GRACE = 2.0  # a broker that has just started, or has not heard of a new topic yet, says that there is none
_SILENCE = "no answer in time; check bootstrap.servers and security.protocol"
_SLICE = 0.25  # how often a wait looks whether it is hopeless


class KafkaAdmin:
    """Implements :class:`ray_pipeline.stream.ports.TopicAdmin` with one admin client, made at the first question.

    Every method raises ``SourceDeniedError`` or ``SourceUnavailableError`` within ``timeout`` seconds.
    """

    def __init__(self, options: Options, timeout: float = 15.0) -> None:
        self._options = options
        self._timeout = timeout
        self._trouble = Trouble()
        self._made: Any = None

    def describe(self, topic: str) -> TopicDescription:
        """Return the topic's identity and number of partitions."""
        deadline = time.monotonic() + self._timeout
        cluster = self._cluster(deadline)
        if _is_mock(cluster):
            partitions = self._mock_partitions(topic, deadline)
            return TopicDescription(topic, SourceId(cluster, _derived_id(cluster, topic)), partitions)
        question = TopicCollection([topic])
        answer = self._ask(
            topic, deadline, lambda left: self._client.describe_topics(question, request_timeout=left)[topic]
        )
        topic_id = str(answer.topic_id)
        if topic_id in ("", "None", _NO_TOPIC_ID):
            topic_id = _derived_id(cluster, topic)
        return TopicDescription(topic, SourceId(cluster, topic_id), len(answer.partitions))

    def watermarks(self, topic_partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Watermarks]:
        """Return what the brokers still have, one request per broker for all partitions."""
        if not topic_partitions:
            return {}
        low = self._offsets(topic_partitions, _OFFSETS.earliest())
        high = self._offsets(topic_partitions, _OFFSETS.latest())
        return {at: Watermarks(low[at], high[at]) for at in topic_partitions}

    def offset_at(self, topic_partition: TopicPartition, moment: datetime) -> Offset:
        """Return the first offset published at or after ``moment``; the high watermark where there is none.

        The embedded broker knows no offsets by time: there this is always the high watermark.
        """
        milliseconds = math.ceil(moment.timestamp() * 1000)  # up: a record is never earlier than asked
        found = self._offsets([topic_partition], _OFFSETS.for_timestamp(milliseconds))[topic_partition]
        if found >= 0:
            return found
        return self._offsets([topic_partition], _OFFSETS.latest())[topic_partition]

    def group_offset(self, group: str, topic_partition: TopicPartition) -> Offset | None:
        """Return a group's offset that no open transaction can change any more; None where none is stored."""
        deadline = time.monotonic() + self._timeout
        at = KafkaPartition(topic_partition.topic, topic_partition.partition)
        question = [ConsumerGroupTopicPartitions(group, [at])]
        while True:
            answer = self._ask(
                f"group {group}",
                deadline,
                lambda left: self._client.list_consumer_group_offsets(
                    question, require_stable=True, request_timeout=left
                )[group],
            )
            found = answer.topic_partitions[0]
            if found.error is None:
                return None if found.offset < 0 else int(found.offset)
            if found.error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.GROUP_ID_NOT_FOUND):
                return None
            self._only_if_passing(f"group {group}", found.error, deadline)
            time.sleep(_SLICE)

    def largest_record(self, topic: str) -> int | None:
        """Return the topic's ``max.message.bytes``; None where it is not ours to know."""
        deadline = time.monotonic() + self._timeout
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        try:
            answer = self._ask(
                topic, deadline, lambda left: self._client.describe_configs([resource], request_timeout=left)[resource]
            )
        except SourceDeniedError:
            return None
        entry = answer.get("max.message.bytes")
        return int(entry.value) if entry is not None and entry.value else None

    def supports_transactions(self) -> bool:
        """Whether the brokers keep the promises of transactions; the embedded one does not."""
        return not _is_mock(self._cluster(time.monotonic() + self._timeout))

    def create_topic(self, name: str, partitions: int, replication: int = -1) -> None:
        """Make a topic and return when it can be described; nothing where it exists.

        The embedded broker gives every topic that it makes on demand four partitions.
        """
        deadline = time.monotonic() + self._timeout
        if _is_mock(self._cluster(deadline)):
            self._patiently(deadline, lambda left: self._client.list_topics(topic=name, timeout=left))
            return
        topic = NewTopic(name, num_partitions=partitions, replication_factor=replication)
        try:
            self._ask(name, deadline, lambda left: self._client.create_topics([topic], request_timeout=left)[name])
        except SourceDeniedError as refused:
            if refused.reason != _EXISTS:
                raise
        while True:  # other brokers than the controller hear of it a moment later
            try:
                self.describe(name)
            except SourceDeniedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_SLICE)
            else:
                return

    def close(self) -> None:
        """Leave. The client has no unfinished business, so this does not wait."""
        self._made = None

    @property
    def _client(self) -> Any:
        if self._made is None:
            self._made = build(AdminClient, admin_settings(self._options), self._trouble)
        return self._made

    def _cluster(self, deadline: float) -> str:
        return str(self._patiently(deadline, lambda left: self._client.cluster_id(timeout=left)))

    def _mock_partitions(self, topic: str, deadline: float) -> int:
        # all topics: the mock cluster creates a topic that is asked for by name
        listed = self._patiently(deadline, lambda left: self._client.list_topics(timeout=left))
        if topic not in listed.topics:
            raise SourceDeniedError(topic, denial(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)) or "")
        return len(listed.topics[topic].partitions)

    def _offsets(self, topic_partitions: Sequence[TopicPartition], spec: Any) -> dict[TopicPartition, Offset]:
        deadline = time.monotonic() + self._timeout
        found: dict[TopicPartition, Offset] = {}
        while True:
            question = {KafkaPartition(at.topic, at.partition): spec for at in topic_partitions if at not in found}
            answers = self._client.list_offsets(
                question, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=_left(deadline)
            )
            retry: KafkaError | None = None
            for partition, answer in answers.items():
                at = TopicPartition(partition.topic, partition.partition)
                try:
                    found[at] = self._result(answer, deadline).offset
                except KafkaException as raised:
                    retry = self._only_if_passing(str(at), error_of(raised), deadline)
            if retry is None:
                return found
            time.sleep(_SLICE)

    def _ask(self, what: str, deadline: float, question: Callable[[float], Future[T]]) -> T:
        """Put a question until it is answered, refused, or time is up."""
        while True:
            try:
                return self._result(question(_left(deadline)), deadline)
            except KafkaException as raised:
                self._only_if_passing(what, error_of(raised), deadline)
            time.sleep(_SLICE)

    def _result(self, answer: Future[T], deadline: float) -> T:
        """Wait in slices, because a wrong password shows only in ``error_cb``, which ``poll`` serves."""
        while True:
            try:
                result = answer.result(timeout=_SLICE)
            except FutureTimeoutError:
                self._client.poll(0)
                if self._trouble.hopeless or time.monotonic() > deadline + 1:
                    raise self._unavailable(_SILENCE) from None
            else:
                self._trouble.clear()
                return result

    def _patiently(self, deadline: float, call: Callable[[float], T]) -> T:
        """Make a blocking call in slices that double, for the same reason."""
        slice_ = _SLICE
        while True:
            try:
                result = call(min(slice_, _left(deadline)))
            except KafkaException:
                self._client.poll(0)
                if self._trouble.hopeless or time.monotonic() > deadline:
                    raise self._unavailable(_SILENCE) from None
                slice_ *= 2
            else:
                self._trouble.clear()
                return result

    def _only_if_passing(self, what: str, error: KafkaError, deadline: float) -> KafkaError:
        """Return an error that may pass; raise any other, and every one after the deadline."""
        self._client.poll(0)
        if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
            raise SourceDeniedError(what, _EXISTS)
        started = deadline - self._timeout
        if error.code() in MISSING and time.monotonic() < started + _GRACE:
            return error
        refused = denial(error)
        if refused is not None:
            raise SourceDeniedError(what, refused)
        if self._trouble.hopeless or time.monotonic() > deadline or error.code() not in _PASSING:
            raise self._unavailable(explain(error))
        return error

    def _unavailable(self, otherwise: str) -> SourceError:
        return SourceUnavailableError(brokers(self._options), self._trouble.reason(otherwise))


_EXISTS = "there is a topic of this name already"
_PASSING = frozenset(
    {
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.NOT_CONTROLLER,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError._TRANSPORT,
        KafkaError._TIMED_OUT,
        KafkaError._WAIT_COORD,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
    }
)


def _is_mock(cluster: str) -> bool:
    return cluster.startswith(_MOCK_CLUSTER)


def _derived_id(cluster: str, topic: str) -> str:
    """Where brokers have no topic ids: at least another cluster's topic is another one."""
    return hashlib.sha256(f"{cluster}/{topic}".encode()).hexdigest()[:22]


def _left(deadline: float) -> float:
    return max(_SLICE, deadline - time.monotonic())
