"""Counts in a footer come back as they were, and a footer that cannot be true is not believed."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from ray_pipeline.drift.edges import CategoryColumn, NumericColumn
from ray_pipeline.drift.footer import LONGEST, FileCounts, decode, encode

COLUMNS = {"delay": NumericColumn("delay", (0.0, 15.0)), "carrier": CategoryColumn("carrier", ("AA", "UA"))}
FOUND = FileCounts(5, 5, {"delay": np.array([1, 0, 4, 0]), "carrier": np.array([0, 2, 2, 1])})


def decoded(said: Any, *, rows: int = 5, whole: bool = True) -> FileCounts | None:
    data = said if isinstance(said, bytes) else json.dumps(said).encode()
    return decode(data, "d1", COLUMNS, rows, whole=whole)


def said(**changes: Any) -> dict[str, Any]:
    return json.loads(encode(FOUND, "d1", COLUMNS)) | changes


def test_counts_come_back() -> None:
    assert decoded(encode(FOUND, "d1", COLUMNS)) == FOUND


def test_a_column_that_the_file_lacks_stays_lacking() -> None:
    some = FileCounts(5, 5, {"carrier": FOUND.columns["carrier"]})
    assert decoded(encode(some, "d1", COLUMNS)) == some


def test_rows_of_another_model_version_are_not_counted_and_that_is_no_error() -> None:
    some = FileCounts(9, 5, FOUND.columns)
    assert decoded(encode(some, "d1", COLUMNS), rows=9, whole=False) == some
    assert decoded(encode(some, "d1", COLUMNS), rows=9) is None


def test_an_empty_file_has_counts_too() -> None:
    none = FileCounts(0, 0, {name: np.zeros(column.bins, np.int64) for name, column in COLUMNS.items()})
    assert decoded(encode(none, "d1", COLUMNS), rows=0) == none


def test_a_footer_holds_no_value_of_any_row() -> None:
    assert b"AA" not in encode(FOUND, "d1", COLUMNS)


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"{",
        b"null",
        b"[1,2]",
        b"\xff\xfe",
        b"[" * 100_000,
        b" " * (LONGEST + 1),
        said(format=2),
        said(baseline="d2"),
        said(rows=6),
        said(rows="5"),
        said(rows=True),
        said(counted=4),
        said(counted=6),
        said(counted=-1),
        said(bins=None),
        said(bins=[[0, 5]]),
        said(bins=[[0, 5], [1, 2, 2, 2]]),
        said(bins=[[0, 5], [1, 5, 1, 5]]),
        said(bins=[[0, 5], [2, 2, 1, 3]]),
        said(bins=[[0, 5], [5, 5]]),
        said(bins=[[0, 5], [-1, 5]]),
        said(bins=[[0, 5], [1, 6, 2, -1]]),
        said(bins=[[0, 5], [1, 5.0]]),
        said(bins=[[0, 5], [1, 1e400]]),
        said(bins=[[0, 5], [1]]),
        said(bins=[[0, 5], {"1": 5}]),
        said(bins=[[0, 5], [1, 10**30]]),
        {"format": 1, "baseline": "d1"},
    ],
)
def test_a_footer_that_cannot_be_true_is_not_believed(hostile: Any) -> None:
    assert decoded(hostile) is None


def test_a_file_without_counts_has_none() -> None:
    assert decode(None, "d1", COLUMNS, 5) is None
