"""Decoded states that are kept: the same as decoding again, and never more than the bound."""

from __future__ import annotations

import pytest

from ray_pipeline.features.decoded import DecodedStates
from ray_pipeline.features.state import encode_state, read_states
from ray_pipeline.features.state_codec import columns_of
from tests.feature_oracle import BASE, HOUR
from tests.unit.features_state.worlds import COUNTED, WIDE, folded, happened


def state(minute: int) -> bytes:
    return encode_state(COUNTED, folded(COUNTED, [happened(minute)]))


def test_a_state_is_decoded_once_and_says_the_same() -> None:
    decode, data = DecodedStates(), state(1)
    found = decode(COUNTED, data)
    assert decode(COUNTED, bytes(bytearray(data))) is found
    assert found == columns_of(COUNTED, data)
    for moment in (BASE, BASE + HOUR, BASE + 9 * HOUR):
        assert read_states(COUNTED, [data, data], moment, decode) == read_states(COUNTED, [data, data], moment)
    assert found == columns_of(COUNTED, data)  # nobody changed it


def test_never_more_is_kept_than_the_bound_and_what_was_read_last_stays() -> None:
    one = len(state(0))
    decode = DecodedStates(20 * one + one // 2)
    often = state(0)
    first = decode(COUNTED, often)
    for minute in range(1, 200):
        decode(COUNTED, state(minute % 60))
        assert decode(COUNTED, often) is first
        assert decode.size <= 20 * one + one // 2
    assert decode.size > 10 * one


def test_a_state_that_would_push_all_others_out_is_not_kept() -> None:
    data = state(1)
    decode = DecodedStates(len(data) * 15)
    assert decode(COUNTED, data) == columns_of(COUNTED, data)
    assert decode.size == 0


def test_wrong_bytes_are_refused_each_time_and_so_is_another_view() -> None:
    decode, data = DecodedStates(), state(1)
    decode(COUNTED, data)
    for _ in range(2):
        with pytest.raises(ValueError):
            decode(COUNTED, data[:-1] + b" ")
        with pytest.raises(ValueError, match="another view"):
            decode(WIDE, data)
