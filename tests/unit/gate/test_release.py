from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ray_pipeline.errors import UsageError
from ray_pipeline.gate.entries import OffsetSpan, ReleaseQuarantine, Selection
from ray_pipeline.gate.manifest import read_manifest
from ray_pipeline.gate.release import plan_release, release_held, release_quarantine
from tests.unit.gate.worlds import CONTRACT, DAYS, PIPELINE, TOPIC, Verdicts, World, places, result
from tests.unit.lake_verify.lakes import ORDERS, contract_of


@pytest.fixture
def world() -> World:
    """The first day is held; of the second, offsets 3 and 9 (quantities 4 and 10) are in quarantine."""
    made = World()
    made.land(12)
    by_day = {DAYS[0]: [result("volume")], DAYS[1]: []}
    made.gate("first", Verdicts(lambda day: by_day[day], {"even": 2}))
    return made


def test_a_held_day_that_is_released_is_published_by_the_next_gate_though_it_still_breaks(world: World) -> None:
    release_held(world.ledger(), DAYS[0], "the source confirmed it", "ann")
    always = Verdicts(lambda day: [result("volume", day=day)] if day == DAYS[0] else [])
    decision = world.gate("second", always)
    state = world.ledger().state()
    assert decision.carried_out == (1,)
    assert (state.held, state.pending_held, state.published) == ({}, (), 10)


def test_rows_that_land_after_a_release_are_judged(world: World) -> None:
    release_held(world.ledger(), DAYS[0], "the source confirmed it", "ann")
    world.land(3)
    world.gate("second", Verdicts(lambda day: [result("volume", day=day)] if day == DAYS[0] else []))
    state = world.ledger().state()
    assert state.held_rows == 2
    assert state.pending_held == ()


