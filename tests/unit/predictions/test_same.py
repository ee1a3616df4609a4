"""Logged features against rebuilt ones: the same, explained by an event that was kept back, or different."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from ray_pipeline.features.reading import OffsetRange, Status
from ray_pipeline.features.shape import KeyShape, ValueType
from ray_pipeline.runtime.features.answers import FeatureValue
from ray_pipeline.runtime.predictions.event import event_of
from ray_pipeline.runtime.predictions.kept_back import KeptBack, KeptEvent, KeptView
from ray_pipeline.runtime.predictions.same import Rebuilt, compare
from ray_pipeline.types import Outcome
from tests.prediction_stub import AT, EPOCH, prediction, request

AT_US = (AT - EPOCH) // timedelta(microseconds=1)
RANGES = (OffsetRange(0, 10, 20), OffsetRange(2, 5, 5))
FEATURES = {
    "live__n": FeatureValue(6, Status.PRESENT, AT, RANGES),
    "live__mean": FeatureValue(0.5, Status.PRESENT, AT, RANGES),
    "calendar__hour": FeatureValue(7, Status.PRESENT),
}
VALUES = {"live__n": 6, "live__mean": 0.5, "calendar__hour": 7}


def event(number: int = 1, features: Any = FEATURES, **values: Any) -> dict[str, Any]:
    return event_of(prediction(features, request=request(number, **values)))


def kept(*events: KeptEvent, entity: str = '["EWR"]') -> KeptBack:
    return KeptBack({"live": KeptView([("origin", KeyShape("origin", ValueType.STRING))], {entity: events})})


def test_what_is_the_same_is_counted_by_feature() -> None:
    report = compare([event(1), event(2), event(3)], {"r1": Rebuilt(VALUES), "r2": Rebuilt(VALUES)})
    assert (report.requests, report.not_rebuilt, report.compared, report.share) == (2, 1, 6, 1.0)
    assert report.outcome is Outcome.HELD
    assert report.as_lines() == ["2 requests, 6 values: all the same (100 %); 1 request not rebuilt"]


def test_nothing_to_compare_is_not_held() -> None:
    report = compare([event()], {})
    assert report.outcome is Outcome.UNKNOWN
    assert report.share is None
    assert report.as_lines() == ["nothing to compare: 1 request not rebuilt"]


def test_a_status_is_a_part_of_it_where_the_other_side_knows_it() -> None:
    statuses = dict.fromkeys(VALUES, Status.PRESENT)
    assert compare([event()], {"r1": Rebuilt(VALUES, statuses)}).outcome is Outcome.HELD
    other = compare([event()], {"r1": Rebuilt(VALUES, {**statuses, "live__n": Status.INVALID})})
    assert other.outcome is Outcome.BROKEN
    assert other.features["live__n"].different == 1


def test_a_feature_that_only_one_side_has_is_a_difference() -> None:
    report = compare([event()], {"r1": Rebuilt({"live__n": 6, "live__more": 1, "calendar__hour": 7})})
    assert report.one_side == {"live__mean": 1, "live__more": 1}
    assert report.outcome is Outcome.BROKEN
    assert "live__more: 1 on one side only" in report.as_lines()


@pytest.mark.parametrize(
    ("back", "places"),
    [
        (None, ()),
        (kept(), ()),
        (kept(KeptEvent(AT_US, 0, 10)), ((0, 10),)),
        (kept(KeptEvent(AT_US, 0, 10), KeptEvent(AT_US, 2, 5)), ((0, 10), (2, 5))),
        (kept(KeptEvent(AT_US, 0, 9)), ()),
        (kept(KeptEvent(AT_US, 1, 10)), ()),
        (kept(KeptEvent(AT_US + 1, 0, 10)), ()),
        (kept(KeptEvent(AT_US, 0, 10), entity='["LGA"]'), ()),
    ],
)
def test_only_an_event_of_that_entity_that_the_answer_rests_on_explains_a_difference(
    back: KeptBack | None, places: tuple[tuple[int, int], ...]
) -> None:
    report = compare([event()], {"r1": Rebuilt({**VALUES, "live__n": 5})}, kept_back=back)
    assert [one.kept_back for one in report.examples] == [places]
    assert (report.explained, report.different) == ((1, 0) if places else (0, 1))
    assert report.outcome is (Outcome.HELD if places else Outcome.BROKEN)
    assert ("unexplained" in report.as_lines()[-1]) is (not places)
    assert report.to_json()["examples"][0]["kept_back"] == [list(place) for place in places]


AWAY = {
    "live__n": FeatureValue(None, Status.INVALID),
    "live__mean": FeatureValue(None, Status.INVALID),
    "calendar__hour": FeatureValue(7, Status.PRESENT),
}


def test_what_was_answered_without_the_store_is_no_difference() -> None:
    statuses = dict.fromkeys(VALUES, Status.PRESENT)
    report = compare([event(1, AWAY), event(2)], {f"r{n}": Rebuilt(VALUES, statuses) for n in (1, 2)})
    assert (report.outcome, report.requests, report.not_read, report.compared) == (Outcome.HELD, 2, 1, 4)
    assert report.share == 1.0
    assert report.as_lines() == [
        "2 requests, 4 values: all the same (100 %)",
        "1 request not read: the store did not answer",
    ]
    said = report.to_json()
    assert (said["not_read"], said["features"]["live__n"]["not_read"]) == (1, 1)
    other = compare([event(1, AWAY)], {"r1": Rebuilt({**VALUES, "calendar__hour": 8}, statuses)})
    assert other.outcome is Outcome.BROKEN, "what the request says itself needs no store"


def test_where_nothing_was_read_nothing_is_held() -> None:
    alone = {name: value for name, value in AWAY.items() if name.startswith("live__")}
    report = compare([event(1, alone)], {"r1": Rebuilt({"live__n": 6, "live__mean": 0.5})})
    assert report.outcome is Outcome.UNKNOWN
    assert "1 request not read: the store did not answer" in report.as_lines()


@pytest.mark.parametrize(
    "read",
    [
        {"live__n": FeatureValue(6, Status.PRESENT, AT, RANGES)},
        {"live__n": FeatureValue(None, Status.INVALID, AT)},
        {"live__n": FeatureValue(None, Status.INVALID, None, RANGES)},
        {"other__n": FeatureValue(None, Status.NOT_FOUND)},
    ],
)
def test_a_store_that_said_something_did_answer(read: Any) -> None:
    logged = event_of(prediction({**AWAY, **read}, views={"live": "data", "other": "data"}))
    rebuilt = {**VALUES, "other__n": None} if "other__n" in read else VALUES
    report = compare([logged], {"r1": Rebuilt(rebuilt)})
    assert report.not_read == 0
    assert report.outcome is Outcome.BROKEN
    assert not any("did not answer" in line for line in report.as_lines())


def test_a_materialised_view_that_differs_is_named_and_differs() -> None:
    rebuilt = {"r1": Rebuilt({**VALUES, "live__n": 5})}
    report = compare([event()], rebuilt, materialized=["live", "other"])
    assert (report.outcome, report.different) == (Outcome.BROKEN, 1)
    assert "live is written by `feast materialize`: its online values are as old as that" in report.as_lines()
    assert report.to_json()["materialized"] == ["live"]
    same = compare([event()], {"r1": Rebuilt(VALUES)}, materialized=["live"])
    assert "materialize" not in "".join(same.as_lines())


def test_no_event_explains_a_feature_of_the_request() -> None:
    back = kept(KeptEvent(AT_US, 0, 10))
    report = compare([event()], {"r1": Rebuilt({**VALUES, "calendar__hour": 8})}, kept_back=back)
    assert report.different == 1


def test_where_nothing_counts_any_more_each_event_of_the_entity_by_then_explains_it() -> None:
    gone = {**FEATURES, "live__n": FeatureValue(0, Status.PRESENT, AT), "live__mean": FeatureValue(0.5, Status.PRESENT)}
    rebuilt = {"r1": Rebuilt({**VALUES, "live__n": None})}
    assert compare([event(features=gone)], rebuilt, kept_back=kept(KeptEvent(7, 3, 1))).explained == 1
    assert compare([event(features=gone)], rebuilt, kept_back=kept(KeptEvent(AT_US + 1, 3, 1))).explained == 0


def test_landed_rows_are_events_too() -> None:
    row = event()
    row["occurred_at"] = datetime.fromisoformat(row["occurred_at"])
    row["features"] = [{"number": None, "text": None, "status": None, **one} for one in row["features"]]
    back = kept(KeptEvent(AT_US, 0, 10))
    report = compare([row], {"r1": Rebuilt({**VALUES, "live__n": 5})}, kept_back=back)
    assert report.explained == 1
    assert AT.isoformat() in report.as_lines()[-1]


def test_values_are_not_in_the_report() -> None:
    features = {"live__n": FeatureValue("N14228-private", Status.PRESENT, AT, RANGES)}
    report = compare([event(features=features)], {"r1": Rebuilt({"live__n": "N99999-private"})})
    assert report.different == 1
    assert "private" not in "".join(report.as_lines()) + str(report.to_json()) + repr(report)
