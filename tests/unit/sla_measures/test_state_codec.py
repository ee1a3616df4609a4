"""States as bytes: equal for equal states, refused where a byte is not as it was written."""

from __future__ import annotations

import hashlib
import json
import random
import time

import numpy as np
import pyarrow as pa
import pytest

from ray_pipeline.sla.measure import State, Where
from ray_pipeline.sla.measures.column_values import NumberSummary
from ray_pipeline.sla.measures.distinct import DistinctCount
from ray_pipeline.sla.measures.event_gaps import EventGaps
from ray_pipeline.sla.measures.event_range import EventRange
from ray_pipeline.sla.measures.latency import Latency
from ray_pipeline.sla.measures.null_rows import NullRows
from ray_pipeline.sla.measures.profile import ColumnProfileMeasure
from ray_pipeline.sla.measures.row_count import RowCount
from ray_pipeline.sla.measures.share import ValueShare
from ray_pipeline.sla.state_codec import MAGIC, decode, encode
from ray_pipeline.sla.stored import same_state

SOURCE = np.random.default_rng(3)
ROWS = pa.table(
    {
        "t": pa.array(1_357_000_000_000_000 + SOURCE.integers(0, 10**10, 3_000), pa.timestamp("us", "UTC")),
        "n": pa.array(SOURCE.normal(size=3_000), mask=SOURCE.random(3_000) < 0.1),
        "s": [f"s{n}" for n in SOURCE.integers(0, 9, 3_000).tolist()],
    }
)
MEASURES = [
    RowCount(),
    NullRows(("n",)),
    Latency(("t",)),
    EventGaps(("t",), (("s",),)),
    EventRange(("t",)),
    NumberSummary(("n",)),
    DistinctCount(("n",)),
    DistinctCount(("s",)),
    ValueShare(("s",), ("s1",)),
    ColumnProfileMeasure(((("t",), False), (("n",), False), (("s",), False), (("s",), True))),
]
STATES = {measure.id: measure.of(ROWS, Where("f", 0, 1_357_020_000_000_000)).state() for measure in MEASURES}


def sealed(body: bytes) -> bytes:
    return body + hashlib.sha256(body).digest()


def framed(header: object, arrays: bytes = b"") -> bytes:
    head = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":"), sort_keys=True).encode()
    return sealed(MAGIC + len(head).to_bytes(8, "little") + head + b"\0" * (-len(head) % 8) + arrays)


def test_what_is_encoded_is_decoded() -> None:
    read = decode(encode(STATES))
    assert read.keys() == STATES.keys()
    assert all(same_state(read[name], STATES[name]) for name in STATES)
    assert decode(encode({})) == {}


def test_equal_states_are_equal_bytes_whatever_order_they_were_made_in() -> None:
    one = {"a": State({"x": 1, "y": [2]}, {"p": np.arange(3), "q": np.arange(2)}), "b": State()}
    other = {"b": State(), "a": State({"y": [2], "x": 1}, {"q": np.arange(2), "p": np.arange(3)})}
    assert encode(one) == encode(other)
    big = {"a": State({}, {"p": np.arange(3).astype(">i8")})}
    assert encode(big) == encode({"a": State({}, {"p": np.arange(3).astype("<i8")})})
    apart = {"a": State({}, {"p": np.arange(6)[::2]})}
    assert decode(encode(apart))["a"].arrays["p"].tolist() == [0, 2, 4]


def test_nothing_of_what_is_read_can_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        decode(encode({"a": State({}, {"p": np.arange(3)})}))["a"].arrays["p"][0] = 1


@pytest.mark.parametrize(
    "state",
    [
        State({"x": object()}),
        State({"x": float("nan")}),
        State({}, {"p": np.zeros((2, 2))}),
        State({}, {"p": np.array(["x"])}),
        State({}, {"p": np.array([None])}),
        State({}, {"p": np.array([1], "<M8[us]")}),
        State({}, {"p": np.array([True])}),
    ],
)
def test_what_cannot_be_read_back_is_not_written(state) -> None:
    with pytest.raises(ValueError):
        encode({"a": state})


