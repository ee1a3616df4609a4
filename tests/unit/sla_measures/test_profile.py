"""What columns look like, for people."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from ray_pipeline.sla.adaptive_buckets import MOST, AdaptiveBuckets
from ray_pipeline.sla.measure import Where
from ray_pipeline.sla.measures.event_gaps import EventGaps
from ray_pipeline.sla.measures.profile import ColumnProfileMeasure
from ray_pipeline.sla.result import ColumnProfile

ROWS = pa.table(
    {
        "word": ["b", "a", None, "a"],
        "long": ["x" * 100 + str(i) for i in range(4)],
        "n": pa.array([3, None, -1, 3], pa.int32()),
        "r": [0.5, float("nan"), -2.5, float("inf")],
        "d": pa.array([Decimal("1.50"), None, Decimal("-0.25"), None], pa.decimal128(9, 2)),
        "t": pa.array(
            [datetime(2013, 1, 1, tzinfo=UTC)] * 3 + [datetime(2013, 1, 2, 3, tzinfo=UTC)], pa.timestamp("ms", "UTC")
        ),
        "day": pa.array([date(2013, 1, 1), None, date(1950, 1, 1), None]),
        "yes": [True, False, True, None],
        "nest": [{"in": 1}, None, {"in": None}, {"in": 2}],
        "many": [[1], [], None, [2]],
        "secret": ["s1", "s2", None, "s1"],
    }
)
PATHS = (*((name,) for name in ROWS.column_names if name != "nest"), ("nest", "in"))
MEASURE = ColumnProfileMeasure(tuple((path, path == ("secret",)) for path in PATHS))


@pytest.fixture(scope="module")
def looks() -> dict[str, ColumnProfile]:
    return {look.name: look for look in MEASURE.of(ROWS, Where("f", 0)).value()}


def test_rows_nulls_and_ends_are_exact(looks) -> None:
    ends = {name: (look.rows, look.nulls, look.minimum, look.maximum) for name, look in looks.items()}
    assert ends == {
        "word": (4, 1, "a", "b"),
        "long": (4, 0, "x" * 64, "x" * 64),
        "n": (4, 1, "-1", "3"),
        "r": (4, 0, "-2.5", "inf"),
        "d": (4, 2, "-0.25", "1.50"),
        "t": (4, 0, "2013-01-01T00:00:00Z", "2013-01-02T03:00:00Z"),
        "day": (4, 2, "1950-01-01", "2013-01-01"),
        "yes": (4, 1, None, None),
        "nest.in": (4, 2, "1", "2"),
        "many": (4, 1, None, None),
        "secret": (4, 1, None, None),
    }


def test_the_commonest_values_come_first(looks) -> None:
    assert looks["word"].top == (("a", 2), ("b", 1))
    assert looks["yes"].top == (("true", 2), ("false", 1))
    assert looks["n"].top == (("3", 2), ("-1", 1))
    assert looks["long"].top == (("x" * 64, 4),)
    assert looks["r"].top == looks["t"].top == ()


def test_nothing_of_a_classified_column_is_kept_anywhere(looks) -> None:
    look = looks["secret"]
    assert look.classified
    assert (look.top, look.histogram, look.minimum, look.maximum) == ((), (), None, None)
    assert "s1" not in repr(MEASURE.of(ROWS, Where("f", 0)).state())


def test_bars_hold_every_sampled_value_that_has_a_place() -> None:
    source = np.random.default_rng(0)
    numbers = {
        "i": source.integers(-5, 2_000, 9_000),
        "f": np.append(source.normal(10, 3, 8_998), [0.0, 25.0]),
        "t": source.integers(0, 86_400_000_000, 9_000).astype("datetime64[us]"),
        "one": np.full(9_000, 7.5),
        "wide": np.append([np.finfo(float).max, np.finfo(float).min], source.normal(size=8_998) * 1e300),
    }
    measure = ColumnProfileMeasure(tuple(((name,), False) for name in numbers), sample_rows=8_000)
    for look in measure.of(pa.table(numbers), Where("f", 0)).value():
        assert look.sampled == 8_000
        assert sum(rows for _, _, rows in look.histogram) == 8_000
        assert len(look.histogram) <= 24
        assert np.isfinite(look.histogram).all()
        assert min(rows for _, _, rows in look.histogram) >= 0
        assert [low for low, _, _ in look.histogram[1:]] == [high for _, high, _ in look.histogram[:-1]]
        if look.name in ("i", "f", "t"):
            sample = numbers[look.name][:8_000]
            seconds = sample.astype("int64") / 1e6 if look.name == "t" else sample
            expected, _ = np.histogram(seconds, [*(low for low, _, _ in look.histogram), look.histogram[-1][1]])
            near = np.abs(expected - [rows for _, _, rows in look.histogram])
            assert near.sum() <= 0.05 * 8_000


def test_a_text_that_is_not_utf8_is_shown_as_far_as_it_can_be() -> None:
    raw = pa.array([b"ok", b"a\xffb", b"\xff", b"\xc3\xa9" * 60])
    rows = pa.table({"s": pa.StringArray.from_buffers(4, *raw.buffers()[1:])})
    (look,) = ColumnProfileMeasure(((("s",), False),)).of(rows, Where("f", 0)).value()
    assert (look.minimum, look.maximum) == ("a\ufffdb", "")
    assert dict(look.top) == {"ok": 1, "a\ufffdb": 1, "": 1, "é" * 48: 1}
    assert EventGaps(("t",), (("s",),)).of(rows.append_column("t", ROWS["t"]), Where("f", 0)).group_count == 4


def test_only_the_first_rows_of_a_file_are_looked_at_closely() -> None:
    measure = ColumnProfileMeasure(((("n",), False),), sample_rows=3)
    rows = pa.table({"n": [1, 2, 3, 4]})
    (first,), (later,) = (measure.of(rows, Where("f", start)).value() for start in (0, 2))
    assert (first.sampled, dict(first.top)) == (3, {"1": 1, "2": 1, "3": 1})
    assert (later.sampled, dict(later.top), later.rows) == (1, {"1": 1}, 1)


def test_a_column_that_changed_its_type_is_shown_as_the_type_of_most_rows() -> None:
    measure = ColumnProfileMeasure(((("n",), False),))
    old = measure.of(pa.table({"n": pa.array([1, None], pa.int32())}), Where("f", 0))
    new = measure.of(pa.table({"n": [1.5, 2.5, 3.5]}), Where("f", 0))
    (look,) = old.merge(new).value()
    assert (look.type, look.rows, look.nulls, look.minimum, look.maximum) == ("double, int32", 5, 1, "1.5", "3.5")
    assert new.merge(old) == old.merge(new)


def test_no_rows_are_a_look_at_nothing() -> None:
    assert MEASURE.of(ROWS.slice(0, 0), Where("f", 0)) == MEASURE.zero()
    assert MEASURE.zero().value()[0] == ColumnProfile("word", "", 0, 0)


@pytest.mark.parametrize("seed", range(5))
def test_adaptive_buckets_are_as_fine_as_they_may_be(seed) -> None:
    source = np.random.default_rng(seed)
    numbers = source.integers(-(2**63), 2**63 - 1, 4_000) >> source.integers(0, 60)
    found = AdaptiveBuckets.of(numbers)
    assert len(found.keys) <= MOST
    assert found.shift == 0 or len(np.unique(numbers >> (found.shift - 1))) > MOST
    lows, highs = found.edges()
    expected = [int(((numbers >= low) & (numbers <= high - 1)).sum()) for low, high in zip(lows, highs, strict=True)]
    assert found.counts.tolist() == expected
