"""The point-in-time join against a double loop: every label with every row."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import polars as pl
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.connectors.feast.ray_join import ViewPlan, join_views
from ray_pipeline.features import asof
from ray_pipeline.features.join import point_in_time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BASE = 1_357_000_000_000_000
FEATURES = ["score", "note"]
ROWS = {
    "user": pl.Int64,
    "shop": pl.String,
    "event_timestamp": pl.Int64,
    "created_timestamp": pl.Int64,
    "score": pl.Float64,
    "note": pl.String,
}
LABELS = {"user": pl.Int64, "shop": pl.String, "asked_at": pl.Int64}

users = st.sampled_from([None, 1, 2, 3])
shops = st.sampled_from([None, "a", "b"])
moments = st.integers(0, 12).map(BASE.__add__)
far = st.sampled_from([BASE - 40 * 365 * 86_400_000_000, BASE + 86_400_000_000, -1, 0])
scores = st.sampled_from([None, 0.0, -0.0, 1.5, -2.0, math.inf, math.nan])
notes = st.sampled_from([None, "", "x", "é"])
labels = st.lists(st.tuples(users, shops, moments | far), max_size=12)
rows = st.lists(st.tuples(users, shops, moments | far, st.none() | moments, scores, notes), max_size=24)
ttls = st.none() | st.integers(0, 13)


@dataclass(frozen=True)
class Case:
    """A question as a person would put it."""

    labels: pl.DataFrame
    rows: pl.DataFrame
    ttl: int | None
    known: bool

    def answers(self) -> list[tuple[Any, ...]]:
        """Look at every row for every label."""
        found = []
        for user, shop, at in self.labels.rows():
            counting = [
                row
                for row in self.rows.rows()
                if None not in (user, shop)
                and row[:2] == (user, shop)
                and row[2] <= at
                and (not self.known or _by(row, at))
            ]
            best = max(counting, key=_order, default=None)
            if best is None:
                found.append((None, None, "NOT_FOUND", None))
            elif self.ttl is not None and at - best[2] > self.ttl:
                found.append((None, None, "OUTSIDE_MAX_AGE", best[2]))
            else:
                found.append((best[4], best[5], "PRESENT", best[2]))
        return found


def _by(row: tuple[Any, ...], at: int) -> bool:
    return row[3] is not None and row[3] <= at


def _order(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Newest event, then newest creation, then the greatest content, features by name."""
    _, _, event, created, score, note = row
    return (
        event,
        (created is not None, created or 0),
        (note is not None, (note or "").encode()),
        (score is not None, _total(score or 0.0) if score != 0.0 else _total(score)),
    )


def _total(score: float) -> int:
    (bits,) = struct.unpack("<q", struct.pack("<d", score))
    return bits ^ 0x7FFF_FFFF_FFFF_FFFF if bits < 0 else bits