def test_every_flipped_bit_and_every_cut_is_noticed() -> None:
    data = encode({"row_count{}": State({"rows": 3}, {"p": np.arange(2)})})
    for i in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[i] ^= 1 << bit
            with pytest.raises(ValueError):
                decode(bytes(flipped))
        with pytest.raises(ValueError):
            decode(data[:i])
    with pytest.raises(ValueError):
        decode(data + b"\0")


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"a":1}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"\xff\xfe",
        b'{"a": {"arrays":{},"values":{}}}',
        b'{"a":{"arrays":{},"values":{"x":NaN}}}',
        b'{"a":{"arrays":{},"values":{"x":' + b"9" * 10_000 + b"}}}",
        b'{"a":{"arrays":{},"values":{}},"a":{"arrays":{},"values":{}}}',
        {"a": {"values": {}}},
        {"a": {"values": [], "arrays": {}}},
        {"a": {"values": {}, "arrays": []}},
        {"a": {"values": {}, "arrays": {"p": ["<i8"]}}},
        {"a": {"values": {}, "arrays": {"p": ["<i8", -1]}}},
        {"a": {"values": {}, "arrays": {"p": ["<i8", 10**18]}}},
        {"a": {"values": {}, "arrays": {"p": ["<i8", 1.0]}}},
        {"a": {"values": {}, "arrays": {"p": ["<i8", True]}}},
        {"a": {"values": {}, "arrays": {"p": ["|O", 0]}}},
        {"a": {"values": {}, "arrays": {"p": ["<U1000000000", 0]}}},
        {"a": {"values": {}, "arrays": {"p": [["<i8"], 0]}}},
        {"a": {"values": {}, "arrays": {"p": ["i8", 0]}}},
    ],
)
def test_a_sealed_lie_is_refused_quickly(header) -> None:
    began = time.perf_counter()
    with pytest.raises(ValueError):
        decode(framed(header))
    assert time.perf_counter() - began < 5


def test_a_header_or_an_array_longer_than_the_bytes_is_refused() -> None:
    with pytest.raises(ValueError):
        decode(sealed(MAGIC + (2**63).to_bytes(8, "little") + b"{}"))
    one = {"a": {"values": {}, "arrays": {"p": ["|u1", 3]}}}
    assert decode(framed(one, b"abc\0\0\0\0\0"))["a"].arrays["p"].tolist() == [97, 98, 99]
    for arrays in (b"", b"abc", b"abc\0\0\0\0x", b"abc\0\0\0\0\0\0\0\0\0\0\0\0\0"):
        with pytest.raises(ValueError):
            decode(framed(one, arrays))


def test_a_measure_believes_nothing_that_is_stored() -> None:
    """Whatever part of a state is another one, loading says ``ValueError`` or gives a partial; nothing else."""
    source = random.Random(5)
    odd = [None, True, -1, 0, 10**30, 1.5, "x", "1/0", "-1/1", [], [[]], {}, {"a": 1}, [1], "f" * 10_000]
    refused = 0
    for measure in MEASURES:
        state = STATES[measure.id]
        for _ in range(400):
            values, arrays = dict(state.values), {name: array.copy() for name, array in state.arrays.items()}
            name = source.choice([*values, *arrays])
            if name in values:
                values[name] = source.choice(odd)
                if source.random() < 0.2:
                    del values[name]
            elif source.random() < 0.5:
                arrays[name] = source.choice(
                    [arrays[name][:-1], arrays[name].astype("<f8"), arrays[name][::-1], np.empty(0, arrays[name].dtype)]
                )
            elif len(arrays[name]):
                array = arrays[name]
                extreme = np.iinfo(array.dtype).max if array.dtype.kind in "iu" else np.inf
                array[source.randrange(len(array))] = source.choice([0, 1, extreme])
            try:
                measure.load(State(values, arrays)).state()
            except ValueError:
                refused += 1
    assert refused > 3_000


def test_a_look_that_no_column_has_is_refused() -> None:
    measure = MEASURES[-1]
    state = STATES[measure.id]
    odd = [None, True, -1, 10**30, 1.5, "x", "0x1p99999", [], {"a": 0}, {"a": "b"}, "s" * 200]
    refused = 0
    for i, look in enumerate(state.values["looks"]):
        for name in look:
            for value in odd:
                looks = [dict(one) for one in state.values["looks"]]
                looks[i][name] = value
                try:
                    measure.load(State({"looks": looks}, state.arrays)).value()
                except ValueError:
                    refused += 1
    assert refused > 200
