from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import orjson
import polars as pl
import pytest

from ray_pipeline.contracts.model import DataContract
from ray_pipeline.demo.events import DEPARTURES, Stream
from ray_pipeline.demo.kilometres import REAL_MEANS, in_kilometres

DAY = date(2013, 2, 10)


@pytest.fixture(scope="module")
def planted(some_days: Mapping[str, Stream]) -> Stream:
    return in_kilometres(some_days[DEPARTURES], DAY)


def _by_day(stream: Stream) -> pl.DataFrame:
    day = pl.from_epoch("at", time_unit="ms").dt.date().alias("day")
    return stream.rows.group_by(day).agg(pl.len(), pl.col("distance").mean().alias("mean")).sort("day")


def test_only_the_distances_of_the_day_are_others(some_days: Mapping[str, Stream], planted: Stream) -> None:
    ours, theirs = some_days[DEPARTURES].rows, planted.rows
    assert ours.drop("distance").equals(theirs.drop("distance"))
    of_the_day = pl.from_epoch("at", time_unit="ms").dt.date() == DAY
    changed = theirs.filter(ours["distance"] != theirs["distance"])
    assert changed.filter(~of_the_day).is_empty()
    assert theirs.filter(of_the_day).height - changed.height == 2, "the bound would refuse the two to Honolulu"


def test_every_record_of_the_day_keeps_its_contract(contracts: Mapping[str, DataContract], planted: Stream) -> None:
    values = [event.value or b"" for event in planted.events()]
    assert all(contracts[DEPARTURES].validate(values).valid)
    assert max(orjson.loads(value)["distance_miles"] for value in values) <= 6_000


def test_no_real_day_of_the_year_is_out_of_the_bounds_and_every_day_in_kilometres_is(
    year: Mapping[str, Stream],
) -> None:
    real = _by_day(year[DEPARTURES])
    assert real.filter(~pl.col("mean").is_between(*REAL_MEANS)).is_empty()
    for day in (real["day"][0], real.sort("mean")["day"][0], DAY, real["day"][-1]):
        planted = _by_day(in_kilometres(year[DEPARTURES], day)).filter(pl.col("day") == day)
        assert planted["mean"].item() > 1.2 * REAL_MEANS[1]
