"""No byte of a lake changes unnoticed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.lake.verify import verify
from ray_pipeline.testing.store import MemoryStore
from ray_pipeline.types import Outcome
from tests.unit.lake_verify.lakes import good_lake

LAKE = good_lake().objects
WATCHED = sorted(key for key in LAKE if "/_topics/" not in key)  # markers hold nothing but their name


@settings(max_examples=200, deadline=None)
@given(key=st.sampled_from(WATCHED), where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@pytest.mark.parametrize("quick", [False, True])
def test_a_flipped_bit_in_any_object_is_a_breach(quick: bool, key: str, where: float, bit: int) -> None:
    store = MemoryStore()
    store.objects = dict(LAKE)
    content = bytearray(LAKE[key])
    content[int(where * len(content))] ^= 1 << bit
    store.objects[key] = bytes(content)
    report = verify(store, "shop", quick=quick)
    assert report.outcome is Outcome.BROKEN
    named = [finding.key for result in report.results for finding in result.breaches]
    assert key in named, report


@settings(max_examples=60, deadline=None)
@given(key=st.sampled_from(WATCHED), cut=st.booleans(), where=st.floats(0, 1, exclude_max=True))
def test_an_object_that_is_gone_or_cut_off_is_never_held(key: str, cut: bool, where: float) -> None:
    store = MemoryStore()
    store.objects = dict(LAKE)
    if cut:
        store.objects[key] = LAKE[key][: int(where * len(LAKE[key]))]
    else:
        del store.objects[key]
    report = verify(store, "shop", quick=True)
    last_of_its_log = not cut and key.endswith(".json") and f"{key[:-25]}{int(key[-25:-5]) + 1:020d}.json" not in LAKE
    if last_of_its_log:  # the one thing that objects cannot show, and the report says so
        assert "cut off" in report.result("I1").note
    else:
        assert report.outcome is not Outcome.HELD
