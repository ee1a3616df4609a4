"""Build a worker: one consumer, one admin client and one store for all partitions of an actor."""

from __future__ import annotations

import os
from collections.abc import Callable
from random import SystemRandom
from typing import TYPE_CHECKING

from ray_pipeline.clock import ReplayClock, WallClock
from ray_pipeline.connectors.kafka.at_least_once_sink import AtLeastOnceDeadLetterSink
from ray_pipeline.connectors.kafka.consumer import KafkaSource
from ray_pipeline.connectors.kafka.transactional_sink import TransactionalDeadLetterSink
from ray_pipeline.runtime.dead_letter_topic import dead_letter_group
from ray_pipeline.runtime.drift.counting import FileCounting
from ray_pipeline.runtime.failpoints import failpoints
from ray_pipeline.runtime.features.making import feature_maker, online_opener
from ray_pipeline.runtime.partition import PartitionOwner
from ray_pipeline.runtime.wiring import open_admin, open_lake
from ray_pipeline.runtime.worker import Worker
from ray_pipeline.stream.pending import CommitLimits

if TYPE_CHECKING:
    from ray_pipeline.runtime.settings import RunSettings
    from ray_pipeline.stream.ports import DeadLetterSink
    from ray_pipeline.types import SourceId, TopicPartition

PENDING_BYTES = 256 * 2**20
"""Of values that one actor may hold before it commits; its partitions share it."""
LEAST_PENDING_BYTES = 8 * 2**20


def build_worker(settings: RunSettings, incarnation: str, *, on_silence: Callable[[], None]) -> Worker:
    """Return a worker that is not started; brokers and store are contacted by its first partition."""
    config = settings.config
    clock = ReplayClock() if settings.replay else WallClock()
    store, admin = open_lake(config), open_admin(config)
    datasets = settings.topics()
    effects = failpoints()
    online = online_opener(settings)
    # One for all partitions of a dataset: they land in one thread, and look for a newer baseline once between them.
    counting = {name: FileCounting(store, config.pipeline, name, clock=clock) for name in datasets.values()}

    def make_sink(tp: TopicPartition, source: SourceId) -> DeadLetterSink:
        topic = config.datasets[datasets[tp.topic]].dead_letter_topic
        if not admin.supports_transactions():
            return AtLeastOnceDeadLetterSink(config.kafka, topic, tp, admin=admin)
        # Progress is stored under the topic's own id: that of an earlier topic of the same name says nothing.
        return TransactionalDeadLetterSink(
            config.kafka,
            f"{config.pipeline}.{tp.topic}.{tp.partition}",
            topic,
            tp,
            dead_letter_group(config.pipeline, source),
            admin=admin,
        )

    def make_owner(tp: TopicPartition, supervisor: int, partitions: int) -> PartitionOwner:
        dataset = datasets[tp.topic]
        every = config.ingest.commit_every
        return PartitionOwner(
            store=store,
            admin=admin,
            make_sink=lambda source: make_sink(tp, source),
            contract=settings.contracts[dataset],
            pipeline=config.pipeline,
            dataset=dataset,
            topic_partition=tp,
            owner=f"{settings.owner}, actor {incarnation} (process {os.getpid()})",
            supervisor=supervisor,
            clock=clock,
            rng=SystemRandom(),
            start=config.ingest.start,
            limits=CommitLimits(
                every.records, every.seconds, max(LEAST_PENDING_BYTES, PENDING_BYTES // max(partitions, 1))
            ),
            max_bad_share=config.ingest.max_bad_share,
            breaker_records=config.ingest.bad_share_min_records,
            effects=effects,
            make_features=feature_maker(settings, online, dataset, store, clock, partitions, effects),
            describe=counting[dataset].footer,
        )

    return Worker(
        source=KafkaSource(config.kafka, config.pipeline),
        make_owner=make_owner,
        clock=clock,
        incarnation=incarnation,
        on_silence=on_silence,
        on_batch=clock.advance if isinstance(clock, ReplayClock) else None,
        effects=effects,
    )
