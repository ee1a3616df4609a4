"""Where nothing moved, a test rejects as often as it says: six cells of the grid that the benchmark runs whole."""

from __future__ import annotations

import pytest

from tests.bench.drift_cells import ALPHA, DEFAULT, Cell, rejections

REPEATS = 10_000


@pytest.mark.parametrize("cell", DEFAULT, ids=str)
def test_a_cell_rejects_within_a_fifth_of_alpha(cell: Cell) -> None:
    rate = rejections(cell, REPEATS, seed=1) / REPEATS
    assert 0.8 * ALPHA <= rate <= 1.2 * ALPHA
