from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from ray_pipeline.contracts.model import DataContract
from ray_pipeline.contracts.odcs_expectations import read_expectations
from ray_pipeline.demo.events import ARRIVALS, DEPARTURES, TOPICS, WEATHER
from ray_pipeline.demo.fates import LATENESS, VOLUME, WIND_MPH, Fate
from ray_pipeline.demo.kilometres import REAL_MEANS
from ray_pipeline.demo.plan import DemoPlan


@pytest.fixture(scope="module")
def plan() -> DemoPlan:
    return DemoPlan()


def test_what_the_gate_must_do_under_the_default_seed(plan: DemoPlan) -> None:
    assert plan.fates() == {
        WEATHER: Fate(1_469, 1),
        DEPARTURES: Fate(17_248, 0, {"2013-02-20": 942}, {"2013-02-25": 155}),
        ARRIVALS: Fate(16_537, 342, {}, {"2013-02-25": 330}),
    }


def test_each_landed_row_has_exactly_one_fate(plan: DemoPlan) -> None:
    for topic, fate in plan.fates().items():
        assert fate.published + fate.quarantined + fate.kept == plan.expected()[topic].landed


def test_the_gates_clock_is_the_hour_after_the_newest_record(plan: DemoPlan) -> None:
    newest = max(datetime.fromtimestamp(s.rows["at"].to_list()[-1] / 1000, UTC) for s in plan.streams.values())
    assert plan.ends_at == datetime(2013, 2, 25, 10, tzinfo=UTC)
    assert timedelta() <= plan.ends_at - newest < timedelta(hours=1)


def test_the_bounds_are_those_of_the_contracts(contracts: Mapping[str, DataContract]) -> None:
    departures, weather = (read_expectations(contracts[topic]) for topic in (DEPARTURES, WEATHER))
    rules = {rule.id: rule for rule in (*departures.quality, *weather.quality)}
    assert rules["volume-of-a-day"].severity == "warning", "weather's, which comes last, holds nothing back"
    [volume] = [rule for rule in departures.quality if rule.id == "volume-of-a-day"]
    assert (volume.targets[0].values, volume.severity) == (VOLUME, "error")
    distance = rules["distance-in-miles"]
    assert isinstance(distance.implementation, dict)
    assert (distance.implementation["mustBeBetween"], distance.severity, distance.breach) == (
        [*REAL_MEANS],
        "error",
        "hold",
    )
    assert rules["wind-speed-plausible"].query == f"SELECT COUNT(*) FROM ${{table}} WHERE wind.speed_mph > {WIND_MPH}"
    assert departures.lateness == LATENESS


def test_what_is_not_spoiled_leaves_no_orphan() -> None:
    plan = DemoPlan(days=3, share=0, kilometres_on=None)
    fates = plan.fates()
    assert fates[ARRIVALS] == Fate(len(plan.streams[ARRIVALS]))
    assert fates[DEPARTURES].held == {}
    assert list(fates[DEPARTURES].waiting) == ["2013-02-07"]


def test_orphans_are_the_arrivals_whose_departure_did_not_land(plan: DemoPlan) -> None:
    lands = {
        topic: [
            (key, at)
            for (key, at), way in zip(plan.streams[topic].identities(), plan._ways[topic], strict=True)
            if way is None or way.rule is None
        ]
        for topic in TOPICS
    }
    departed = {key for key, _ in lands[DEPARTURES]}
    last = datetime(2013, 2, 25, tzinfo=UTC).timestamp() * 1000
    orphans = [at for key, at in lands[ARRIVALS] if key not in departed and at < last]
    assert plan.fates()[ARRIVALS].quarantined == len(orphans)


def test_a_short_stretch_has_its_day_in_kilometres_too() -> None:
    for days, planted in ((1, date(2013, 2, 4)), (16, date(2013, 2, 19)), (21, date(2013, 2, 20))):
        plan = DemoPlan.of_days(days, seed=1, share=0.02)
        assert (plan.days, plan.seed, plan.kilometres_on) == (days, 1, planted)
    assert list(DemoPlan.of_days(1, seed=2013, share=0.02).fates()[DEPARTURES].held) == ["2013-02-04"]


def test_too_few_departures_hold_a_day_that_is_over() -> None:
    fate = DemoPlan(start=date(2013, 2, 9), days=1, share=0.4, kilometres_on=None).fates()[DEPARTURES]
    assert list(fate.held) == ["2013-02-09"]
    assert fate.held["2013-02-09"] < VOLUME[0]


def test_the_false_wind_is_the_only_one_of_the_year(year: Mapping[str, object]) -> None:
    rows = year[WEATHER].rows  # type: ignore[attr-defined]
    assert rows.filter(pl.col("wind_speed") > WIND_MPH).height == 1
