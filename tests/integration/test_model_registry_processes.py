"""Two processes train and promote at once on a folder of a disk: no version is lost, no move is made twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ray_pipeline.connectors.object_store import open_store
from ray_pipeline.model.manifest import MODEL
from ray_pipeline.runtime.models.registry import ModelRegistry
from tests.unit.models.versions import NAME, PIPELINE, files

ROOT = Path(__file__).parents[2]
WHO = ("ann", "bob")
ROUNDS = 12
CODE = """
import json, sys
from ray_pipeline.connectors.object_store import open_store
from ray_pipeline.errors import AliasConflictError
from ray_pipeline.runtime.jobs.train_aliases import challenge
from ray_pipeline.runtime.models import promotion
from ray_pipeline.runtime.models.registry import ModelRegistry
from tests.unit.models.versions import NAME, PIPELINE, files, version

who, folder = sys.argv[1:]
promotion._open = lambda *given: None  # the versions have no trees to load
registry = ModelRegistry(open_store(folder), PIPELINE)
print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    number = int(line)
    shared, made = registry.add(version(f"shared-{number}", created_by=who), files(f"shared-{number}"))
    own, created = registry.add(version(f"{who}-{number}", created_by=who), files(f"{who}-{number}"))
    assert created
    moves = [challenge(registry, own, created=created, who=who, reason="trained", say=lambda said: None)]
    try:
        moves.append(promotion.promote(None, NAME, own.number, who=who, reason="better", registry=registry))
        conflict = False
    except AliasConflictError:
        conflict = True
    print(json.dumps({"shared": shared.number, "made": made, "own": own.number, "conflict": conflict,
                      "nonces": [move.nonce for move in moves if move is not None]}), flush=True)
"""


@pytest.fixture
def trainers(tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    with ExitStack() as stack:
        found = []
        for who in WHO:
            run = [sys.executable, "-c", CODE, who, str(tmp_path)]
            process = subprocess.Popen(run, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            found.append(process)
        yield found


def _said(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def test_two_processes_lose_no_version_and_no_move(trainers: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    assert [_said(one) for one in trainers] == ["ready", "ready"]
    rounds = []
    for number in range(ROUNDS):
        for one in trainers:
            assert one.stdin is not None
            one.stdin.write(f"{number}\n")
            one.stdin.flush()
        rounds.append([_said(one) for one in trainers])

    found = ModelRegistry(open_store(str(tmp_path)), PIPELINE)
    assert found.versions(NAME) == tuple(range(1, 3 * ROUNDS + 1))
    for number, (one, other) in enumerate(rounds):
        assert one["shared"] == other["shared"], "one training is one version"
        assert one["made"] is not other["made"]
        for who, said in zip(WHO, (one, other), strict=True):
            for training, version in ((f"{who}-{number}", said["own"]), (f"shared-{number}", said["shared"])):
                manifest = found.manifest(NAME, version)
                assert manifest.predictions_sha256 == training
                assert found.file(manifest, MODEL) == files(training)[MODEL]

    history = found.history(NAME)
    told = [nonce for both in rounds for said in both for nonce in said["nonces"]]
    assert len(set(told)) == len(told), "two processes were told of one move"
    assert sorted(told) == sorted(move.nonce for move in history), "each move was told to who made it, and no other"
    assert [move.number for move in history] == list(range(1, len(history) + 1))
    assert found.aliases(NAME)["challenger"] == max(said["own"] for both in rounds for said in both)
    promoted = [move for move in history if move.alias == "champion"]
    assert len(promoted) == sum(not said["conflict"] for both in rounds for said in both) >= ROUNDS
    assert [move.previous for move in promoted] == [None, *(move.version for move in promoted[:-1])]
