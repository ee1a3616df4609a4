"""The correction for many columns."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis.strategies import floats, lists
from scipy.stats import false_discovery_control

from ray_pipeline.drift.family import benjamini_hochberg


@given(lists(floats(0, 1), min_size=1, max_size=30))
def test_it_is_what_scipy_makes_of_it(p: list[float]) -> None:
    assert np.allclose(benjamini_hochberg(np.array(p)), false_discovery_control(p))


def test_no_test_is_not_counted() -> None:
    found = benjamini_hochberg(np.array([np.nan, 0.02, np.nan, 0.5]))
    assert found.tolist()[1::2] == [0.04, 0.5] and np.isnan(found[::2]).all()
    assert np.isnan(benjamini_hochberg(np.array([np.nan]))).all()
    assert benjamini_hochberg(np.array([])).tolist() == []
