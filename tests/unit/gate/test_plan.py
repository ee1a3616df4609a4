from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ray_pipeline.gate.plan import UNREADABLE, Action, plan_day
from ray_pipeline.sla.measure import Array
from ray_pipeline.sla.result import CheckResult, Disposition, Verdict
from tests.unit.gate.worlds import DAYS, data_file, result

NEW, HELD = data_file("new"), data_file("held")


def at(*rows: int) -> Array:
    return np.array(rows, np.int64)


def plan(results: list[CheckResult], flagged: dict[str, dict[str, Array]] | None = None, **options: Any) -> Any:
    return plan_day(DAYS[0], [NEW], [HELD], results, flagged or {}, **options)


def actions(made: Any) -> dict[str, Action]:
    return {one.file.key: one.action for one in made.files}


def test_a_day_whose_checks_hold_is_published_as_it_is() -> None:
    made = plan([result("a", Verdict.PASSED), result("b", Verdict.NO_HISTORY)])
    assert actions(made) == {"held": Action.AS_IS, "new": Action.AS_IS}
    assert (made.disposition, made.reasons) == (Disposition.PUBLISHED, ())
    assert (made.new, made.published, made.quarantined, made.held) == (10, 20, 0, 0)


@pytest.mark.parametrize(
    ("found", "disposition"),
    [
        (result("a"), Disposition.HELD),
        (result("a", Verdict.UNKNOWN), Disposition.HELD),
        (result("a", Verdict.PENDING), Disposition.PENDING),
        (result("a", Verdict.PENDING, scope="row"), Disposition.PENDING),
        (result("a", Verdict.UNKNOWN, scope="row"), Disposition.HELD),
        (result("a", scope="row", breach="hold"), Disposition.HELD),
    ],
)
def test_an_error_check_that_does_not_hold_keeps_the_day_back(found: CheckResult, disposition: Disposition) -> None:
    made = plan([found], {"a": {}})
    assert set(actions(made).values()) == {Action.HOLD}
    assert (made.disposition, made.reasons) == (disposition, ("a",))
    assert (made.new, made.published, made.held) == (10, 0, 20)


@pytest.mark.parametrize(
    "found",
    [result("a", severity="warning"), result("a", severity="info"), result("a", scope="dataset")],
)
def test_what_is_no_error_of_the_day_holds_nothing(found: CheckResult) -> None:
    assert plan([found]).held == 0


def test_a_failed_row_check_sets_its_rows_aside() -> None:
    found = [result("a", scope="row", detail="3 rows have no id", dimension="completeness"), result("b", scope="row")]
    made = plan(found, {"a": {"new": at(1, 4), "held": at(0)}, "b": {"new": at(4, 9)}})
    assert actions(made) == {"held": Action.REWRITE, "new": Action.REWRITE}
    assert (made.published, made.quarantined, made.held) == (16, 4, 0)
    new = made.files[1]
    assert new.dropped.tolist() == [1, 4, 9]
    assert [(drop.check, drop.message) for drop in new.drops] == [("a", 'breaks "A"'), ("b", 'breaks "B"')]


def test_rows_within_the_tolerance_of_a_check_are_not_set_aside() -> None:
    made = plan([result("a", Verdict.PASSED, scope="row")], {"a": {"new": at(1, 4)}})
    assert made.published == 20


def test_a_row_check_that_cannot_name_its_rows_holds_the_day() -> None:
    made = plan([result("a", scope="row")])
    assert made.held == 20
    assert plan([result("a", scope="row")], {"a": {}}).published == 20  # none of them is in these files


def test_a_held_day_sets_nothing_aside_yet() -> None:
    made = plan([result("day"), result("a", scope="row")], {"a": {"new": at(1)}})
    assert (made.held, made.quarantined, made.reasons) == (20, 0, ("day",))


def test_a_person_lets_through_what_was_held_and_not_what_came_since() -> None:
    made = plan([result("day"), result("a", scope="row")], {"a": {"held": at(2)}}, released=True)
    assert actions(made) == {"held": Action.REWRITE, "new": Action.HOLD}
    assert (made.published, made.quarantined, made.held) == (9, 1, 10)
    assert (made.disposition, made.reasons) == (Disposition.HELD, ("day",))
    alone = plan_day(DAYS[0], [], [HELD], [result("day")], {}, released=True)
    assert (alone.disposition, alone.reasons, alone.published) == (Disposition.PUBLISHED, (), 10)


def test_a_file_that_the_table_cannot_take_is_rewritten() -> None:
    made = plan([], must_rewrite=lambda file: file.key == "new")
    assert actions(made) == {"held": Action.AS_IS, "new": Action.REWRITE}
    assert made.published == 20


def test_a_file_that_cannot_be_read_holds_its_day_and_itself_even_when_released() -> None:
    made = plan([], unreadable={"new", "of another day"})
    assert (made.disposition, made.reasons, made.held) == (Disposition.HELD, (UNREADABLE,), 20)
    made = plan([], released=True, unreadable={"held"})
    assert actions(made) == {"held": Action.HOLD, "new": Action.HOLD}
    two = plan_day(DAYS[0], [], [HELD, NEW], [], {}, released=True, unreadable={"held"})
    assert actions(two) == {"held": Action.HOLD, "new": Action.AS_IS}


def test_a_day_without_files_has_nothing_new() -> None:
    assert plan_day(DAYS[0], [], [], [result("a")], {}).disposition is Disposition.NOTHING_NEW


def test_positions_outside_the_file_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="flags row 10 of new, which has 10"):
        plan([result("a", scope="row")], {"a": {"new": at(10)}})
