from __future__ import annotations

from dataclasses import replace

import pytest

from ray_pipeline.errors import LogBrokenError
from ray_pipeline.gate.entries import Decision, GateState, OffsetSpan, ReleaseHeld, ReleaseQuarantine, Selection
from ray_pipeline.gate.fold import HISTORY, RUNS, fold
from ray_pipeline.sla.result import Disposition
from tests.unit.gate.worlds import DAYS, LOG, data_file, day_decision, decision, span

HELD = data_file("held", 5)
FIRST = decision(
    0,
    offsets=(span(0, 4, 0, 20, 15, event_time_min="2013-01-01T00:00:00Z", event_time_max="2013-01-01T05:00:00Z"),),
    days=(day_decision(15, 7, 3, 5, held_files=(HELD,), disposition=Disposition.HELD, reasons=("volume",)),),
    publish=(data_file("kept", 7),),
    quarantine=(data_file("aside", 3),),
)


def after_first() -> GateState:
    return fold(GateState(), FIRST)


def release(n: int = 1) -> ReleaseHeld:
    return ReleaseHeld(n, "x", "now", DAYS[0], "seen", "ann")


def test_a_decision_says_where_every_row_is() -> None:
    state = after_first()
    assert (state.landed, state.published, state.quarantined, state.held_rows) == (15, 7, 3, 5)
    assert state.held == {DAYS[0]: (HELD,)}
    assert (state.n, state.decision) == (0, 0)
    position = state.position(LOG)
    assert position is not None
    assert (position.n, position.end, position.rows) == (4, 20, 15)
    assert (state.event_time_min, state.event_time_max) == ("2013-01-01T00:00:00Z", "2013-01-01T05:00:00Z")


def test_held_rows_are_decided_on_again() -> None:
    later = decision(1, days=(day_decision(0, 4, 1),), publish=(data_file("k", 4),), quarantine=(data_file("q", 1),))
    state = fold(after_first(), later)
    assert (state.landed, state.published, state.quarantined, state.held_rows) == (15, 11, 4, 0)
    assert state.held == {}


def test_a_day_that_a_decision_does_not_speak_of_stays_as_it_was() -> None:
    state = fold(after_first(), decision(1))
    assert state.held == {DAYS[0]: (HELD,)}
    assert state.days == after_first().days


def test_released_rows_move_from_quarantine_to_published() -> None:
    freed = decision(
        1,
        days=(day_decision(0, 0, 0, 5, released=2, held_files=(HELD,)),),
        publish=(data_file("freed", 2),),
        quarantine=(data_file("rest", 1),),
        replaced=(data_file("aside", 3),),
    )
    state = fold(after_first(), freed)
    assert (state.landed, state.published, state.quarantined, state.released) == (15, 9, 1, 2)


def test_the_event_time_is_that_of_each_log_and_never_goes_back() -> None:
    older = span(5, 6, 20, 21, 0, event_time_min="2012-12-31T00:00:00Z", event_time_max="2012-12-31T00:00:00Z")
    state = fold(after_first(), decision(1, offsets=(older,)))
    assert (state.event_time_min, state.event_time_max) == ("2012-12-31T00:00:00Z", "2013-01-01T05:00:00Z")


def test_the_history_is_by_day_and_keeps_the_newest() -> None:
    state = GateState()
    for n in range(HISTORY + 5):
        state = fold(state, decision(n, history={"volume": ((f"2013-01-{n:03}", float(n)),)}))
    assert len(state.history["volume"]) == HISTORY
    again = state.history["volume"][-1][0]
    state = fold(state, decision(state.n + 1, history={"volume": ((again, 7.0),)}))
    assert state.history["volume"][-1] == (again, 7.0)
    assert len(state.history["volume"]) == HISTORY


def test_publication_days_add_up() -> None:
    state = fold(GateState(), decision(0, published_days={DAYS[0]: (10, 1)}))
    state = fold(state, decision(1, published_days={DAYS[0]: (5, 2), DAYS[1]: (1, 0)}))
    assert state.published_days == {DAYS[0]: (15, 3), DAYS[1]: (1, 0)}


