"""What becomes of each prediction, against a loop that says it in words; corrections count, repetitions do not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.features import field, label_set
from ray_pipeline.model.fates import fates_of
from ray_pipeline.model.labelled import ASKED, KEY, KNOWN, LABEL, REASON, STATE, Labelled, State, join_labels

EPOCH = datetime(2013, 2, 1, tzinfo=UTC)
BASE = int(EPOCH.timestamp()) * 1_000_000
MINUTE = 60_000_000
OURS: dict[str, Any] = {"_timestamp": pl.Datetime("ms", "UTC"), "_partition": pl.Int32, "_offset": pl.Int64}
LABELS = label_set(
    "late",
    requests="departures",
    keys={"origin": "origin"},
    asked_at=field("scheduled_at"),
    outcomes="arrivals",
    on="flight_id",
    label=field("delay") > 15,
    without={
        "cancelled": field("cancelled"),
        "diverted": field("diverted"),
        "twice said": field("note").is_null() & (field("note_outcome") == "x"),
    },
)
REASONS = tuple(LABELS.without)

keys = st.sampled_from([None, "a", "b", "c", "d"])
minutes = st.integers(0, 30)


@dataclass(frozen=True)
class Question:
    key: str | None
    published: int | None
    cancelled: bool | None
    note: str | None


@dataclass(frozen=True)
class Answer:
    key: str | None
    published: int | None
    delay: int | None
    diverted: bool | None
    note: str | None


published = st.none() | minutes
flags = st.sampled_from([None, False, False, True])
notes = st.sampled_from([None, "x", "y"])
questions = st.lists(st.builds(Question, keys, published, flags, notes), max_size=8)
answers = st.lists(
    st.builds(Answer, keys, published, st.sampled_from([None, 0, 15, 16, 40]), flags, notes), max_size=12
)
predictions = st.lists(st.tuples(keys, minutes), max_size=12)


def moment(minute: int | None) -> datetime | None:
    return None if minute is None else EPOCH + timedelta(minutes=minute)


def question_rows(found: list[Question]) -> pl.DataFrame:
    rows = [(one.key, one.cancelled, one.note, moment(one.published), 0, i) for i, one in enumerate(found)]
    schema = {"flight_id": pl.String, "cancelled": pl.Boolean, "note": pl.String, **OURS}
    return pl.DataFrame(rows, schema=schema, orient="row")


def answer_rows(found: list[Answer]) -> pl.DataFrame:
    rows = [(one.key, one.delay, one.diverted, one.note, moment(one.published), 0, i) for i, one in enumerate(found)]
    schema = {"flight_id": pl.String, "delay": pl.Int64, "diverted": pl.Boolean, "note": pl.String, **OURS}
    return pl.DataFrame(rows, schema=schema, orient="row")


def asked_rows(found: list[tuple[str | None, int]]) -> pl.DataFrame:
    rows = [(key, BASE + minute * MINUTE, number) for number, (key, minute) in enumerate(found)]
    return pl.DataFrame(rows, schema={KEY: pl.String, ASKED: pl.Int64, "number": pl.Int64}, orient="row")


def newest(found: list[Answer]) -> int | None:
    return max((one.published for one in found if one.published is not None), default=None)


def join(
    asked: list[tuple[str | None, int]], questions: list[Question], answers: list[Answer], deadline: int
) -> Labelled:
    watermark = newest(answers)
    return join_labels(
        LABELS,
        asked_rows(asked),
        question_rows(questions),
        answer_rows(answers),
        deadline_us=deadline * MINUTE,
        watermark_us=None if watermark is None else BASE + watermark * MINUTE,
    )


def in_order(answers: list[Answer], key: str) -> list[Answer]:
    """One without a publication is the oldest."""
    own = [(i, one) for i, one in enumerate(answers) if one.key == key]
    return [
        one
        for _, one in sorted(own, key=lambda pair: (-1 if pair[1].published is None else pair[1].published, pair[0]))
    ]


def first_question(questions: list[Question], key: str) -> Question | None:
    own = [(i, one) for i, one in enumerate(questions) if one.key == key]
    found = sorted(own, key=lambda pair: (pair[1].published is None, pair[1].published or 0, pair[0]))
    return found[0][1] if found else None


def fate(
    asked: tuple[str | None, int], questions: list[Question], answers: list[Answer], deadline: int
) -> tuple[State, str | None, bool | None]:
    key, minute = asked
    if key is None:
        return State.NO_KEY, None, None
    question, said = first_question(questions, key), in_order(answers, key)
    answer = said[-1] if said else None
    if question is not None and question.cancelled:
        return State.UNLABELLED, "cancelled", None
    if answer is not None and answer.diverted:
        return State.UNLABELLED, "diverted", None
    if answer is not None and answer.note == "x" and (question is None or question.note is None):
        return State.UNLABELLED, "twice said", None
    if answer is not None and answer.delay is not None:
        return State.LABELLED, None, answer.delay > 15
    if answer is not None:
        return State.NO_LABEL, None, None
    watermark = newest(answers)
    late = watermark is not None and minute + deadline <= watermark
    return State.OVERDUE if late else State.WAITING, None, None


@settings(max_examples=150, deadline=None)
@given(predictions, questions, answers, st.integers(0, 20))
def test_each_prediction_is_exactly_what_the_loop_says(
    asked: list[tuple[str | None, int]], questions: list[Question], answers: list[Answer], deadline: int
) -> None:
    found = join(asked, questions, answers, deadline)
    expected = [fate(one, questions, answers, deadline) for one in asked]
    assert found.frame["number"].to_list() == list(range(len(asked)))
    assert list(zip(found.frame[STATE], found.frame[REASON], found.frame[LABEL], strict=True)) == expected


@settings(max_examples=50, deadline=None)
@given(predictions, questions, answers, st.integers(0, 20))
def test_the_kinds_add_up_to_all_predictions(
    asked: list[tuple[str | None, int]], questions: list[Question], answers: list[Answer], deadline: int
) -> None:
    fates = fates_of(join(asked, questions, answers, deadline).frame, REASONS)
    parts = (fates.labelled, fates.waiting, fates.overdue, fates.no_key, fates.no_label, *fates.unlabelled.values())
    assert sum(parts) == fates.predictions == len(asked)
    assert tuple(fates.unlabelled) == REASONS
    told = Counter(fate(one, questions, answers, deadline)[0] for one in asked)
    assert fates.matured == (
        told[State.LABELLED] / some
        if (some := told[State.LABELLED] + told[State.WAITING] + told[State.OVERDUE])
        else None
    )


@settings(max_examples=60, deadline=None)
@given(predictions, questions, answers, st.integers(0, 20), st.data())
def test_an_outcome_published_again_changes_nothing_and_is_counted(
    asked: list[tuple[str | None, int]],
    questions: list[Question],
    answers: list[Answer],
    deadline: int,
    data: st.DataObject,
) -> None:
    wanted = {key for key, _ in asked if key is not None}
    last = [in_order(answers, key)[-1] for key in sorted(wanted) if in_order(answers, key)]
    # The very same event, at a later offset, at the same moment: it is the newest of its key either way.
    again = data.draw(st.lists(st.sampled_from(last), max_size=4)) if last else []
    once, twice = join(asked, questions, answers, deadline), join(asked, questions, [*answers, *again], deadline)
    assert twice.frame.equals(once.frame)
    assert (twice.replaced, twice.repeated) == (once.replaced, once.repeated + len(again))


@settings(max_examples=60, deadline=None)
@given(predictions, questions, answers)
def test_a_correction_is_counted_once_and_the_newest_word_stands(
    asked: list[tuple[str | None, int]], questions: list[Question], answers: list[Answer]
) -> None:
    found = join(asked, questions, answers, 5)
    changes = repeats = 0
    for key in {key for key, _ in asked if key is not None}:
        said = [(one.delay, one.diverted, one.note) for one in in_order(answers, key)]
        pairs = list(pairwise(said))
        changes += sum(one != other for one, other in pairs)
        repeats += sum(one == other for one, other in pairs)
    assert (found.replaced, found.repeated) == (changes, repeats)


@settings(max_examples=50, deadline=None)
@given(predictions, questions, answers, st.integers(0, 20))
def test_the_label_is_known_since_its_word_was_first_said(
    asked: list[tuple[str | None, int]], questions: list[Question], answers: list[Answer], deadline: int
) -> None:
    found = join(asked, questions, answers, deadline).frame
    for row, (key, _) in zip(found.iter_rows(named=True), asked, strict=True):
        said = in_order(answers, key) if key is not None else []
        since = None
        for one in reversed(said):
            if (one.delay, one.diverted, one.note) != (said[-1].delay, said[-1].diverted, said[-1].note):
                break
            since = one.published
        assert row[KNOWN] == (None if since is None else BASE + since * MINUTE)


@settings(max_examples=60, deadline=None)
@given(predictions, questions, answers, st.integers(0, 20))
def test_more_time_for_outcomes_only_turns_overdue_into_waiting(
    asked: list[tuple[str | None, int]], questions: list[Question], answers: list[Answer], deadline: int
) -> None:
    short, long = (join(asked, questions, answers, one).frame[STATE].to_list() for one in (deadline, deadline + 7))
    for before, after in zip(short, long, strict=True):
        assert before == after or (before, after) == (State.OVERDUE, State.WAITING)
