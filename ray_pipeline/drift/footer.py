"""The counts of one landed file, as they travel in its footer: as exactly once as its rows are.

Bins are given by number, so that a footer holds no value of any row. What is not there was counted zero times.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .baseline import SCORE, Baseline
from .edges import Column
from .values import Ints

KEY = "ray_pipeline.counts"
"""Of the Parquet file's key-value metadata."""
FORMAT = 1
LONGEST = 4 << 20
"""Bytes. A longer footer is none of ours: two hundred columns of two hundred bins have half of it."""
_MOST_ROWS = 1 << 53


@dataclass(frozen=True, eq=False, slots=True)
class FileCounts:
    """Rows of one file by bin; all of them are of one day."""

    rows: int
    """Of the file."""
    counted: int
    """Of these: for predictions those of one model version, else all."""
    columns: Mapping[str, Ints]
    """Name → rows by bin. A column of the baseline that the file lacks is not there."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FileCounts):
            return NotImplemented
        same = (self.rows, self.counted, self.columns.keys()) == (other.rows, other.counted, other.columns.keys())
        return same and all(np.array_equal(found, other.columns[name]) for name, found in self.columns.items())

    __hash__ = None  # type: ignore[assignment]


def counted_columns(baseline: Baseline) -> dict[str, Column]:
    """Return what is counted in the bins of a baseline, by name: its columns, then the score where it has one."""
    found: dict[str, Column] = {column.name: column for column in baseline.columns}
    if baseline.score is not None:
        found[SCORE] = baseline.score
    return found


def encode(counts: FileCounts, digest: str, columns: Mapping[str, Column]) -> bytes:
    """Return the footer of a file that was counted in the bins of the baseline with this digest.

    >>> from ray_pipeline.drift.edges import NumericColumn
    >>> delay = {"delay": NumericColumn("delay", (0.0,))}
    >>> encode(FileCounts(3, 3, {"delay": np.array([0, 1, 2])}), "ab12", delay)
    b'{"format":1,"baseline":"ab12","rows":3,"counted":3,"bins":[[1,1,2,2]]}'
    """
    said = {
        "format": FORMAT,
        "baseline": digest,
        "rows": counts.rows,
        "counted": counts.counted,
        "bins": [_sparse(counts.columns.get(name)) for name in columns],
    }
    return json.dumps(said, separators=(",", ":")).encode("ascii")


def decode(
    data: bytes | None, digest: str, columns: Mapping[str, Column], rows: int, *, whole: bool = True
) -> FileCounts | None:
    """Return the counts that a footer holds; None where it holds none in these bins, or none that can be true.

    ``rows`` are those of the file; ``whole``: every one of them must be counted. Nothing raises here: whoever gets None
    counts the rows themselves.
    """
    if data is None or len(data) > LONGEST:
        return None
    try:
        said = json.loads(data)
        if not isinstance(said, dict) or said.get("format") != FORMAT or said.get("baseline") != digest:
            return None
        counted, bins = _whole(said["counted"]), said["bins"]
        if _whole(said["rows"]) != rows or counted > rows or (whole and counted != rows):
            return None
        if not isinstance(bins, list) or len(bins) != len(columns):
            return None
        found = {
            name: _dense(pairs, column.bins, counted)
            for (name, column), pairs in zip(columns.items(), bins, strict=True)
            if pairs is not None
        }
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None
    return FileCounts(rows, counted, found)


def _sparse(found: Ints | None) -> list[int] | None:
    """Return bin, count, bin, count … of what was counted at all."""
    if found is None:
        return None
    bins = np.flatnonzero(found)
    return [int(one) for pair in zip(bins, found[bins], strict=True) for one in pair]


def _dense(pairs: Any, width: int, counted: int) -> Ints:
    if not isinstance(pairs, list) or len(pairs) % 2 or len(pairs) > 2 * width:
        raise ValueError("no pairs of bin and count")
    found = np.zeros(width, np.int64)
    last = -1
    for bin_, count in zip(map(_whole, pairs[::2]), map(_whole, pairs[1::2]), strict=True):
        if not last < bin_ < width or not 0 < count <= counted:
            raise ValueError("a count outside the bins, or of no row")
        found[bin_] = count
        last = bin_
    if int(found.sum()) != counted:
        raise ValueError("its counts do not add up to its rows")
    return found


def _whole(said: Any) -> int:
    if type(said) is not int or not 0 <= said < _MOST_ROWS:
        raise TypeError("no whole number")
    return said
