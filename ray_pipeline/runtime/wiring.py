"""Where core and connectors meet: each function builds one part from the configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import SystemRandom
from typing import TYPE_CHECKING

from ray_pipeline.clock import Clock, WallClock
from ray_pipeline.connectors.object_store import open_store
from ray_pipeline.connectors.object_store.probe import require_put_if_absent
from ray_pipeline.contracts.load import load_contract
from ray_pipeline.errors import ContractError, FencedError, Problem, SourceDeniedError
from ray_pipeline.lake import supervisors
from ray_pipeline.lake.log_reader import LogReader
from ray_pipeline.lake.topics import find_logs

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.kafka.admin import KafkaAdmin
    from ray_pipeline.contracts.model import DataContract
    from ray_pipeline.lake.ports import ObjectStore
    from ray_pipeline.runtime.settings import RunSettings


def open_lake(config: PipelineConfig) -> ObjectStore:
    """Return the store; nothing is contacted yet."""
    return open_store(config.store, config.store_options)


def open_admin(config: PipelineConfig) -> KafkaAdmin:
    """Return the one who asks about topics; nothing is contacted yet."""
    from ray_pipeline.connectors.kafka.admin import KafkaAdmin

    return KafkaAdmin(config.kafka)


def load_contracts(config: PipelineConfig) -> dict[str, DataContract]:
    """Return every dataset's contract, or raise ``ContractError`` with the problems of all of them."""
    contracts: dict[str, DataContract] = {}
    problems: list[Problem] = []
    for name, dataset in config.datasets.items():
        try:
            contracts[name] = load_contract(dataset.contract, object_name=dataset.object)
        except ContractError as error:
            problems.extend(problem for problem in error.problems if problem not in problems)
    if problems:
        raise ContractError(tuple(problems))
    return contracts


def check_parts(config: PipelineConfig, *, say: Callable[[str], None]) -> None:
    """Ask store and brokers whether a run can begin, within 30 seconds; raise one clear sentence where it cannot.

    A dead-letter topic that is missing is created with as many partitions as its source has, and the topic of our own
    answers with as many as the widest topic has. Any other topic is its producer's to make.
    """
    require_put_if_absent(open_lake(config))
    admin = open_admin(config)
    if not admin.supports_transactions():
        say("the embedded broker keeps no transactions: dead letters are at-least-once there, with ids")
    ensure_predictions_topic(config, admin, say)
    for dataset in config.datasets.values():
        described = admin.describe(dataset.topic)
        try:
            admin.describe(dataset.dead_letter_topic)
        except SourceDeniedError:
            admin.create_topic(dataset.dead_letter_topic, described.partitions)
            say(f"created the dead-letter topic {dataset.dead_letter_topic} ({described.partitions} partitions)")


def ensure_predictions_topic(config: PipelineConfig, admin: KafkaAdmin, say: Callable[[str], None]) -> None:
    """Make the topic of our own answers where it is missing, as wide as the widest of the pipeline's topics."""
    ours = config.datasets.get(config.serve.predictions)
    if ours is None or config.serve.model is None:
        return
    try:
        admin.describe(ours.topic)
    except SourceDeniedError:
        widths = [_width(admin, other.topic) for other in config.datasets.values() if other.topic != ours.topic]
        admin.create_topic(ours.topic, max(widths, default=1))
        say(f"created the topic {ours.topic} ({admin.describe(ours.topic).partitions} partitions)")


def _width(admin: KafkaAdmin, topic: str) -> int:
    try:
        return admin.describe(topic).partitions
    except SourceDeniedError:
        return 1


class Registration:
    """This supervisor's number, and whether it is still the newest."""

    def __init__(self, lake: ObjectStore, pipeline: str, owner: str, clock: Clock) -> None:
        self._lake, self._pipeline = lake, pipeline
        self._me = supervisors.register(lake, pipeline, owner, clock=clock, rng=SystemRandom())

    @property
    def number(self) -> int:
        return self._me.number

    def check(self) -> None:
        """Raise ``FencedError`` where a newer supervisor has taken over."""
        newest = supervisors.latest(self._lake, self._pipeline)
        if newest is not None and newest.number > self._me.number:
            raise FencedError(
                f"pipeline {self._pipeline}",
                f"supervisor {self._me.number} ({self._me.owner})",
                f"supervisor {newest.number} ({newest.owner}, started {newest.started_at})",
            )


def register_supervisor(lake: ObjectStore, settings: RunSettings) -> Registration:
    """Take the next supervisor number of the pipeline: every older run of it gives way."""
    return Registration(lake, settings.config.pipeline, settings.owner, WallClock())


@dataclass(frozen=True, slots=True)
class Totals:
    """What the logs of one topic add up to."""

    good: int = 0
    bad: int = 0
    tombstones: int = 0
    by_rule: dict[str, int] = field(default_factory=dict)


def read_totals(lake: ObjectStore, config: PipelineConfig) -> dict[str, Totals]:
    """Return the totals of every dataset, over all its partitions, from the commit logs alone."""
    return {name: _totals(lake, config.pipeline, dataset.topic) for name, dataset in config.datasets.items()}


def _totals(lake: ObjectStore, pipeline: str, topic: str) -> Totals:
    good = bad = tombstones = 0
    by_rule: dict[str, int] = {}
    for log in find_logs(lake, pipeline, topic):
        tail = LogReader(lake, log).load()
        if tail is None:
            continue
        good, bad, tombstones = good + tail.good, bad + tail.bad, tombstones + tail.tombstones
        for rule, count in tail.by_rule.items():
            by_rule[rule] = by_rule.get(rule, 0) + count
    return Totals(good, bad, tombstones, by_rule)
