"""States as bytes: what is not one, is refused."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from zlib import crc32

import orjson
import pytest

from ray_pipeline.features.aggregates import Kind
from ray_pipeline.features.state import EntityState, decode_state, encode_state, read_states
from ray_pipeline.features.state_codec import MAGIC
from tests.feature_oracle import BASE, EVERYTHING, HOUR, feature_shape, view_shape
from tests.unit.features_state.worlds import COUNTED, NEWEST, WIDE, folded, happened

VALUES = {
    "": None,
    "int": 2**62,
    "decimal:2": Decimal("99999999999999999999999999999999999.99"),
    "float": 5e-324,
    "bool": True,
    "string": "é'\x00",
    "timestamp": BASE,
}
EVENTS = [
    happened(minute, *(None if minute == 3 else VALUES[over] for _, over in EVERYTHING), late=minute, offset=minute)
    for minute in range(6)
]


def sealed(document: object) -> bytes:
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    return MAGIC + b"%08x " % crc32(body) + body


def document_of(data: bytes) -> list[object]:
    found = orjson.loads(data[len(MAGIC) + 9 :])
    assert isinstance(found, list)
    return found


def test_a_state_of_every_aggregate_over_every_type_is_read_back() -> None:
    state = folded(WIDE, EVENTS)
    data = encode_state(WIDE, state)
    assert decode_state(WIDE, data) == state
    assert encode_state(WIDE, decode_state(WIDE, data)) == data


@pytest.mark.parametrize("shape", [COUNTED, NEWEST])
def test_a_state_of_nothing_is_read_back(shape: object) -> None:
    assert decode_state(shape, encode_state(shape, EntityState())) == EntityState()  # type: ignore[arg-type]


def test_every_shorter_or_longer_text_is_refused() -> None:
    data = encode_state(COUNTED, folded(COUNTED, [happened(1), happened(2, late=9, offset=1)]))
    for other in [*(data[:end] for end in range(len(data))), data + b" ", data + data, b"{}", b"\xff" * 40]:
        with pytest.raises(ValueError):
            decode_state(COUNTED, other)
        with pytest.raises(ValueError):
            read_states(COUNTED, [data, other], BASE)


def test_every_changed_bit_is_found() -> None:
    data = encode_state(COUNTED, folded(COUNTED, [happened(1)]))
    for place in range(len(data)):
        for bit in range(8):
            other = bytes([*data[:place], data[place] ^ (1 << bit), *data[place + 1 :]])
            with pytest.raises(ValueError):
                read_states(COUNTED, [other], BASE)


OTHERS = [None, True, -1, 1.5, "7", [], {}, [None], ["x"], [[]], [1.5], [1, 2], [[1]], [[[1]]], 10**18, [10**18]]


@pytest.mark.parametrize("place", range(11))
def test_a_sealed_text_with_another_part_is_no_state_and_never_another_error(place: int) -> None:
    for shape, event in ((COUNTED, happened(1)), (NEWEST, happened(1, 5))):
        for value in OTHERS:
            document = document_of(encode_state(shape, folded(shape, [event])))
            document[place] = value
            other = sealed(document)
            for moment in (BASE, BASE + HOUR):
                with suppress(ValueError):
                    read_states(shape, [other], moment)
            with suppress(ValueError):  # or it says something else, and says it rightly
                assert encode_state(shape, decode_state(shape, other)) == other


@pytest.mark.parametrize("i", range(len(EVERYTHING)))
def test_a_feature_whose_parts_are_something_else_is_refused(i: int) -> None:
    kind, over = EVERYTHING[i]
    shape = view_shape([feature_shape("f", kind, over, 3)], window=2 * HOUR)
    data = encode_state(shape, folded(shape, [happened(1, VALUES[over])]))
    empty: dict[Kind, object] = {Kind.MIN: [None], Kind.MAX: [None], Kind.COUNT_DISTINCT: [[]]}
    for packed in (None, 3, "x", [], [[]], [None], [{}], [[], 1, []], [[1], -1, [[1]]], [[1], 10**9, [[1]]]):
        if packed == empty.get(kind):
            continue  # of no value, that is the part
        document = document_of(data)
        document[-1] = [packed]
        with pytest.raises(ValueError):
            decode_state(shape, sealed(document))
        if packed not in ([{}],):
            with pytest.raises(ValueError):
                read_states(shape, [sealed(document)], BASE + HOUR)


@pytest.mark.parametrize("body", [b"", b"null", b"[", b"[" * 5000, b"[1e999]", b'"\xff"', b"[]", b"{}"])
def test_a_sealed_text_that_is_no_list_of_the_parts_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        decode_state(COUNTED, sealed(body))
    with pytest.raises(ValueError):
        read_states(COUNTED, [sealed(body)], BASE)


def test_the_state_of_a_view_with_other_features_is_refused() -> None:
    data = encode_state(COUNTED, folded(COUNTED, [happened(1)]))
    wider = view_shape([*COUNTED.features, feature_shape("m", Kind.MEAN, "float")], window=2 * HOUR)
    with pytest.raises(ValueError, match="another view"):
        read_states(wider, [data], BASE)


def test_the_same_numbers_written_otherwise_are_not_the_same_bytes_and_refused() -> None:
    data = encode_state(COUNTED, folded(COUNTED, [happened(1)]))
    spaced = data[len(MAGIC) + 9 :].replace(b",", b", ", 1)
    with pytest.raises(ValueError, match="not a feature state of this view"):
        decode_state(COUNTED, sealed(spaced))