def test_the_last_runs_are_remembered() -> None:
    state = GateState()
    for n in range(RUNS + 3):
        state = fold(state, decision(n))
    assert len(state.runs) == RUNS
    assert state.runs[-1] == (f"run-{RUNS + 2}", RUNS + 2)


def test_releases_wait_until_a_decision_carries_them_out() -> None:
    state = fold(after_first(), release())
    state = fold(state, ReleaseQuarantine(2, "y", "now", Selection(day=DAYS[0]), "seen", "ann"))
    assert len(state.pending_held) == len(state.pending_quarantine) == 1
    state = fold(state, decision(3, carried_out=(2,)))
    assert [one.n for one in state.pending_held] == [1]
    assert state.pending_quarantine == ()
    with pytest.raises(LogBrokenError, match="not pending"):
        fold(state, decision(4, carried_out=(2,)))


SECOND = decision(1, offsets=(span(5, 6, 20, 30, 10),), days=(day_decision(10, 10, 0, 5, held_files=(HELD,)),))
SECOND = replace(SECOND, publish=(data_file("more", 10),))


def changed_day(**changes: object) -> Decision:
    return replace(SECOND, days=(replace(SECOND.days[0], **changes),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (replace(SECOND, n=2), "says that it is entry 2"),
        (replace(SECOND, run_id="run-0"), "was decided before"),
        (replace(SECOND, offsets=(span(4, 6, 20, 30, 10),)), "judged up to 4"),
        (replace(SECOND, offsets=(span(6, 7, 20, 30, 10),)), "judged up to 4"),
        (replace(SECOND, offsets=(span(5, 4, 20, 30, 10),)), "judged up to 4"),
        (replace(SECOND, offsets=(span(5, 6, 21, 31, 10),)), "judged up to 20"),
        (replace(SECOND, offsets=(span(5, 6, 20, 29, 10),)), "10 rows in 9 offsets"),
        (replace(SECOND, offsets=(*SECOND.offsets, *SECOND.offsets)), "covers a log twice"),
        (replace(SECOND, offsets=(span(5, 6, 20, 30, 9),)), "9 rows landed"),
        (replace(SECOND, days=(*SECOND.days, *SECOND.days)), "a day twice"),
        (changed_day(published=9), "15 rows of 2013-01-01 were to be decided on, but 14 are"),
        (changed_day(held=0, held_files=()), "but 10 are"),
        (changed_day(held_files=()), "0 in its held files"),
        (changed_day(quarantined=-1, published=11), "a negative count"),
        (changed_day(released=4), "of which 3 are quarantined"),
        (changed_day(released=1), "11 rows published, but 10 in the files"),
        (replace(SECOND, publish=()), "10 rows published, but 0 in the files"),
        (replace(SECOND, quarantine=(data_file("q", 1),)), "grows by 0 rows, but its files by 1"),
        (replace(SECOND, replaced=(data_file("aside", 3),)), "grows by 0 rows, but its files by -3"),
        (replace(SECOND, publish=(data_file("a", 5), data_file("a", 5))), "a file is published twice"),
        (replace(SECOND, publish=(data_file("held", 10),)), "a file is published twice"),
        (replace(SECOND, publish=(data_file("more", 10, DAYS[1]),)), "of which it says nothing"),
    ],
)  # fmt: skip
def test_a_decision_that_does_not_add_up_is_refused(wrong: Decision, told: str) -> None:
    fold(after_first(), SECOND)
    with pytest.raises(LogBrokenError, match=told):
        fold(after_first(), wrong)


def test_only_a_held_day_can_be_released() -> None:
    with pytest.raises(LogBrokenError, match="not held"):
        fold(after_first(), replace(release(), day=DAYS[1]))


def test_a_release_of_rows_says_which() -> None:
    with pytest.raises(LogBrokenError, match="which"):
        fold(after_first(), ReleaseQuarantine(1, "y", "now", Selection(), "seen", "ann"))
    fold(after_first(), ReleaseQuarantine(1, "y", "now", Selection(offsets=(OffsetSpan(0, 0, 1),)), "seen", "ann"))


def test_two_incarnations_of_a_topic_are_two_logs() -> None:
    other = replace(LOG, topic_id="t2")
    state = fold(after_first(), decision(1, offsets=(span(0, 0, 0, 0, 0, log=other),)))
    assert [at.log for at in state.through] == [LOG, other]
