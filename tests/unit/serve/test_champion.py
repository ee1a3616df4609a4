"""Which version answers: every case of a champion that is moved, absent, broken, or out of reach."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading

import pytest

from ray_pipeline.config.serve import ServeConfig
from ray_pipeline.errors import ModelFileError, StoreUnavailableError
from ray_pipeline.model.manifest import ModelManifest
from ray_pipeline.runtime.predictions.policy import Answer
from ray_pipeline.runtime.predictions.prediction import PredictionRequest
from ray_pipeline.serve.app import make_app
from ray_pipeline.serve.champion import LONGEST_PAUSE, Champion, Told
from ray_pipeline.serve.desk import Desk
from tests.unit.serve.desks import GOOD, MODEL, FakeLog, FakeRegistry, FakeVersion, alive, call, prediction, world


class Opening:
    """Opens versions, but for those that are broken; and a clock that a test moves."""

    def __init__(self) -> None:
        self.broken: dict[int, Exception] = {}
        self.opened: list[int] = []
        self.now = 0.0
        self.told: list[str] = []

    def __call__(self, manifest: ModelManifest) -> FakeVersion:
        self.opened.append(manifest.number)
        if manifest.number in self.broken:
            raise self.broken[manifest.number]
        return FakeVersion(manifest.number)

    def champion(self, registry: FakeRegistry) -> Champion[FakeVersion]:
        told: Told[FakeVersion] = Told(
            lambda version: self.told.append(f"swapped {version.number}"), lambda said: self.told.append(said)
        )
        return Champion(registry, MODEL, self, told, every=2.0, monotonic=lambda: self.now)


BROKEN = ModelFileError("late_arrival/2", "model.skops", "its SHA-256 is not the manifest's")


def number(champion: Champion[FakeVersion]) -> int | None:
    return None if champion.current is None else champion.current.number


def test_a_promotion_is_followed_and_a_rollback_too() -> None:
    registry, opening = FakeRegistry(), Opening()
    champion = opening.champion(registry)
    assert champion.trouble is not None  # nobody has looked
    for promoted in (1, 2, 1):
        registry.promote(promoted)
        champion.look()
        assert (number(champion), champion.trouble) == (promoted, None)
    assert opening.told == ["swapped 1", "swapped 2", "swapped 1"]


def test_nothing_is_opened_where_no_alias_moved_and_where_another_one_did() -> None:
    registry, opening = FakeRegistry(), Opening()
    champion = opening.champion(registry)
    for _ in range(3):
        champion.look()
    registry.moves += 1  # the challenger's
    champion.look()
    assert opening.opened == [1]


def test_without_a_champion_it_waits_for_one() -> None:
    registry, opening = FakeRegistry(champion=None), Opening()
    champion = opening.champion(registry)
    champion.look()
    assert number(champion) is None
    assert champion.trouble == "model late_arrival: no version is champion"
    registry.promote(1)
    champion.look()
    assert (number(champion), champion.trouble) == (1, None)


def test_a_champion_that_cannot_be_loaded_changes_nothing_and_is_tried_again_less_and_less_often(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry, opening = FakeRegistry(), Opening()
    champion = opening.champion(registry)
    champion.look()
    opening.broken[2] = BROKEN
    registry.promote(2)
    with caplog.at_level(logging.ERROR):
        champion.look()
    assert (number(champion), champion.trouble) == (1, str(BROKEN))
    assert "late_arrival/1 goes on" in caplog.text
    tries = []
    for second in range(1, 400):
        opening.now = float(second)
        before = len(opening.opened)
        champion.look()
        if len(opening.opened) > before:
            tries.append(second)
    assert tries[:4] == [2, 6, 14, 30]
    assert max(b - a for a, b in itertools.pairwise(tries)) == LONGEST_PAUSE
    del opening.broken[2]
    opening.now += LONGEST_PAUSE
    champion.look()
    assert (number(champion), champion.trouble) == (2, None)


def test_the_next_promotion_does_not_wait_for_the_pause_of_a_broken_one() -> None:
    registry, opening = FakeRegistry(), Opening()
    champion = opening.champion(registry)
    opening.broken[1] = BROKEN
    champion.look()
    assert number(champion) is None
    registry.promote(3)
    champion.look()
    assert (number(champion), champion.trouble) == (3, None)


def test_going_back_to_the_version_that_answers_ends_the_trouble() -> None:
    registry, opening = FakeRegistry(), Opening()
    champion = opening.champion(registry)
    champion.look()
    opening.broken[2] = RuntimeError("a library's own words")
    registry.promote(2)
    champion.look()
    assert champion.trouble == "RuntimeError: a library's own words"
    registry.promote(1)
    champion.look()
    assert (number(champion), champion.trouble, opening.opened) == (1, None, [1, 2])


def test_a_registry_out_of_reach_or_emptied_leaves_the_version_that_answers() -> None:
    registry, opening = FakeRegistry(), Opening()
    champion = opening.champion(registry)
    champion.look()
    registry.away = StoreUnavailableError("s3://lake", "list", "no answer")
    champion.look()
    assert (number(champion), champion.trouble) == (1, "s3://lake did not list: no answer")
    registry.away = None
    champion.look()
    assert champion.trouble is None
    registry.promote(None)
    champion.look()
    assert number(champion) == 1 and "no version is champion" in str(champion.trouble)


def test_a_request_in_flight_finishes_on_the_version_that_it_began_with() -> None:
    release, began = threading.Event(), threading.Event()

    def slow(request: PredictionRequest) -> Answer:
        began.set()
        release.wait(10)
        return prediction(request, 1)

    async def scene() -> None:
        made = world(FakeVersion(1, then=slow))
        first = asyncio.create_task(call(made.app, body=GOOD))
        while not began.is_set():
            await asyncio.sleep(0)
        made.registry.promote(2)
        made.desk.champion.look()
        assert (await call(made.app, body=GOOD)).json["model"]["version"] == 2
        release.set()
        assert (await first).json["model"]["version"] == 1

    asyncio.run(scene())


def test_the_thread_looks_again_and_again() -> None:
    async def scene() -> None:
        made = world(champion=False, refresh_seconds=0.1)
        async with alive(made.app):
            assert (await call(made.app, "/readyz")).status == 503
            made.registry.promote(1)
            while (await call(made.app, "/readyz")).status != 200:
                await asyncio.sleep(0.01)
            made.registry.promote(2)
            while (await call(made.app, "/readyz")).json["model"]["version"] != 2:
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(scene(), 20))


def test_a_process_that_starts_is_not_asked_before_its_first_champion_is_loaded() -> None:
    """Its server takes requests once startup is complete; until then there would be answers without a champion."""
    loading, release = threading.Event(), threading.Event()

    def slowly(found: ModelManifest) -> FakeVersion:
        loading.set()
        release.wait(30)
        return FakeVersion(found.number)

    desk = Desk(
        ServeConfig(model=MODEL), pipeline="flights", registry=FakeRegistry(1), open_version=slowly, log=FakeLog()
    )

    async def scenario() -> bool:
        async def start() -> None:
            async with alive(make_app(desk)):
                assert desk.champion.current is not None

        starting = asyncio.create_task(start())
        await asyncio.get_running_loop().run_in_executor(None, loading.wait, 30)
        early = starting.done()
        release.set()
        await starting
        return early

    assert not asyncio.run(scenario())
