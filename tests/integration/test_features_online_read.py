"""Reading a service online, as of now and as of a moment, from states that partition actors wrote."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ray_pipeline.connectors.online import OnlineSettings, open_online
from ray_pipeline.connectors.online.settings import ClockKind, Kind
from ray_pipeline.connectors.online.values import pack
from ray_pipeline.errors import UsageError
from ray_pipeline.features import aggregates
from ray_pipeline.features.ports import ValueRow
from ray_pipeline.features.reading import OffsetRange, Status
from ray_pipeline.features.requests import request_features
from ray_pipeline.features.service import Service, ServiceView
from ray_pipeline.features.shape import FeatureShape, Feed, KeyShape, ValueType, ViewShape
from ray_pipeline.runtime.features.read import read_with
from tests.feature_oracle import BASE, HOUR, MINUTE, OracleEvent, feature_shape, moments, value_at, view_shape, worlds
from tests.online_states import write_events
from tests.servers.redis import RedisServer

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LIVE = replace(
    view_shape([feature_shape("n", aggregates.Kind.COUNT, "")], window=2 * HOUR, ttl=4 * HOUR),
    name="live",
    keys=(KeyShape("origin", ValueType.STRING),),
)
PUSHED = ViewShape(
    "pushed",
    "e" * 64,
    "data",
    (KeyShape("number", ValueType.INT64), KeyShape("origin", ValueType.STRING)),
    (FeatureShape("size", ValueType.INT64), FeatureShape("seen", ValueType.TIMESTAMP)),
    None,
    1,
    HOUR,
    HOUR,
    Feed.MATERIALIZED,
)
CALENDAR = request_features("calendar", inputs={"at": "timestamp"}, features={"hour": pl.col("at").dt.hour()})
SERVICE = Service(
    "both",
    (
        ServiceView("live", ("n",)),
        ServiceView("live", ("n",), alias="there", keys={"origin": "destination"}),
        ServiceView("pushed", ("seen", "size")),
    ),
    CALENDAR,
)
SHAPES = {"live": LIVE, "pushed": PUSHED}
ROW = {"origin": "EWR", "destination": "IAH", "number": 7, "at": EPOCH}


def moment(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    made = _opened(request, tmp_path)
    made.write_rows(
        "pushed", [ValueRow('[7,"EWR"]', BASE, BASE, pack({"size": {"int64": 3}, "seen": {"unix_timestamp": 60}}))]
    )
    events = [OracleEvent('["EWR"]', BASE + n * MINUTE, BASE + n * MINUTE, n % 2, n, (None,)) for n in range(6)]
    write_events(made, LIVE, events, newest=BASE + 10 * MINUTE)
    yield made
    made.close()


def _opened(request: pytest.FixtureRequest, folder: Path) -> Any:
    if request.param == "sqlite":
        return open_online(OnlineSettings(Kind.SQLITE, uuid.uuid4().hex, path=folder / "online.db"))
    server: RedisServer = request.getfixturevalue("redis_server")
    return open_online(OnlineSettings(Kind.REDIS, uuid.uuid4().hex, connection=server.address))


def test_each_value_says_what_stands_behind_it(store: Any) -> None:
    answers = read_with(store, SHAPES, SERVICE, [ROW], moment(BASE + 10 * MINUTE))
    found = answers.rows[0].features
    assert list(found) == ["live__n", "there__n", "pushed__seen", "pushed__size", "calendar__hour"]
    assert (found["live__n"].value, found["live__n"].status) == (6, Status.PRESENT)
    assert found["live__n"].event_time == moment(BASE + 5 * MINUTE)
    assert found["live__n"].offsets == (OffsetRange(0, 0, 4), OffsetRange(1, 1, 5))
    assert (found["there__n"].value, found["there__n"].status) == (None, Status.NOT_FOUND)
    assert (found["pushed__size"].value, found["pushed__seen"].value) == (3, EPOCH + timedelta(minutes=1))
    assert found["pushed__size"].event_time == moment(BASE)
    assert (found["calendar__hour"].value, found["calendar__hour"].status) == (0, Status.PRESENT)
    assert answers.rows[0].values["live__n"] == 6
    assert answers.statuses() == {Status.PRESENT: 4, Status.NOT_FOUND: 1}
    written = json.loads(json.dumps(answers.to_json()))
    assert written["rows"][0]["features"]["live__n"]["offsets"] == [[0, 0, 4], [1, 1, 5]]
    assert "<i>NOT_FOUND</i>" in answers._repr_html_()


def test_each_row_has_its_own_moment(store: Any) -> None:
    times = [moment(BASE + minutes * MINUTE) for minutes in (-1, 0, 3, 60, 61, 600)]
    answers = read_with(store, SHAPES, SERVICE, [ROW] * 6, times)
    read = [(row.features["live__n"].value, row.features["live__n"].status.value) for row in answers.rows]
    assert [value for value, _ in read] == [None, 1, 4, 6, 6, None]
    assert [status for _, status in read] == ["NOT_FOUND", *["PRESENT"] * 4, "OUTSIDE_MAX_AGE"]
    sizes = [row.features["pushed__size"].status.value for row in answers.rows]
    assert sizes == ["INVALID", "PRESENT", "PRESENT", "PRESENT", "OUTSIDE_MAX_AGE", "OUTSIDE_MAX_AGE"]
    assert [row.as_of for row in answers.rows] == times


def test_without_a_moment_the_stores_clock_says_what_now_is(store: Any) -> None:
    answer = read_with(store, SHAPES, SERVICE, [ROW], clock=ClockKind.REPLAY).rows[0]
    assert answer.as_of == moment(BASE + 10 * MINUTE)
    assert answer.features["live__n"].value == 6
    late = read_with(store, SHAPES, SERVICE, [ROW]).rows[0]
    assert late.features["live__n"].status is Status.OUTSIDE_MAX_AGE


def test_a_null_in_an_entity_is_an_entity_that_nobody_knows(store: Any) -> None:
    rows = [{**ROW, "origin": None}, {**ROW, "origin": float("nan")}, {**ROW, "number": np.int64(7)}]
    answers = read_with(store, SHAPES, SERVICE, rows, moment(BASE))
    assert [row.features["pushed__size"].status.value for row in answers.rows] == ["NOT_FOUND", "NOT_FOUND", "PRESENT"]
    assert answers.rows[0].features["live__n"].status is Status.NOT_FOUND


def test_a_feature_of_a_request_value_that_is_null_is_not_found(store: Any) -> None:
    answers = read_with(store, SHAPES, SERVICE, [{**ROW, "at": None}, ROW], moment(BASE))
    found = [row.features["calendar__hour"] for row in answers.rows]
    assert [(one.value, one.status) for one in found] == [(None, Status.NOT_FOUND), (0, Status.PRESENT)]


@pytest.mark.parametrize(
    ("row", "as_of", "sentence"),
    [
        ({"destination": "x", "number": 1}, None, "row 1 has no origin, the entity of view live"),
        ({**ROW, "number": "7"}, None, "row 1: number must be int64, not str"),
        ({**ROW, "number": True}, None, "row 1: number must be int64, not bool"),
        ({**ROW, "origin": "\ud800"}, None, "row 1: the entity of view live is no text"),
        ({**ROW, "origin": 7}, None, "row 1: origin must be string, not int"),
        ({**ROW, "at": datetime(2013, 1, 1)}, None, "row 1: at needs its offset from UTC"),
        ({**ROW, "at": "noon"}, None, "at"),
        ({key: value for key, value in ROW.items() if key != "at"}, None, "row 1 has no at, from which"),
        (ROW, datetime(2013, 1, 1), "as_of needs its offset from UTC"),
        (ROW, [EPOCH], "as_of has 1 moments for 2 rows"),
    ],
)
def test_what_is_asked_wrongly_is_said(store: Any, row: dict[str, Any], as_of: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        read_with(store, SHAPES, SERVICE, [ROW, row], as_of)


def test_a_moment_in_another_zone_is_the_same_moment(store: Any) -> None:
    east = timezone(timedelta(hours=5))
    one, other = (
        read_with(store, SHAPES, SERVICE, [{**ROW, "at": EPOCH.astimezone(zone)}], moment(BASE).astimezone(zone))
        for zone in (UTC, east)
    )
    assert one == other


def test_no_rows_are_no_answers_and_a_foreign_view_is_refused(store: Any) -> None:
    assert read_with(store, SHAPES, SERVICE, []).rows == ()
    with pytest.raises(UsageError, match="asks for view live, which this pipeline does not compute"):
        read_with(store, {}, SERVICE, [ROW])


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    made = _opened(request, tmp_path_factory.mktemp("online"))
    yield made
    made.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(world=worlds(most=12), data=st.data())
def test_what_is_read_is_what_the_events_say(
    shared: Any, world: tuple[ViewShape, list[OracleEvent]], data: st.DataObject
) -> None:
    shape, events = world
    shape = replace(shape, name=uuid.uuid4().hex)
    names = sorted({event.entity for event in events})
    mine = {name: [event for event in events if event.entity == name] for name in names}
    asked = [(name, t) for name in names for t in data.draw(st.permutations(moments(shape, mine[name])))[:5]]
    try:
        expected = [value_at(shape, mine[name], t) for name, t in asked]
        write_events(shared, shape, events)
    except OverflowError:
        return
    rows = [dict(zip([key.name for key in shape.keys], json.loads(name), strict=True)) for name, _ in asked]
    service = Service("one", (ServiceView(shape.name, tuple(one.name for one in shape.features)),))
    answers = read_with(shared, {shape.name: shape}, service, rows, [moment(t) for _, t in asked])
    types = [one.type for one in shape.features]
    for answer, reading in zip(answers.rows, expected, strict=True):
        read = list(answer.features.values())
        assert {one.status for one in read} == {reading.status}
        told = [
            (one.value - EPOCH) // timedelta(microseconds=1) if kind is ValueType.TIMESTAMP and one.value else one.value
            for one, kind in zip(read, types, strict=True)
        ]
        assert told == list(reading.values)
        assert {one.event_time for one in read} == {None if reading.event_us is None else moment(reading.event_us)}
        assert {one.offsets for one in read} == {reading.offsets}
    shared.drop(shape.name)
