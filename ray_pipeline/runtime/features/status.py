"""How far online values are behind what is committed: from the online store's marks and the logs alone.

Neither brokers nor a running ingest are asked, so this also tells of a pipeline that stands still.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ray_pipeline.errors import FeatureError, UsageError
from ray_pipeline.lake.entries import Data, timestamp_text
from ray_pipeline.lake.log_reader import LogReader
from ray_pipeline.lake.topics import find_logs
from ray_pipeline.runtime.features.loading import stream_fed
from ray_pipeline.runtime.features.projection import source_of
from ray_pipeline.runtime.features.rebuild import entries_after, latest_believed
from ray_pipeline.runtime.wiring import open_lake
from ray_pipeline.types import Offset, Outcome

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.features.definition import CompiledView
    from ray_pipeline.features.ports import OnlineStore, SourceMark
    from ray_pipeline.lake.entries import Tail
    from ray_pipeline.lake.keys import LogId
    from ray_pipeline.lake.ports import ObjectStore


@dataclass(frozen=True, slots=True)
class ViewStanding:
    """One view's online values of one partition."""

    view: str
    dataset: str
    topic: str
    partition: int
    committed: Offset
    """Every record before it is accounted for in the lake."""
    online: Offset | None
    """Every record before it is in the online states; None: not known, or the store has no word of it."""
    lag: int | None
    """Offsets between the two; None while the store does not answer."""
    lag_seconds: float | None
    """How much newer, by publication, the newest committed record is; None where the store has no word of it."""
    published: str | None
    """Publication of the newest record behind the online states, RFC 3339."""
    closed: bool = False
    """Of a topic that was deleted and made again: what is behind here is caught up by a backfill alone."""


@dataclass(frozen=True, slots=True)
class FeaturesStatus:
    """All stream-fed views of a pipeline."""

    pipeline: str
    store: str
    as_of: str
    trouble: str
    """Why the online store did not answer; empty when it did."""
    views: tuple[ViewStanding, ...]

    def outcome(self, allowed_seconds: float = 0.0) -> Outcome:
        """UNKNOWN where the store does not answer, or lags behind the lake by more than this; else HELD."""
        if self.trouble:
            return Outcome.UNKNOWN
        late = [
            view for view in self.views if view.lag and (view.lag_seconds is None or view.lag_seconds > allowed_seconds)
        ]
        return Outcome.UNKNOWN if late else Outcome.HELD

    def to_json(self) -> dict[str, Any]:
        """Return what ``features status --output json`` prints."""
        return asdict(self)


def features_status(config: PipelineConfig) -> FeaturesStatus:
    """Return how far the online values of every stream-fed view are.

    Raises ``UsageError`` where there is none, ``FeatureDefinitionError`` and ``ConfigError`` with every problem.
    """
    from ray_pipeline.connectors.online import open_online

    views, settings = stream_fed(config)
    if settings is None:
        raise UsageError("this pipeline has no stream-fed view, or keeps no online values: see `features` in its file")
    online = open_online(settings)
    try:
        return read_features_status(config, views, online, open_lake(config), datetime.now(UTC))
    finally:
        online.close()


def read_features_status(
    config: PipelineConfig, views: Sequence[CompiledView], online: OnlineStore, lake: ObjectStore, now: datetime
) -> FeaturesStatus:
    """Do it with parts that are at hand."""
    marks: Mapping[tuple[str, str, str], SourceMark] | None = None
    trouble = ""
    try:
        marks = {(mark.view, mark.definition, mark.source): mark for mark in online.marks()}
    except FeatureError as error:
        trouble = str(error)
    found = []
    for name, dataset in config.datasets.items():
        fed = [view for view in views if view.shape.dataset == name]
        for log in find_logs(lake, config.pipeline, dataset.topic) if fed else ():
            tail = LogReader(lake, log).load()
            if tail is not None:
                found += [_standing(lake, name, log, tail, view, marks) for view in fed]
    found.sort(key=lambda one: (one.view, one.closed, one.partition))
    return FeaturesStatus(config.pipeline, online.shown, timestamp_text(now), trouble, tuple(found))


def _standing(
    lake: ObjectStore,
    dataset: str,
    log: LogId,
    tail: Tail,
    view: CompiledView,
    marks: Mapping[tuple[str, str, str], SourceMark] | None,
) -> ViewStanding:
    shape = view.shape
    mark = None if marks is None else marks.get((shape.name, shape.definition, source_of(log)))
    if mark is None:
        lag = None if marks is None else tail.end - tail.source_start
        return ViewStanding(
            view.name, dataset, log.topic, log.partition, tail.end, None, lag, None, None, closed=tail.closed
        )
    behind = max(0, tail.end - mark.offset)
    return ViewStanding(
        view.name,
        dataset,
        log.topic,
        log.partition,
        tail.end,
        mark.offset,
        behind,
        _seconds_since(lake, log, mark, shape.lateness) if behind else 0.0,
        _moment(mark.published_us) if mark.published_us else None,
        closed=tail.closed,
    )


def _seconds_since(lake: ObjectStore, log: LogId, mark: SourceMark, lateness: int) -> float:
    newest = max(
        (
            min(entry.max_timestamp, latest_believed(entry, lateness)) * 1000
            for entry in entries_after(lake, log, mark.offset)
            if isinstance(entry, Data) and entry.max_timestamp is not None
        ),
        default=mark.published_us,
    )
    return max(0, newest - mark.published_us) / 1_000_000


def _moment(microseconds: int) -> str:
    return timestamp_text(datetime.fromtimestamp(microseconds / 1_000_000, UTC))
