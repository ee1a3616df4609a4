"""Write the states of stream-fed views from the log again: after the online store was dropped, or a view was added.

It is the very projection that the partition actors run, from each log's first record: the same states under the same
offsets, so it may run beside them, twice, or after half of it, and what is newer in the store stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from random import SystemRandom
from typing import TYPE_CHECKING, Any

from ray_pipeline.clock import WallClock
from ray_pipeline.config.nearest import unknown
from ray_pipeline.errors import UsageError
from ray_pipeline.features.ports import WriteCounts
from ray_pipeline.lake.log_reader import read_tail
from ray_pipeline.lake.topics import find_logs
from ray_pipeline.runtime.features.loading import stream_fed
from ray_pipeline.runtime.features.making import retention_of
from ray_pipeline.runtime.features.projection import FeatureProjection
from ray_pipeline.runtime.wiring import open_lake
from ray_pipeline.types import Offset, Outcome

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.online import OnlineSettings
    from ray_pipeline.features.definition import CompiledView
    from ray_pipeline.features.ports import OnlineStore
    from ray_pipeline.lake.keys import LogId
    from ray_pipeline.lake.ports import ObjectStore

STATE_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class BackfilledView:
    """One view and partition, as the backfill left it."""

    dataset: str
    partition: int
    view: str
    through: Offset
    """Every record before it is in the store's states."""
    lag: int
    """Offsets that were committed when it began, and are not."""
    trouble: str
    set_aside: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OnlineBackfill:
    """What a backfill wrote."""

    store: str
    written: int
    """States that are in the store now and were not, or older."""
    kept: int
    """States that were as new there already, or newer."""
    views: tuple[BackfilledView, ...]

    @property
    def outcome(self) -> Outcome:
        """UNKNOWN where something lags: the store is away, or a view cannot be computed."""
        return Outcome.UNKNOWN if any(view.lag for view in self.views) else Outcome.HELD

    def to_json(self) -> dict[str, Any]:
        """Return what the command prints."""
        return {**asdict(self), "views": [asdict(view) for view in self.views]}


Progress = Callable[[str, int, FeatureProjection], None]
"""Is told the dataset, the partition, and the projection before it runs, whose ``reports`` any thread may ask."""


def backfill_online(
    config: PipelineConfig, views: Sequence[str] | None = None, *, progress: Progress | None = None
) -> OnlineBackfill:
    """Write the states of these stream-fed views, or of all, from the logs of all partitions.

    Raises ``UsageError`` where there is no such view, or none at all; ``FeatureDefinitionError`` and ``ConfigError``
    with every problem. A store that is away is said in the report, after some attempts.
    """
    from ray_pipeline.connectors.online import open_online

    known, settings = stream_fed(config)
    if settings is None:
        raise UsageError("this pipeline has no stream-fed view, or keeps no online values: see `features` in its file")
    chosen = _chosen(known, views)
    online = open_online(settings)
    try:
        return backfill(config, chosen, settings, online, open_lake(config), progress)
    finally:
        online.close()


def backfill(
    config: PipelineConfig,
    views: Sequence[CompiledView],
    settings: OnlineSettings | None,
    online: OnlineStore,
    lake: ObjectStore,
    progress: Progress | None = None,
) -> OnlineBackfill:
    """Do it with parts that are at hand."""
    counts, found = WriteCounts(), list[BackfilledView]()
    for name, dataset in config.datasets.items():
        fed = [view for view in views if view.shape.dataset == name]
        for log in find_logs(lake, config.pipeline, dataset.topic) if fed else ():
            projection = _projection(fed, settings, online, lake, log)
            if projection is None:
                continue
            if progress is not None:
                progress(name, log.partition, projection)
            projection.catch_up_until(float("inf"))
            counts += projection.counts
            found += [
                BackfilledView(name, log.partition, one.view, one.through, one.lag, one.trouble, one.set_aside)
                for one in projection.reports()
            ]
    return OnlineBackfill(online.shown, counts.written, counts.older, tuple(found))


def _projection(
    views: Sequence[CompiledView],
    settings: OnlineSettings | None,
    online: OnlineStore,
    lake: ObjectStore,
    log: LogId,
) -> FeatureProjection | None:
    tail = read_tail(lake, log)
    if tail is None:
        return None
    return FeatureProjection(
        views,
        lambda: online,
        lake,
        log,
        start=tail.source_start,
        committed=tail.end,
        clock=WallClock(),
        rng=SystemRandom(),
        retain_us=retention_of(settings),
        state_bytes=STATE_BYTES,
        ignore_marks=True,
    )


def _chosen(known: Sequence[CompiledView], names: Sequence[str] | None) -> list[CompiledView]:
    by_name = {view.name: view for view in known}
    for name in names or ():
        if name not in by_name:
            raise UsageError(f"{name}: {unknown(name, by_name, 'stream-fed view')}")
    return [by_name[name] for name in (names or by_name)]
