"""The commit protocol under every interleaving that a seed can think of.

Real code (log, landing, owner, projection) over a simulated store, broker and dead-letter topic: two or three owners
and an operator run one at a time and change places between any two effects; processes are killed and frozen anywhere,
replies are lost, reads are stale, writes land late. ``make simulate SEEDS=n`` runs more worlds.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from ray_pipeline.lake import log_reader, segments

from .simulation.mutants import MUTANTS
from .simulation.world import World

SEEDS = int(os.environ.get("RAY_PIPELINE_SEEDS", "2000"))
FIRST_SEED = int(os.environ.get("RAY_PIPELINE_FIRST_SEED", "0"))
BLOCKS = 20
MUTANT_SEEDS = 300


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let segments fill within a short life, so that start-up from one is part of what is simulated."""
    for module in (segments, log_reader):
        monkeypatch.setattr(module, "SEGMENT_SIZE", 6)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_nothing_is_lost_doubled_or_invented(block: int) -> None:
    for seed in range(FIRST_SEED + block * SEEDS // BLOCKS, FIRST_SEED + (block + 1) * SEEDS // BLOCKS):
        try:
            World(seed).live()
        except Exception as error:
            replay = f"RAY_PIPELINE_FIRST_SEED={seed} RAY_PIPELINE_SEEDS=1 pytest {__file__} -k nothing_is_lost"
            pytest.fail(f"seed {seed}: {error!r}\nreplay: {replay}")


def test_a_seed_is_one_world() -> None:
    first, second = World(11), World(11)
    first.live()
    second.live()
    assert first.objects.objects == second.objects.objects
    assert first.broker.letters == second.broker.letters


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_broken_protocol_is_noticed(
    mutant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant(monkeypatch)
    for seed in range(MUTANT_SEEDS):
        try:
            World(seed).live()
        except Exception:
            return
    pytest.fail(f"{MUTANT_SEEDS} seeds, and nobody noticed: {mutant.__doc__}")
