"""Counts are as exactly once as the rows: whatever is killed, frozen or lost, they add up to what the log's rows say.

Owners of the simulated protocol count what they land in the bins of the newest baseline, while somebody makes new ones.
"""

from __future__ import annotations

import os
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ray_pipeline.drift.baseline import Baseline, make_baseline
from ray_pipeline.drift.counts import BlockCounts, counts, merge
from ray_pipeline.drift.footer import KEY, counted_columns
from ray_pipeline.drift.values import as_days
from ray_pipeline.errors import RayPipelineError
from ray_pipeline.lake import log_reader, segments
from ray_pipeline.lake.landing import Describe
from ray_pipeline.lake.snapshot import take_snapshot
from ray_pipeline.runtime.drift.baseline_log import BaselineLog, WatchedBaseline
from ray_pipeline.runtime.drift.counting import FileCounting
from ray_pipeline.runtime.drift.read_counts import count_topic

from .simulation.parts import TP
from .simulation.world import PIPELINE, World

SEEDS = int(os.environ.get("RAY_PIPELINE_SEEDS", "2000")) // 50
DAYS = ("0001-01-01", "9999-12-31")


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let segments fill within a short life, so that histories are read from them too."""
    for module in (segments, log_reader):
        monkeypatch.setattr(module, "SEGMENT_SIZE", 6)


def baseline(seed: int) -> Baseline:
    """Return bins of numbers, and no two seeds the same."""
    values = Random(seed).sample(range(2000), 40)
    return make_baseline({"n": ("number", values)}, ["1970-01-01"] * 40, fit_mask=[True] * 40)


class CountingWorld(World):
    """A world whose owners count, and look for baselines as often as they land."""

    def _describe(self) -> Describe | None:
        return FileCounting(self.store, PIPELINE, TP.topic, clock=self.clock, every_seconds=0.0).footer

    def _happening(self) -> None:
        super()._happening()
        if self.rng.random() < 0.03:
            self._spawn("baseline", self._make_baseline)

    def _make_baseline(self) -> None:
        log = BaselineLog(self.store, PIPELINE, clock=self.clock, rng=Random(self.rng.getrandbits(32)))
        try:
            log.add(
                TP.topic, baseline(self.rng.randrange(3)), first_day="1970-01-01", until_day="1970-01-02", who="tests"
            )
        except RayPipelineError as error:  # the simulated store may not show at once what was written
            if not error.retryable and "unknown" not in str(error) and "the file is gone" not in str(error):
                raise


@pytest.mark.parametrize("block", range(2))
def test_counts_add_up_to_the_rows_whatever_happens(block: int) -> None:
    counted = recounted = 0
    for seed in range(block * SEEDS // 2, (block + 1) * SEEDS // 2):
        world = CountingWorld(seed)
        world.live()  # it checks that the rows are those of the source, once
        log = BaselineLog(world.objects, PIPELINE)
        log.add(TP.topic, baseline(9), first_day="1970-01-01", until_day="1970-01-02", who="tests")
        for watched in log.all(TP.topic):
            found = count_topic(world.objects, PIPELINE, TP.topic, watched, DAYS)
            assert found.columns["n"] == recount(world, watched), f"seed {seed}"
            by_day = found.columns["n"].counts.sum(axis=1).tolist()
            assert found.rows == dict(zip(found.columns["n"].blocks, by_day, strict=True))
            counted, recounted = counted + found.counted_files, recounted + found.recounted_files
            for parts in (2, 32):
                assert count_topic(world.objects, PIPELINE, TP.topic, watched, DAYS, parts=parts) == found
    assert counted > 0, "no world counted while it landed"
    assert recounted > 0, "no world changed its baseline"


def recount(world: World, watched: WatchedBaseline) -> BlockCounts:
    """Count the rows of every file that a log names, by the way that baselines are made."""
    column = counted_columns(watched.baseline)["n"]
    parts = [BlockCounts((), np.empty((0, column.bins), np.int64))]
    for file, rows in landed(world):
        parts.append(counts(column, rows.column("n"), as_days([file] * rows.num_rows)))
    return merge(parts)


def landed(world: World) -> list[tuple[str, pa.Table]]:
    files = take_snapshot(world.objects, PIPELINE, TP.topic).files
    return [(file.day or "", pq.read_table(pa.BufferReader(world.objects.objects[file.key]))) for file in files]


def test_without_a_baseline_a_world_is_what_it_was() -> None:
    class Silent(World):
        def _describe(self) -> Describe | None:
            return lambda rows: None

    first, second = World(3), Silent(3)
    first.live()
    second.live()
    assert first.objects.objects == second.objects.objects
    assert not any(KEY.encode() in data for data in first.objects.objects.values())
