"""Bins and permutations cost no power: a small shift is found as often as by KS on the same samples."""

from __future__ import annotations

from tests.bench.drift_power import found


def test_a_tenth_of_a_standard_deviation_is_found_as_often_as_by_ks() -> None:
    repeats = 100
    ours, theirs = found(0.1, repeats, seed=1, exceedances=50)
    assert theirs > 0.6 * repeats
    assert ours >= theirs - 0.02 * repeats
