"""Which entry may follow which: the invariants that a log keeps by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ray_pipeline.errors import LogBrokenError
from ray_pipeline.lake.entries import Close, DataFile, Gap, LogEntry, Pause, Release, Resume, Tail, decode, encode
from ray_pipeline.lake.fold import fold
from ray_pipeline.types import ContractRef

from .conftest import AT, CONTRACT, claim, data, opening

PAUSE = Pause(1, "p", 10, "bad-share", "too many", CONTRACT, AT)
RESUME = Resume("r", "ann", AT)


def folded(*entries: LogEntry) -> Tail:
    tail = None
    for entry in entries:
        tail = fold(tail, entry)
    assert tail is not None
    return tail


def test_an_ordinary_life_adds_up() -> None:
    tail = folded(
        opening(5), claim(), data(5, 10, dlq_through=5), data(10, 20, bad=3, dlq_through=10), Release(1, "x", AT)
    )
    assert (tail.n, tail.source_start, tail.end, tail.good, tail.bad, tail.commits) == (4, 5, 20, 12, 3, 2)
    assert tail.by_rule == {"type": 3}
    assert tail.dlq_through == 10
    assert tail.released
    assert not folded(opening(), claim(), Release(1, "x", AT), claim(2)).released


@pytest.mark.parametrize(
    ("history", "entry", "reason"),
    [
        ((), claim(), "begins with a claim"),
        ((opening(),), opening(), "second open"),
        ((opening(), claim()), data(1, 5), "begins at offset 1, but the log ends at 0"),
        ((opening(), claim(), data(0, 10)), data(5, 15), "begins at offset 5"),
        ((opening(), claim()), data(0, 0), "empty range"),
        ((opening(), claim()), data(0, 5, good=4), "5 offsets, but 4 are accounted for"),
        ((opening(), claim()), data(0, 5, good=6, skipped=-1), "negative"),
        ((opening(), claim()), data(0, 5, bad=2, by_rule={"type": 1}), "2 bad records, but 1 by rule"),
        ((opening(), claim()), data(0, 5, files=(DataFile("k", 4, 1, "00"),)), "but 4 rows in its files"),
        ((opening(), claim()), data(0, 5, bad=2, bad_files=()), "but 0 rows in its bad files"),
        ((opening(), claim()), data(0, 5, dlq_through=3), "dead letters through 3"),
        ((opening(), claim(), claim(2)), data(0, 5), "data of epoch 1 under a claim of epoch 2"),
        ((opening(), claim()), claim(), "claim of epoch 1 after epoch 1"),
        ((opening(), claim(1, supervisor=3)), claim(2, supervisor=2), "claim for supervisor 2 after one for 3"),
        ((opening(), claim(), Release(1, "x", AT)), data(0, 5), "after release"),
        ((opening(), claim(), data(0, 10), PAUSE), data(10, 20), "after a pause"),
        ((opening(), claim()), PAUSE, "pause at offset 10, but the log ends at 0"),
        ((opening(),), Gap("g", 3, 9, "expired", "ann", AT), "begins at offset 3"),
        ((opening(), Close("c", "recreated", "ann", AT)), claim(), "after close"),
    ],
)
def test_what_contradicts_the_log_is_refused(history: tuple[LogEntry, ...], entry: LogEntry, reason: str) -> None:
    tail = folded(*history) if history else None
    with pytest.raises(LogBrokenError, match=reason):
        fold(tail, entry)


def test_a_gap_moves_the_end_and_is_counted() -> None:
    tail = folded(opening(), Gap("g", 0, 7, "expired", "ann", AT), claim(), data(7, 9))
    assert (tail.end, tail.gaps, tail.good) == (9, 7, 2)


def test_a_resumed_breaker_is_overridden_until_a_commit_says_armed() -> None:
    resumed = folded(opening(), claim(), data(0, 10), PAUSE, RESUME)
    assert resumed.pause is None
    assert resumed.overridden
    assert fold(resumed, data(10, 20, breaker="overridden")).overridden
    assert not fold(resumed, data(10, 20)).overridden


def test_only_another_contract_frees_a_pause_of_the_breaker() -> None:
    paused = folded(opening(), claim(), data(0, 10), PAUSE)
    assert fold(paused, claim(2)).pause is PAUSE
    freed = fold(paused, claim(2, digest="d2"))
    assert freed.pause is None
    assert not freed.overridden
    expired = folded(opening(), claim(), data(0, 10), replace(PAUSE, reason="offsets-expired"))
    assert fold(expired, claim(2, digest="d2")).pause is not None


def test_resuming_another_stop_does_not_touch_the_breaker() -> None:
    expired = folded(opening(), claim(), data(0, 10), replace(PAUSE, reason="offsets-expired"), RESUME)
    assert not expired.overridden


def test_every_entry_survives_its_json() -> None:
    ref = ContractRef("ü", "1", "d")
    for entry in (
        opening(),
        claim(),
        data(0, 5, bad=2, contract=ref),
        PAUSE,
        RESUME,
        Release(1, "x", AT),
        Gap("g", 0, 7, "r", "ann", AT),
        Close("c", "r", "ann", AT),
    ):
        assert decode(encode(entry)) == entry
