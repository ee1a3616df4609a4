"""The audit agrees with the protocol: whatever crashes and races left behind, it finds nothing broken."""

from __future__ import annotations

from array import array
from itertools import chain

import pytest

from ray_pipeline.lake import log_reader, segments
from ray_pipeline.lake.verify import verify
from ray_pipeline.lake.verify_dead_letters import DeadLetterTopic
from ray_pipeline.lake.verify_report import Status
from ray_pipeline.types import Outcome

from .simulation.world import World

SEEDS = 200
BLOCKS = 4


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let segments fill within a short life, so that copies are compared too."""
    for module in (segments, log_reader):
        monkeypatch.setattr(module, "SEGMENT_SIZE", 6)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_simulated_world_is_called_broken(block: int) -> None:
    for seed in range(block * SEEDS // BLOCKS, (block + 1) * SEEDS // BLOCKS):
        world = World(seed)
        world.live()
        store = world.objects
        for key in [key for key in store.objects if "/contracts/" in key]:
            store.delete(key)  # these worlds have a contract without a text; without it I7 says that it cannot tell
        sent = array("q", chain.from_iterable(world.broker.letters.values()))
        letters = DeadLetterTopic("letters", {0: sent}, source=world.broker.topic.source)
        report = verify(store, "sim", dead_letters=lambda _, letters=letters: letters)  # type: ignore[misc]
        assert report.outcome is not Outcome.BROKEN, f"seed {seed}: {report}"
        held = [result.id for result in report.results if result.status is Status.HELD]
        assert held == ["I1", "I2", "I3", "I4", "I5", "I6", "I8", "I10"] or report.counts.logs == 0