@pytest.mark.parametrize(
    ("day", "reason", "told"),
    [
        (DAYS[1], "fine", "not held, so there is nothing to release; held days: 2013-01-01"),
        ("2020-02-02", "fine", "is not held"),
        (DAYS[0], "  ", "say why"),
    ],
)
def test_a_release_that_makes_no_sense_is_refused(world: World, day: str, reason: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        release_held(world.ledger(), day, reason, "ann")


def test_a_day_is_not_released_twice(world: World) -> None:
    release_held(world.ledger(), DAYS[0], "fine", "ann")
    with pytest.raises(UsageError, match="ann released 2013-01-01 already"):
        release_held(world.ledger(), DAYS[0], "fine", "bob")


@pytest.mark.parametrize(
    ("selection", "told"),
    [
        (Selection(), "say which rows"),
        (Selection(day=DAYS[0]), "no quarantined row of orders is of 2013-01-01"),
        (Selection(check="odd"), "set aside by check odd"),
        (Selection(offsets=(OffsetSpan(0, 4, 6),)), "at 0:4-5"),
    ],
)
def test_a_release_that_means_no_row_is_refused(world: World, selection: Selection, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        release_quarantine(world.ledger(), selection, "fine", "ann")


def test_released_rows_are_judged_again_and_those_that_hold_are_published_once(world: World) -> None:
    release_quarantine(world.ledger(), Selection(check="even"), "the rule was too strict", "ann")
    decision = world.gate("second", Verdicts(lambda day: [result("v", day=day)] if day == DAYS[0] else [], {"ten": 10}))
    state = world.ledger().state()
    day = state.days[DAYS[1]]
    assert (day.published, day.quarantined, day.released) == (3, 1, 1)
    rows = places(world.store, state)
    assert (0, 3) in rows["published"] and rows["quarantined"] == [(0, 9)]
    assert len(decision.replaced) == len(decision.quarantine) == 1
    assert [file.rows for file in decision.publish] == [1]
    fate = read_manifest(world.store, day).files[0]
    assert (fate.released, fate.decided) == (1, 0)
    again = world.gate("third")
    assert again.publish == tuple(file for file in again.publish if file.day == DAYS[0])


def test_what_is_waived_is_published_though_it_still_breaks(world: World) -> None:
    release_quarantine(world.ledger(), Selection(day=DAYS[1]), "accepted", "ann", waive=True)
    world.gate("second", Verdicts(rows={"even": 2}))
    day = world.ledger().state().days[DAYS[1]]
    assert (day.published, day.quarantined, day.released) == (4, 0, 2)


def test_rows_that_still_break_stay_and_the_release_is_done(world: World) -> None:
    release_quarantine(world.ledger(), Selection(day=DAYS[1]), "try again", "ann")
    decision = world.gate("second", Verdicts(lambda day: [result("v", day=day)] if day == DAYS[0] else [], {"even": 2}))
    state = world.ledger().state()
    assert decision.carried_out == (1,)
    assert (state.days[DAYS[1]].quarantined, state.pending_quarantine) == (2, ())


def test_two_releases_of_the_same_rows_publish_them_once(world: World) -> None:
    release_quarantine(world.ledger(), Selection(day=DAYS[1]), "one", "ann")
    release_quarantine(world.ledger(), Selection(offsets=(OffsetSpan(0, 3, 4),)), "two", "bob", waive=True)
    decision = world.gate("second", Verdicts(rows={"ten": 10}))
    assert decision.carried_out == (1, 2)
    state = world.ledger().state()
    assert state.days[DAYS[1]].released == 1
    assert places(world.store, state)["quarantined"] == [(0, 9)]


def test_a_row_of_which_the_rest_was_released_before_can_be_released_too(world: World) -> None:
    for offset in (3, 9):
        chosen = Selection(offsets=(OffsetSpan(0, offset, offset + 1),))
        release_quarantine(world.ledger(), chosen, "fine", "ann")
        world.gate(f"after-{offset}", Verdicts(lambda day: [result("v", day=day)] if day == DAYS[0] else []))
    state = world.ledger().state()
    manifest = read_manifest(world.store, state.days[DAYS[1]])
    assert manifest.files[0].quarantined is None
    assert [file.rows for file in manifest.released] == [1, 1]
    assert state.quarantined == 0


def release_of(selection: Selection, *, waive: bool = False) -> ReleaseQuarantine:
    return ReleaseQuarantine(1, "x", "now", selection, "fine", "ann", waive)


def test_rows_are_judged_by_the_contract_as_it_is_now(world: World) -> None:
    stricter = contract_of(ORDERS.replace("minimum: 1", "minimum: 5").replace("1.0.0", "1.1.0"))
    state = world.ledger().state()
    seen: list[tuple[str, int]] = []

    def recheck(day: str, rows: object) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
        seen.append((day, len(rows)))  # type: ignore[arg-type]
        return {}

    release = release_of(Selection(day=DAYS[1]))
    planned = plan_release(world.store, PIPELINE, TOPIC, state, release, stricter, recheck)
    assert (planned.chosen, planned.released) == (2, 1)  # of quantities 4 and 10
    assert seen == [(DAYS[1], 2)]
    waived = plan_release(world.store, PIPELINE, TOPIC, state, replace(release, waive=True), stricter, recheck)
    assert waived.released == 2
    assert plan_release(world.store, PIPELINE, TOPIC, state, release, CONTRACT, recheck).released == 2


def test_a_column_that_the_contract_has_gained_is_null_and_one_of_another_type_keeps_the_rows_back(
    world: World,
) -> None:
    state, release = world.ledger().state(), release_of(Selection(day=DAYS[1]))

    def released(text: str) -> int:
        contract = contract_of(text)
        return plan_release(world.store, PIPELINE, TOPIC, state, release, contract, lambda *_: {}).released

    gained = ORDERS.rstrip() + "\n      - {name: more, logicalType: string}\n"
    assert released(gained) == 2
    assert released(gained.replace("more, logicalType: string", "more, logicalType: string, required: true")) == 0
    assert released(ORDERS.replace("{name: note, logicalType: string}", "{name: note, logicalType: integer}")) == 0
