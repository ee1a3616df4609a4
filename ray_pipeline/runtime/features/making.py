"""Build the feature projections of a partition actor: one online store for all of them, opened at its first use."""

from __future__ import annotations

from collections.abc import Callable
from random import SystemRandom
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ray_pipeline.clock import Clock
    from ray_pipeline.connectors.online import OnlineSettings
    from ray_pipeline.features.ports import OnlineStore
    from ray_pipeline.lake.entries import Tail
    from ray_pipeline.lake.keys import LogId
    from ray_pipeline.lake.ports import ObjectStore
    from ray_pipeline.runtime.features.projection import FeatureProjection
    from ray_pipeline.runtime.settings import RunSettings

MEMORY_BYTES = 256 * 2**20
"""Of rows that wait and of states, for all partitions of an actor; half for each."""
LEAST_BYTES = 4 * 2**20


def online_opener(settings: RunSettings) -> Callable[[], OnlineStore]:
    """Return what opens the online store of a run, once."""
    opened: list[OnlineStore] = []

    def opener() -> OnlineStore:
        if not opened:
            from ray_pipeline.connectors.online import open_online

            assert settings.online is not None
            opened.append(open_online(settings.online))
        return opened[0]

    return opener


def retention_of(settings: OnlineSettings | None) -> int | None:
    """Return how far back states can be read, in microseconds; None: as far as a view's events may be late."""
    if settings is None or settings.retain_seconds is None:
        return None
    return round(settings.retain_seconds * 1_000_000)


def feature_maker(
    settings: RunSettings,
    opener: Callable[[], OnlineStore],
    dataset: str,
    lake: ObjectStore,
    clock: Clock,
    partitions: int,
    effects: Callable[[str], None],
) -> Callable[[LogId, Tail], FeatureProjection] | None:
    """Return what makes the projection of one of the dataset's partitions; None where no view is fed from it."""
    views = [view for view in settings.views if view.shape.dataset == dataset]
    if not views or settings.online is None:
        return None
    # Imported here: without features an actor loads no polars for them.
    from ray_pipeline.runtime.features.projection import FeatureProjection

    retain_us = retention_of(settings.online)
    share = max(LEAST_BYTES, MEMORY_BYTES // 2 // max(partitions, 1))

    def make(log: LogId, tail: Tail) -> FeatureProjection:
        return FeatureProjection(
            views,
            opener,
            lake,
            log,
            start=tail.source_start,
            committed=tail.end,
            clock=clock,
            rng=SystemRandom(),
            retain_us=retain_us,
            state_bytes=share,
            waiting_bytes=share,
            effects=effects,
        )

    return make
