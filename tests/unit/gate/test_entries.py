from __future__ import annotations

import json

import pytest

from ray_pipeline.gate.entries import (
    GateEntry,
    GateState,
    OffsetSpan,
    ReleaseHeld,
    ReleaseQuarantine,
    Selection,
    decode,
    encode,
)
from ray_pipeline.gate.fold import fold
from ray_pipeline.lake.seal import seal, unseal
from tests.unit.gate.worlds import DAYS, data_file, day_decision, decision, span

JUDGED = decision(
    0,
    offsets=(span(0, 4, 0, 12, 10, event_time_min="2013-01-01T00:00:00Z", event_time_max="2013-01-01T12:00:00Z"),),
    days=(day_decision(10, 6, 4),),
    publish=(data_file("kept", 6),),
    quarantine=(data_file("aside", 4),),
    published_days={"2013-01-01": (10, 2)},
    history={"volume": (("2013-01-01", 10),)},
)
ENTRIES: list[tuple[GateState, GateEntry]] = [
    (GateState(), JUDGED),
    (fold(GateState(), decision(0, days=())), decision(1)),
    (
        fold(GateState(), JUDGED),
        ReleaseQuarantine(1, "x", "now", Selection(check="c", offsets=(OffsetSpan(0, 1, 5),)), "fine", "ann", True),
    ),
]


@pytest.mark.parametrize(("state", "entry"), ENTRIES)
def test_an_entry_comes_back_with_the_state_after_it(state: GateState, entry: GateEntry) -> None:
    after = fold(state, entry)
    assert decode(encode(entry, after)) == (entry, after)


def test_equal_entries_are_equal_bytes() -> None:
    assert encode(JUDGED, fold(GateState(), JUDGED)) == encode(JUDGED, fold(GateState(), JUDGED))


def test_a_changed_byte_is_found_wherever_it_is() -> None:
    data = encode(JUDGED, fold(GateState(), JUDGED))
    for i in range(len(data)):
        with pytest.raises(ValueError):
            decode(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :])


def test_a_member_of_a_later_version_is_passed_over() -> None:
    document = unseal(encode(JUDGED, GateState()))
    document["entry"]["mood"] = "good"
    assert decode(seal(document))[0] == JUDGED


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (("format",), 2, "format"),
        (("type",), "verdict", "type"),
        (("entry", "n"), "0", "a str where int belongs"),
        (("entry", "n"), True, "a bool where int belongs"),
        (("entry", "days"), {}, "a dict where list belongs"),
        (("entry", "days", 0, "disposition"), "lost", "lost"),
        (("entry", "publish", 0), None, "no JSON object"),
        (("entry", "history", "volume", 0), ["2013-01-01"], "a list of 1, not of 2"),
    ],
)
def test_what_does_not_fit_is_refused(place: tuple[str | int, ...], value: object, told: str) -> None:
    document = json.loads(encode(JUDGED, GateState()))
    document.pop("sha256")
    inner = document
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    with pytest.raises(ValueError, match=told):
        decode(seal(document))


def test_a_missing_member_is_named() -> None:
    document = unseal(encode(JUDGED, GateState()))
    del document["entry"]["run_id"]
    with pytest.raises(ValueError, match="Decision without run_id"):
        decode(seal(document))


def test_no_number_that_json_does_not_have_is_written() -> None:
    with pytest.raises(ValueError):
        encode(decision(0, history={"mean": ((DAYS[0], float("nan")),)}), GateState())


def test_a_release_of_a_held_day_is_an_entry() -> None:
    entry = ReleaseHeld(3, "x", "now", DAYS[0], "the source was late", "ann")
    assert decode(encode(entry, GateState(n=3)))[0] == entry