def _exact(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Floats by their bits: NaN equals itself, and 0.0 is not -0.0."""
    return [tuple(_total(one) if isinstance(one, float) else one for one in row) for row in found]


cases = st.builds(
    lambda asked, held, ttl, known: Case(
        pl.DataFrame(asked, LABELS, orient="row"), pl.DataFrame(held, ROWS, orient="row"), ttl, known
    ),
    labels,
    rows,
    ttls,
    st.booleans(),
)


def _join(case: Case, held: pl.DataFrame | None = None) -> list[tuple[Any, ...]]:
    return point_in_time(
        case.labels,
        case.rows if held is None else held,
        keys=["user", "shop"],
        at="asked_at",
        ttl_us=case.ttl,
        as_of_known=case.known,
        features=FEATURES,
    ).rows()


@given(case=cases)
@settings(max_examples=200, deadline=None)
def test_each_label_gets_what_a_search_through_all_rows_gives_it(case: Case) -> None:
    assert _exact(_join(case)) == _exact(case.answers())


@given(case=cases, data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_rows_decides_nothing(case: Case, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(case.rows.height)))
    assert _exact(_join(case, case.rows[order])) == _exact(_join(case))


@given(case=cases)
@settings(max_examples=60, deadline=None)
def test_entities_and_years_too_many_for_one_number_are_answered_all_the_same(case: Case) -> None:
    with patch.object(asof, "_WIDTH", 64):  # as if 64-bit numbers had 6 bits
        assert _exact(_join(case)) == _exact(case.answers())


@given(case=cases)
@settings(max_examples=50, deadline=None)
def test_one_four_and_sixteen_blocks_give_the_same_table(case: Case) -> None:
    held = case.rows.to_arrow()
    plan = ViewPlan(
        "v",
        {"user": "user", "shop": "shop"},
        {"score": "score", "note": "note"},
        pa.schema(
            [pa.field(one.name, pa.string() if one.name in ("shop", "note") else one.type) for one in held.schema]
        ),
        "event_timestamp",
        "created_timestamp",
        case.ttl,
        case.known,
        rows=held,
    )
    found = [
        join_views(case.labels.to_arrow(), [plan], at="asked_at", statuses=True, blocks=blocks) for blocks in (1, 4, 16)
    ]
    assert found[0].select(["user", "shop", "asked_at"]).equals(case.labels.to_arrow())
    answers = [tuple(row.values())[3:] for row in found[0].to_pylist()]
    assert _exact(answers) == _exact(case.answers())
    for other in found[1:]:
        assert _exact([tuple(row.values()) for row in other.to_pylist()]) == _exact(
            [tuple(row.values()) for row in found[0].to_pylist()]
        )
        assert other.schema == found[0].schema


UNITS = st.sampled_from(["s", "ms", "us", "ns"])
ZONES = st.sampled_from([None, "UTC", "America/New_York", "Asia/Kolkata"])


def _written(seconds: list[int], unit: str, zone: str | None) -> pa.Array:
    scale = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    return pa.array([one * scale for one in seconds], pa.timestamp(unit, zone))


@given(
    asked=st.lists(st.integers(1_300_000_000, 1_300_000_009), min_size=1, max_size=6),
    held=st.lists(st.integers(1_300_000_000, 1_300_000_009), min_size=1, max_size=6),
    label=st.tuples(UNITS, ZONES),
    row=st.tuples(UNITS, ZONES),
)
@settings(max_examples=50, deadline=None)
def test_units_and_zones_are_ways_of_writing_the_same_moment(
    asked: list[int], held: list[int], label: tuple[str, str | None], row: tuple[str, str | None]
) -> None:
    found = point_in_time(
        pl.DataFrame(pa.table({"at": _written(asked, *label)})),
        pl.DataFrame(pa.table({"event_timestamp": _written(held, *row), "v": held})),
        keys=[],
        at="at",
        ttl_us=3_000_000,
        as_of_known=False,
        features=["v"],
    )
    before = [max((one for one in held if one <= at), default=None) for at in asked]
    assert found["_event"].to_list() == [None if one is None else one * 1_000_000 for one in before]
    assert found["v"].to_list() == [
        None if one is None or at - one > 3 else one for at, one in zip(asked, before, strict=True)
    ]


def test_a_microsecond_decides() -> None:
    at = EPOCH + timedelta(microseconds=BASE)
    held = pl.DataFrame(
        {"event_timestamp": [at + timedelta(microseconds=i) for i in (-1, 0, 1)], "v": ["-1", "0", "+1"]}
    )
    asked = pl.DataFrame({"at": [at + timedelta(microseconds=i) for i in (-2, -1, 0, 1, 2)]})
    found = point_in_time(asked, held, keys=[], at="at", ttl_us=0, as_of_known=False, features=["v"])
    assert found["v"].to_list() == [None, "-1", "0", "+1", None]
    assert found["_status"].to_list() == ["NOT_FOUND", "PRESENT", "PRESENT", "PRESENT", "OUTSIDE_MAX_AGE"]
