"""A state of all rows is the merged states of any parts of them, in any order and grouping, byte for byte."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.sla.measure import Measure, State, Where
from ray_pipeline.sla.measures import event_gaps
from ray_pipeline.sla.measures.column_values import NumberSummary
from ray_pipeline.sla.measures.distinct import DistinctCount
from ray_pipeline.sla.measures.event_gaps import EventGaps
from ray_pipeline.sla.measures.event_range import EventRange
from ray_pipeline.sla.measures.invalid_rows import InvalidRows
from ray_pipeline.sla.measures.latency import Latency
from ray_pipeline.sla.measures.missing_rows import MissingRows
from ray_pipeline.sla.measures.null_rows import NullRows
from ray_pipeline.sla.measures.profile import ColumnProfileMeasure
from ray_pipeline.sla.measures.row_count import RowCount
from ray_pipeline.sla.measures.share import ValueShare
from ray_pipeline.sla.state_codec import decode, encode

LANDED = 1_357_000_000_000_000
MOMENTS = ("ms_zoned", "us_zoned", "us_bare", "day")
NUMBERS = ("small", "large", "unsigned", "real", "single", "money", "huge")
OTHERS = ("word", "coded", "flag")
COLUMNS = [*((name,) for name in (*MOMENTS, *NUMBERS, *OTHERS)), ("nest", "seats"), ("nest", "inner", "name")]
TYPES = {
    "ms_zoned": pa.timestamp("ms", "UTC"),
    "us_zoned": pa.timestamp("us", "Europe/Zurich"),
    "us_bare": pa.timestamp("us"),
    "day": pa.date32(),
    "small": pa.int32(),
    "large": pa.int64(),
    "unsigned": pa.uint64(),
    "real": pa.float64(),
    "single": pa.float32(),
    "money": pa.decimal128(9, 2),
    "huge": pa.decimal256(50, 3),
    "word": pa.string(),
    "coded": pa.dictionary(pa.int32(), pa.string()),
    "flag": pa.bool_(),
    "nest": pa.struct([("seats", pa.int64()), ("inner", pa.struct([("name", pa.string())]))]),
    "_partition": pa.int32(),
    "_offset": pa.int64(),
}
WORDS = st.sampled_from(["", "N/A", "a", "b", "Zürich", "x" * 70, "x" * 70 + "y"]) | st.text(max_size=5)
NEAR = st.datetimes(datetime(2012, 12, 31), datetime(2013, 1, 2))
WIDE = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1))
REAL = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0, 5e-324, 1e300, -1e300, 0.1])
FIELDS = {
    "ms_zoned": (NEAR | WIDE).map(lambda moment: moment.replace(microsecond=0, tzinfo=UTC)),
    "us_zoned": NEAR.map(lambda moment: moment.replace(tzinfo=UTC)),
    "us_bare": NEAR,
    "day": st.dates(date(2012, 1, 1), date(2014, 1, 1)),
    "small": st.integers(-3, 3) | st.integers(-(2**31), 2**31 - 1),
    "large": st.integers(-(2**63), 2**63 - 1),
    "unsigned": st.integers(0, 2**64 - 1),
    "real": REAL,
    "single": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "money": st.decimals(-9_999_999, 9_999_999, places=2),
    "huge": st.integers(-(10**49), 10**49).map(lambda digits: Decimal(digits).scaleb(-3)),
    "word": WORDS,
    "coded": st.sampled_from(["a", "b"]),
    "flag": st.booleans(),
    "nest": st.fixed_dictionaries(
        {
            "seats": st.none() | st.integers(0, 5),
            "inner": st.none() | st.fixed_dictionaries({"name": st.none() | WORDS}),
        }
    ),
}
ROW = st.fixed_dictionaries({name: st.none() | values for name, values in FIELDS.items()})
MEASURES: list[Measure] = [
    RowCount(),
    *(NullRows(path) for path in COLUMNS),
    NullRows(("word",), keep_positions=False),
    *(MissingRows(path) for path in COLUMNS),
    MissingRows(("small",), (None, 0, 1, "N/A")),
    *(Latency((name,)) for name in MOMENTS),
    *(EventRange((name,)) for name in MOMENTS),
    EventGaps(("us_zoned",), (), 3_600_000_000),
    EventGaps(("us_bare",), (("nest", "seats"), ("coded",)), 1_000_000),
    EventGaps(("ms_zoned",), (("flag",), ("money",), ("day",)), 60_000_000),
    *(NumberSummary((name,)) for name in NUMBERS),
    NumberSummary(("nest", "seats")),
    *(DistinctCount(path) for path in COLUMNS),
    ValueShare(("word",), ("a", None)),
    ValueShare(("real",), (0, 0.1)),
    ValueShare(("flag",), (True,)),
    InvalidRows(("word",), valid_values=("a", "b")),
    InvalidRows(("coded",), pattern="^a"),
    InvalidRows(("nest", "inner", "name"), min_length=1, max_length=3),
    InvalidRows(("small",), minimum=-1.5, maximum=2),
    InvalidRows(("money",), minimum=0.001, maximum=1e9),
    InvalidRows(("us_zoned",), minimum="2013-01-01T00:00:00+01:00"),
    ColumnProfileMeasure(tuple((path, False) for path in COLUMNS), sample_rows=7),
    ColumnProfileMeasure(((("word",), True), (("nest",), False))),
]


def table(rows: list[dict[str, object]]) -> pa.Table:
    with_offsets = [{**row, "_partition": i % 2, "_offset": (i * 7) % 101} for i, row in enumerate(rows)]
    arrays = []
    for name, kind in TYPES.items():
        plain = kind.value_type if pa.types.is_dictionary(kind) else kind
        array = pa.array([row[name] for row in with_offsets], plain)
        arrays.append(array.dictionary_encode() if plain is not kind else array)
    return pa.Table.from_arrays(arrays, names=list(TYPES))


def parts(rows: pa.Table, cuts: list[int]) -> list[tuple[pa.Table, Where]]:
    edges = [0, *sorted(min(cut, rows.num_rows) for cut in cuts), rows.num_rows]
    return [(rows.slice(low, high - low), Where("flights", low, LANDED)) for low, high in pairwise(edges)]


def merged(measure: Measure, partials: list[object], order: random.Random) -> object:
    """Merge two of them, whichever, until one is left."""
    left = [*partials, measure.zero()]
    order.shuffle(left)
    while len(left) > 1:
        first = left.pop(order.randrange(len(left)))
        second = left.pop(order.randrange(len(left)))
        left.append(first.merge(second))  # type: ignore[attr-defined]
    return left[0]


def stored(state: State) -> bytes:
    return encode({"": state})


@settings(max_examples=120, deadline=None)
@given(st.lists(ROW, max_size=25), st.lists(st.integers(0, 25), max_size=5), st.randoms(use_true_random=False))
def test_any_split_in_any_order_gives_the_state_of_the_whole(rows, cuts, order) -> None:
    whole = table(rows)
    for measure in MEASURES:
        expected = measure.of(whole, Where("flights", 0, LANDED))
        found = merged(measure, [measure.of(*part) for part in parts(whole, cuts)], order)
        assert found == expected, measure
        assert stored(found.state()) == stored(expected.state()), measure


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, max_size=25))
def test_what_is_stored_is_read_back_as_it_was(rows) -> None:
    whole = table(rows)
    partials = {measure.id: measure.of(whole, Where("flights", 0, LANDED)) for measure in MEASURES}
    assert len(partials) == len(MEASURES), "an id for each"
    data = encode({name: partial.state() for name, partial in partials.items()})
    read = decode(data)
    loaded = {measure.id: measure.load(read[measure.id]) for measure in MEASURES}
    assert loaded == partials
    assert encode({name: partial.state() for name, partial in loaded.items()}) == data


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_it_holds_where_bounds_are_crossed(seed, order) -> None:
    """More values than are kept exactly, more groups and buckets than there may be: the same whoever notices."""
    source = random.Random(seed)
    spread = source.choice([10, 2_000, 2_100, 10**6])
    count = source.choice([50, 2_500, 9_000])
    rows = pa.table(
        {
            "n": pa.array([source.randrange(spread) for _ in range(count)], pa.int64()),
            "f": pa.array(
                [source.choice([-0.0, 0.0, source.gauss(0, 10.0 ** source.randrange(6))]) for _ in range(count)]
            ),
            "s": pa.array([str(source.randrange(spread)) for _ in range(count)]),
            "t": pa.array([LANDED + source.randrange(10**9) for _ in range(count)], pa.timestamp("us", "UTC")),
        }
    )
    measures: list[Measure] = [
        *(DistinctCount((name,)) for name in rows.column_names),
        EventGaps(("t",), (("n",),), 1_000),
        EventGaps(("t",), (), source.choice([1, 1_000_000])),
        ColumnProfileMeasure(tuple(((name,), False) for name in rows.column_names), sample_rows=4_000),
        *(NumberSummary((name,)) for name in ("n", "f")),
        InvalidRows(("s",), pattern="^[0-4]"),
    ]
    cuts = [source.randrange(count) for _ in range(3)]
    for measure in measures:
        expected = measure.of(rows, Where("flights", 0, LANDED))
        found = merged(measure, [measure.of(*part) for part in parts(rows, cuts)], order)
        assert stored(found.state()) == stored(expected.state()), measure
        assert measure.load(decode(stored(expected.state()))[""]) == expected


@pytest.mark.parametrize("most", [3, 40])
def test_too_many_buckets_are_too_many_in_any_order(monkeypatch, most) -> None:
    monkeypatch.setattr(event_gaps, "MAX_BUCKETS", most)
    rows = pa.table({"t": pa.array(range(0, 400, 10), pa.timestamp("us"))})
    measure = EventGaps(("t",), (), 10)
    for seed in range(20):
        order = random.Random(seed)
        pieces = parts(rows, [order.randrange(41) for _ in range(4)])
        found = merged(measure, [measure.of(*part) for part in pieces], order)
        assert found == measure.of(rows, Where("flights", 0))
        assert found.too_many == (most < 40)  # type: ignore[attr-defined]
