"""A key's hash is what its documentation says, for every type, machine and cut of the rows."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ray_pipeline.sla.keys.hashing import comparison_problem, hash_rows, key_problem

from .slow_hash import slow_hash

TEXTS = [
    "", "\0", "\0\0", "a", "ab", "abcdefg", "abcdefgh", "abcdefghi", "ä", "日本語のキー", "🛫🛬",
    "2013-02-08.UA1545.EWR.0515",
    "x" * 255, "x" * 256, "x" * 257, "y" * 512, "é" * 3000, "z" * 70_000,
]  # fmt: skip
COLUMN = (("x",),)


def _hashes(values: pa.Array | pa.ChunkedArray) -> list[tuple[int, int]]:
    hi, lo, null = hash_rows(pa.table({"x": values}), COLUMN)
    assert not null.any()
    return list(zip(hi.tolist(), lo.tolist(), strict=True))


def _slow(values: list[Any]) -> list[tuple[int, int]]:
    return [slow_hash([value]) for value in values]


def test_the_method_never_changes():
    rows = pa.table({"a": ["2013-02-08.UA1545.EWR.0515", ""], "b": pa.array([7, -1], pa.int32())})
    hi, lo, _ = hash_rows(rows, (("a",), ("b",)))
    assert [f"{h:016x}{low:016x}" for h, low in zip(hi.tolist(), lo.tolist(), strict=True)] == [
        "b5c301a3f16342b9f2e80a2a9156c48c",
        "04dccfac8050d40893e86639d608a74b",
    ]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view()]
)
def test_text_is_hashed_by_its_bytes_whatever_carries_it(kind):
    column = pa.array([text.encode() for text in TEXTS], pa.binary()).cast(kind)
    assert _hashes(column) == _slow(TEXTS)


def test_a_dictionary_is_what_it_stands_for():
    texts = ["EWR", "JFK", "EWR", "", "LGA"] * 3
    assert _hashes(pa.array(texts).dictionary_encode()) == _slow(texts)
    chunks = pa.chunked_array([pa.array(texts[:4]).dictionary_encode(), pa.array(texts[4:]).dictionary_encode()])
    assert _hashes(chunks) == _slow(texts)
    assert _hashes(pa.array(TEXTS).dictionary_encode()) == _slow(TEXTS)


def test_fixed_size_bytes_and_run_ends_are_what_they_stand_for():
    assert _hashes(pa.array([b"abcd", b"\0\0\0\0"], pa.binary(4))) == _slow([b"abcd", b"\0\0\0\0"])
    ends = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["a", "bc"]))
    assert _hashes(ends) == _slow(["a", "a", "bc"])
    holes = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["a", None]))
    assert hash_rows(pa.table({"x": holes}), COLUMN)[2].tolist() == [False, False, True]
    known = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0123456789abcdef"], pa.binary(16)))
    assert _hashes(known) == _slow([b"0123456789abcdef"])


def test_no_cut_of_the_rows_changes_a_hash():
    rng = np.random.default_rng(3)
    texts = ["".join(map(chr, rng.integers(32, 0x2FF, size))) for size in rng.integers(0, 40, 40_000)]
    whole = pa.array(["before", *texts, "after"])
    cut = whole.slice(1, len(texts))
    expected = _hashes(pa.array(texts))
    assert expected[:500] == _slow(texts[:500])
    assert _hashes(cut) == expected
    pieces = [cut.slice(i, 777) for i in range(0, len(texts), 777)]
    assert _hashes(pa.chunked_array([*pieces, pa.array([], pa.string())])) == expected


def test_rows_of_equal_lengths_take_no_other_way_than_rows_of_many():
    same = [f"{i:024d}" for i in range(100)]
    assert _hashes(pa.array(same)) == _slow(same)
    assert _hashes(pa.array([*same, "odd one"]))[:-1] == _slow(same)
    long = ["a" * 300, "b" * 300, "c" * 8, "d" * 8]
    assert _hashes(pa.array(long)) == _slow(long)


def test_columns_are_kept_apart():
    rows = pa.table({"a": ["ab", "a", "", "abc"], "b": ["c", "bc", "abc", ""], "n": [1, 2, 3, 4]})
    hi, lo, _ = hash_rows(rows, (("a",), ("b",)))
    assert len(set(zip(hi.tolist(), lo.tolist(), strict=True))) == 4
    hi, lo, _ = hash_rows(rows, (("b",), ("n",), ("a",)))
    expected = [slow_hash([row["b"], row["n"], row["a"]]) for row in rows.to_pylist()]
    assert list(zip(hi.tolist(), lo.tolist(), strict=True)) == expected


NUMBERS = [0, 1, -1, 7, 127, -128]


@pytest.mark.parametrize(
    "kind",
    [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float16(), pa.float32(), pa.float64(), pa.decimal32(5, 2),
     pa.decimal64(9, 0), pa.decimal128(30, 10), pa.decimal256(60, 20)],
)  # fmt: skip
def test_a_number_is_hashed_by_its_value(kind):
    plain = pa.array([np.float16(number) for number in NUMBERS], kind) if kind == pa.float16() else None
    column = (
        pa.array([Decimal(number) if pa.types.is_decimal(kind) else number for number in NUMBERS], kind)
        if plain is None
        else plain
    )
    assert _hashes(column) == _slow(NUMBERS)


def test_unsigned_and_large_integers_are_numbers_too():
    large = [0, 10**18 - 1, 10**18, 10**18 + 1, 2**63 - 1]
    assert _hashes(pa.array(large, pa.uint64())) == _hashes(pa.array(large, pa.int64())) == _slow(large)
    assert _hashes(pa.array(large, pa.decimal128(38, 3))) == _slow(large)
    negative = [-(10**18), -(10**18) + 1, -(2**63), 5]
    assert _hashes(pa.array(negative)) == _hashes(pa.array(negative, pa.decimal128(19, 0))) == _slow(negative)
    assert _hashes(pa.array([2**64 - 1, 3], pa.uint64())) == _slow([2**64 - 1, 3])
    assert _hashes(pa.array([255], pa.uint8())) == _hashes(pa.array([255], pa.uint32())) == _slow([255])


def test_decimals_are_hashed_by_value_whatever_their_scale():
    values = [Decimal("1.50"), Decimal("-0.001"), Decimal("0.00"), Decimal("1200"), Decimal("0.00000010")]
    for kind in (pa.decimal128(20, 8), pa.decimal128(38, 12), pa.decimal256(70, 30), pa.decimal64(18, 8)):
        assert _hashes(pa.array(values, kind)) == _slow(values)
    assert _hashes(pa.array([Decimal("1200")], pa.decimal128(5, -2))) == _slow([1200])
    far = [Decimal("12345678901234567890.5"), Decimal(10) ** 30]
    assert _hashes(pa.array(far, pa.decimal128(38, 4))) == _slow(far)


def test_floats_equal_whole_numbers_and_themselves():
    values = [0.5, -0.0, 0.0, 1e17, 1e18, 1e300, float("inf"), float("-inf"), float("nan"), -2.75]
    assert _hashes(pa.array(values)) == _slow(values)
    odd_nan = np.array([0x7FF8000000000001, 0xFFF8000000000000], np.uint64).view(np.float64)
    assert _hashes(pa.array(odd_nan)) == _slow([float("nan")] * 2)


def test_moments_are_hashed_as_microseconds_in_utc_whatever_their_unit():
    moments = [datetime(2013, 2, 8, 13, 41), datetime(1969, 12, 31, 23, 59, 59), datetime(1, 1, 1)]
    expected = _slow(moments)
    for unit, zone in (("s", None), ("ms", "UTC"), ("us", "Europe/Berlin"), ("us", None)):
        seconds = [round((m - datetime(1970, 1, 1)).total_seconds()) for m in moments]
        factor = {"s": 1, "ms": 1000, "us": 10**6}[unit]
        column = pa.array([second * factor for second in seconds]).cast(pa.timestamp(unit, zone))
        assert _hashes(column) == expected
    assert _hashes(pa.array(moments[:2], pa.timestamp("ns"))) == expected[:2]


def test_what_is_below_a_microsecond_or_too_far_for_them_counts():
    fine = _hashes(pa.array([1_000, 1_001, 1_999, 2_000, -1], pa.timestamp("ns")))
    assert len(set(fine)) == 5
    assert [fine[0], fine[3]] == _hashes(pa.array([1, 2], pa.timestamp("us")))
    far = _hashes(pa.array([2**62, 0, 2**62 + 2**58], pa.timestamp("s")))
    assert len(set(far)) == 3
    assert far[1:2] == _hashes(pa.array([0], pa.timestamp("us")))


def test_dates_times_durations_and_booleans():
    days = [date(2013, 2, 8), date(1960, 1, 1)]
    assert _hashes(pa.array(days, pa.date32())) == _hashes(pa.array(days, pa.date64())) == _slow(days)
    assert _hashes(pa.array([True, False, True])) == _slow([True, False, True])
    clock = [time(13, 41), time(0, 0, 1)]
    by_unit = [
        _hashes(pa.array(clock, kind)) for kind in (pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns"))
    ]
    assert all(found == by_unit[0] for found in by_unit)
    spans = [timedelta(seconds=5), timedelta(0)]
    assert _hashes(pa.array(spans, pa.duration("s"))) == _hashes(pa.array(spans, pa.duration("ns")))


def test_kinds_are_kept_apart():
    kinds = (pa.date32(), pa.duration("us"), pa.timestamp("us"), pa.time64("us"), pa.int32())
    ones = [pa.array([1], kind) for kind in kinds]
    ones += [pa.array(["1"]), pa.array([b"\x01"]), pa.array([True]), pa.array([1.5])]
    assert len({_hashes(column)[0] for column in ones}) == len(ones)


def test_a_null_anywhere_in_the_key_is_said_and_hashes_to_nothing():
    rows = pa.table({
        "a": pa.array(["x", None, "y", "z"]),
        "s": pa.array([{"n": 1}, {"n": 2}, None, {"n": None}]),
    })  # fmt: skip
    hi, lo, null = hash_rows(rows, (("a",), ("s", "n")))
    assert null.tolist() == [False, True, True, True]
    assert (hi[0], lo[0]) == slow_hash(["x", 1])
    assert not hi[1:].any() and not lo[1:].any()
    hidden = pa.DictionaryArray.from_arrays(pa.array([0, 1, None]), pa.array(["x", None]))
    assert hash_rows(pa.table({"x": hidden}), COLUMN)[2].tolist() == [False, True, True]
    assert hash_rows(pa.table({"x": pa.nulls(3)}), COLUMN)[2].all()


@pytest.mark.parametrize("kind", [pa.decimal128(10, 2), pa.float64(), pa.uint64(), pa.timestamp("ns"), pa.bool_()])
def test_what_stands_in_a_nulls_place_means_nothing(kind):
    some = pa.array([None, 1, None], pa.int8() if pa.types.is_decimal(kind) else pa.int64()).cast(kind)
    hi, lo, null = hash_rows(pa.table({"x": some}), COLUMN)
    assert null.tolist() == [True, False, True]
    assert [(int(hi[1]), int(lo[1]))] == _hashes(some.slice(1, 1))


def test_nested_columns_are_found_by_their_path():
    rows = pa.table({"carrier": [{"code": "UA", "deep": {"n": 3}}, {"code": "9E", "deep": {"n": 4}}]})
    hi, lo, null = hash_rows(rows, (("carrier", "deep", "n"), ("carrier", "code")))
    assert (hi[1], lo[1]) == slow_hash([4, "9E"])
    assert not null.any()


def test_no_rows_have_no_hashes():
    assert [len(array) for array in hash_rows(pa.table({"x": pa.array([], pa.string())}), COLUMN)] == [0, 0, 0]


def test_a_moment_with_a_zone_equals_the_same_moment():
    aware = pa.array([datetime(2013, 2, 8, tzinfo=UTC)])
    assert _hashes(aware) == _slow([datetime(2013, 2, 8)])


def test_a_column_that_cannot_be_a_key_is_refused_by_name():
    schema = pa.schema([("s", pa.struct([("n", pa.int32())])), ("l", pa.list_(pa.int32())), ("i", pa.int32())])
    assert key_problem(schema, [("s", "n"), ("i",)]) is None
    assert key_problem(schema, [("s",)]) == "s is of type struct<n: int32>, which cannot be part of a key"
    assert str(key_problem(schema, [("l",)])).startswith("l is of type list<")
    assert key_problem(schema, [("s", "m")]) == "there is no column s.m"
    assert key_problem(schema, [("i", "m")]) == "there is no column i.m"
    assert key_problem(schema, []) == "a key needs a column"
    with pytest.raises(ValueError, match="l is of type list"):
        hash_rows(schema.empty_table(), (("l",),))


def test_columns_that_can_never_be_equal_are_named_before_any_row_is_read():
    child = pa.schema([("id", pa.string()), ("n", pa.int32()), ("at", pa.timestamp("ms"))])
    parent = pa.schema([("id", pa.large_string()), ("n", pa.decimal128(9, 0)), ("at", pa.timestamp("us", "UTC"))])
    assert comparison_problem(child, [("id",), ("n",), ("at",)], parent, [("id",), ("n",), ("at",)]) is None
    assert (
        comparison_problem(child, [("id",)], parent, [("n",)]) == "id is a text, n of the parent a number: never equal"
    )
    assert comparison_problem(child, [("id",)], parent, [("n",), ("id",)]) == "1 columns refer to 2"
    assert comparison_problem(child, [("no",)], parent, [("n",)]) == "there is no column no"


@pytest.mark.slow
def test_ten_million_regular_keys_do_not_collide_in_one_half():
    count = 10_000_000
    digits = np.arange(count)
    keys = np.empty((count, 16), np.uint8)
    keys[:] = np.frombuffer(b"0000000.EWR.0515", np.uint8)
    for place in range(7):
        keys[:, place] = 48 + digits // 10 ** (6 - place) % 10
    offsets = pa.py_buffer(np.arange(count + 1, dtype=np.int32) * 16)
    column = pa.Array.from_buffers(pa.string(), count, [None, offsets, pa.py_buffer(keys)])
    hi, lo, _ = hash_rows(pa.table({"x": column}), COLUMN)
    for half in (hi, lo):
        half.sort()
        assert (half[1:] != half[:-1]).all()


def test_two_words_that_change_together_do_not_cancel_each_other():
    """Keys that differ in few bits of two words: what a weak mixer maps to one hash."""
    words = np.zeros((1 << 18, 2), "<u8")
    number = np.arange(1 << 18, dtype=np.uint64)
    for shift in (0, 20, 44):
        words[:, 0], words[:, 1] = (
            (number >> np.uint64(10)) << np.uint64(shift),
            (number & np.uint64(1023)) << np.uint64(54),
        )
        rows = pa.Array.from_buffers(pa.binary(16), len(words), [None, pa.py_buffer(words)])
        hi, lo, _ = hash_rows(pa.table({"x": rows}), COLUMN)
        for half in (hi, lo):
            half.sort()
            assert (half[1:] != half[:-1]).all()


@pytest.mark.parametrize("size", [8, 24])
def test_a_bit_of_the_key_changes_half_the_bits_of_each_half(size):
    rng = np.random.default_rng(5)
    keys = rng.integers(0, 256, (2_000, size), np.uint8)
    before = np.stack(_of_bytes(keys))
    for bit in range(size * 8):
        changed = keys.copy()
        changed[:, bit // 8] ^= 1 << bit % 8
        flips = np.stack(_of_bytes(changed)) ^ before
        share = np.unpackbits(flips.view(np.uint8).reshape(2, len(keys), 8), axis=2).mean(axis=1)
        assert ((share > 0.44) & (share < 0.56)).all()


def _of_bytes(keys: Any) -> tuple[Any, Any]:
    rows = pa.array([key.tobytes() for key in keys], pa.binary())
    return hash_rows(pa.table({"x": rows}), COLUMN)[:2]
