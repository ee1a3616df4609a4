"""The hash of a table's content: fixed vectors, and what must not and what must change it."""

from __future__ import annotations

import hashlib
import struct
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from ray_pipeline.features.content_hash import column_hashes, content_hash

VECTORS: list[tuple[pa.DataType, list[Any], str]] = [
    (pa.int8(), [1, None, -1], "9a63da44f20e6635a731edc8c179ab37c651b5d2b8a58579069d809d77859a4e"),
    (pa.uint64(), [2**63, None], "1d91c0acfe94ff0d247304f431c7d16b18e5ff169fdd812d749c21b6a54b70d3"),
    (pa.float64(), [1.5, None, float("nan"), -0.0], "bc9a5327445c8b0f04f4cfeb886a36f9164d62859ab202ef229f33add9e38af0"),
    (pa.bool_(), [True, None, False], "9e6473d7768eb627e568d64b87dfec77d211fc97eac4e64a69dab2e52767b31a"),
    (pa.string(), ["é", None, ""], "2a89451d3bb017aa79c9c3912af09a38147d5ffaf817f75fdcec0e2c594a8b97"),
    (pa.binary(), [b"\xff", None], "334513d9ffc6d8ecf42b8778eb116fe184b051d3037751be67ce9f5269c724c2"),
    (pa.decimal128(9, 2), [Decimal("-1.25"), None], "d97b01b381ea0581b4a11e83260c4ef6cca48e1ab2b7cf939b7970ef65eec4b8"),
    (pa.timestamp("us", "UTC"), [1, None], "9badb399adadd821ba02510dbdbfb3e43055a6d8d004cff470d55ccdfe3245d7"),
    (pa.timestamp("ns", "UTC"), [1, None], "4e9933cbcc5b6fa68e509186c6cd303eed63801f519763ac3789c562e8f34c5c"),
    (pa.timestamp("us"), [1, None], "2aba95789c8dd9674736ef8a08757860cb4e4158ceabe341db946796fb9b8c4d"),
    (pa.date32(), [-1, None], "8059c53936642577fc9105a904765a02314fe4961866aed81b515ec9ce954e91"),
    (pa.time32("s"), [1, None], "a023a1ba7d453d0f94f6042a754f0f24085ed1cef14d4996fa3e92fe8c148fb9"),
    (pa.duration("ms"), [1, None], "5e7082889a25efeafef33b9ad983b3ea05e9bce4da287d7cd2f2b0ce5a0f750e"),
    (pa.list_(pa.int64()), [[1, None], None, []], "d96449abcffc1ca50f3b7ac614fac24ba233472191107967da4e1c9ebebdc98a"),
    (
        pa.struct([("a", pa.string()), ("b", pa.int64())]),
        [{"a": "x", "b": None}, None],
        "3ba3f6eab83d0d03e8ff2f6bd8d56f9e0b9727d6d0e9f135b4df76a20c9f920f",
    ),
    (pa.null(), [None], "1bc2ea18e2e4ea626a259f2d06ce04d8c9a44e02afe86e14c1210d2e517b82f1"),
]


@pytest.mark.parametrize(("kind", "values", "expected"), VECTORS, ids=lambda value: str(value)[:24])
def test_every_type_has_its_fixed_hash(kind: pa.DataType, values: list[Any], expected: str) -> None:
    assert content_hash(pa.table({"x": pa.array(values, kind)})) == expected


def test_the_documented_encoding_can_be_written_by_hand() -> None:
    column = hashlib.sha256(
        struct.pack("<Q", 1) + b"n" + struct.pack("<Q", 3) + b"int" + b"\x05" + struct.pack("<qqq", 7, 0, -2)
    )
    table = hashlib.sha256(b"ray_pipeline content hash 1" + struct.pack("<QQ", 3, 1) + column.digest())
    assert content_hash(pa.table({"n": [7, None, -2]})) == table.hexdigest()


@pytest.mark.parametrize("other", [pa.int16(), pa.int64(), pa.uint8(), pa.dictionary(pa.int8(), pa.int32())])
def test_how_a_column_is_stored_means_nothing(other: pa.DataType) -> None:
    plain = pa.table({"x": pa.array([3, None, 5], pa.int32())})
    chunked = pa.chunked_array([pa.array([3], other), pa.array([], other), pa.array([None, 5], other)], other)
    assert content_hash(pa.table({"x": chunked})) == content_hash(plain)


@pytest.mark.parametrize(
    ("kind", "values"),
    [(kind, values) for kind, values, _ in VECTORS],
    ids=lambda value: str(value)[:24],
)
def test_a_slice_hashes_as_its_rows_alone(kind: pa.DataType, values: list[Any]) -> None:
    longer = pa.array([*values, *values, *values], kind).slice(len(values), len(values))
    assert content_hash(pa.table({"x": longer})) == content_hash(pa.table({"x": pa.array(values, kind)}))
    assert len(content_hash(pa.table({"x": pa.array([], kind)}))) == 64


def test_units_of_the_same_moment_are_the_same() -> None:
    hashes = {
        content_hash(pa.table({"x": pa.array([5 * factor, None], pa.timestamp(unit, "UTC"))}))
        for unit, factor in (("s", 1), ("ms", 1_000), ("us", 1_000_000), ("ns", 1_000_000_000))
    }
    assert len(hashes) == 1


def test_what_stands_in_the_place_of_a_null_means_nothing() -> None:
    mask = pa.py_buffer(b"\x01")
    one = pa.Array.from_buffers(pa.int64(), 2, [mask, pa.py_buffer(struct.pack("<qq", 4, 9))])
    other = pa.Array.from_buffers(pa.int64(), 2, [mask, pa.py_buffer(struct.pack("<qq", 4, 0))])
    assert content_hash(pa.table({"x": one})) == content_hash(pa.table({"x": other}))


@pytest.mark.parametrize(
    "changed",
    [
        {"x": [1, 2], "y": ["a", "b"]},
        {"x": [1, None], "y": ["ab", ""]},
        {"x": [None, 1], "y": ["a", "b"]},
        {"y": ["a", "b"], "x": [1, None]},
        {"z": [1, None], "y": ["a", "b"]},
        {"x": [1.0, None], "y": ["a", "b"]},
        {"x": [1, None], "y": ["a", None]},
    ],
)
def test_any_other_value_place_name_or_kind_is_another_content(changed: dict[str, list[Any]]) -> None:
    assert content_hash(pa.table(changed)) != content_hash(pa.table({"x": [1, None], "y": ["a", "b"]}))


def test_the_columns_say_where_two_tables_differ() -> None:
    one, other = pa.table({"x": [1], "y": [2]}), pa.table({"x": [1], "y": [3]})
    assert [name for name, found in column_hashes(one).items() if column_hashes(other)[name] != found] == ["y"]


def test_a_type_that_has_no_encoding_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="dense_union"):
        content_hash(
            pa.table(
                {"x": pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])])}
            )
        )
