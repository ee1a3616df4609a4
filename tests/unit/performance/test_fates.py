"""Counts of what became of predictions, and which days are worth a sentence."""

from __future__ import annotations

import polars as pl
import pytest

from ray_pipeline.model.fates import SMALL_DAY, Fates, fates_of, notices
from ray_pipeline.model.labelled import REASON, STATE, State


def frame(*rows: tuple[State, str | None]) -> pl.DataFrame:
    return pl.DataFrame(
        [(state.value, reason) for state, reason in rows], schema={STATE: pl.String, REASON: pl.String}, orient="row"
    )


def day(predictions: int, cancelled: int = 0, overdue: int = 0) -> Fates:
    labelled = predictions - cancelled - overdue
    return Fates(predictions, labelled, overdue=overdue, unlabelled={"cancelled": cancelled, "diverted": 0})


def told(days: dict[str, Fates]) -> list[str]:
    total = Fates(
        sum(one.predictions for one in days.values()),
        overdue=sum(one.overdue for one in days.values()),
        unlabelled={"cancelled": 0, "diverted": 0},
    )
    return list(notices(total, days, "arrivals", "24 hours"))


def test_counts_add_up_and_every_reason_has_its_place() -> None:
    found = fates_of(
        frame(
            (State.LABELLED, None),
            (State.UNLABELLED, "diverted"),
            (State.WAITING, None),
            (State.OVERDUE, None),
            (State.OVERDUE, None),
            (State.NO_KEY, None),
            (State.NO_LABEL, None),
        ),
        ("cancelled", "diverted"),
    )
    assert found == Fates(7, 1, 1, 2, 1, 1, {"cancelled": 0, "diverted": 1})
    assert found.matured == 0.25
    assert found.share("diverted") == pytest.approx(1 / 7)
    assert found.to_json()["unlabelled"] == {"cancelled": 0, "diverted": 1}


def test_of_nothing_no_share_is_known() -> None:
    none = fates_of(frame(), ("cancelled",))
    assert none.predictions == 0
    assert none.matured is None
    assert none.share("cancelled") == 0.0


def test_a_quiet_week_is_worth_no_sentence() -> None:
    assert told({f"2013-02-0{number}": day(1000, cancelled=10 + number) for number in range(1, 8)}) == []


def test_a_day_unlike_the_others_is_named_with_what_is_usual() -> None:
    days = {f"2013-02-0{number}": day(1000, cancelled=10) for number in range(1, 8)}
    [said] = told(days | {"2013-02-09": day(800, cancelled=400)})
    assert said == "2013-02-09: 50.0% cancelled, and 1.0% on the median of the other days"


def test_a_rise_from_nothing_needs_five_points() -> None:
    quiet = {f"2013-02-0{number}": day(1000) for number in range(1, 6)}
    assert told(quiet | {"2013-02-06": day(1000, cancelled=49)}) == []
    assert len(told(quiet | {"2013-02-06": day(1000, cancelled=50)})) == 1


def test_small_days_and_few_days_say_nothing() -> None:
    few = {"2013-02-01": day(1000), "2013-02-02": day(1000), "2013-02-03": day(1000, cancelled=900)}
    assert told(few) == []
    small = {f"2013-02-0{number}": day(1000) for number in range(1, 6)} | {"2013-02-07": day(SMALL_DAY - 1, 9)}
    assert told(small) == []


def test_outcomes_that_did_not_come_are_counted_by_day() -> None:
    [said] = told({"2013-02-01": day(100, overdue=2), "2013-02-02": day(100), "2013-02-03": day(50, overdue=1)})
    assert said.startswith("3 predictions overdue: no outcome in arrivals within 24 hours")
    assert said.endswith("(2013-02-01: 2, 2013-02-03: 1)")
