"""A baseline as two files: JSON for the bins and where they come from, Parquet for the counts.

The JSON names the SHA-256 of the Parquet file, which is opened only where it is that one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ray_pipeline.errors import FileCorruptError

from .baseline import Baseline
from .edges import CategoryColumn, Column, NumericColumn
from .values import Ints

BINS_FILE, COUNTS_FILE = "baseline.json", "baseline.parquet"
FORMAT = 1
_FEATURE, _SCORE = "feature", "score"
_SCHEMA = pa.schema(
    [
        pa.field("part", pa.string(), nullable=False),
        pa.field("column", pa.string(), nullable=False),
        pa.field("block", pa.date32(), nullable=False),
        pa.field("bin", pa.int32(), nullable=False),
        pa.field("count", pa.int64(), nullable=False),
    ]
)
"""A feature may be called score, so ``part`` tells them apart. What is not there was counted zero times."""


def to_files(baseline: Baseline) -> dict[str, bytes]:
    """Return both files: the same baseline gives the same bytes."""
    counts = _parquet(baseline)
    said: dict[str, Any] = {
        "format": FORMAT,
        "rows": baseline.rows,
        "fit": {"rows": baseline.fit_rows, "splits": list(baseline.fit_splits)},
        "splits": list(baseline.splits),
        "block": "day (UTC)",
        "blocks": list(baseline.blocks),
        "columns": [_column_json(column) for column in baseline.columns],
        "score": None
        if baseline.score is None
        else _column_json(baseline.score)
        | {"splits": list(baseline.score_splits), "blocks": list(baseline.score_blocks)},
        "counts": {"file": COUNTS_FILE, "sha256": hashlib.sha256(counts).hexdigest(), "bytes": len(counts)},
    }
    text = json.dumps(said, indent=1, ensure_ascii=True, allow_nan=False) + "\n"
    return {BINS_FILE: text.encode("ascii"), COUNTS_FILE: counts}


def from_files(files: Mapping[str, bytes], *, place: str = "") -> Baseline:
    """Read both files; ``FileCorruptError`` where they are not what :func:`to_files` wrote."""
    reading = BINS_FILE
    try:
        said = _parsed(_file(files, BINS_FILE))
        empty = _empty(said)
        reading = COUNTS_FILE
        return _filled(empty, _file(files, COUNTS_FILE), said)
    except (KeyError, IndexError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        reason = f"is not of a baseline ({type(error).__name__})"
    except json.JSONDecodeError:
        reason = "is not JSON"
    except (pa.ArrowException, ValueError) as error:
        reason = str(error)
    raise FileCorruptError(f"{place}/{reading}" if place else reading, reason)


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise ValueError("the file is gone")
    return files[name]


def _parsed(data: bytes) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(data)
    if said["format"] != FORMAT:
        raise ValueError(f"is of format {said['format']!r}, and this version reads {FORMAT}")
    return said


def _column_json(column: Column) -> dict[str, Any]:
    if isinstance(column, NumericColumn):
        return {"name": column.name, "kind": column.kind, "few": column.few, "edges": list(column.edges)}
    return {"name": column.name, "kind": column.kind, "categories": list(column.categories)}


def _column(said: Mapping[str, Any]) -> Column:
    name, kind = _text(said["name"]), said["kind"]
    if kind == "number":
        if not isinstance(said["few"], bool):
            raise TypeError("few")
        return NumericColumn(name, tuple(_number(edge) for edge in said["edges"]), few=said["few"])
    if kind not in ("category", "flag"):
        raise ValueError(f"column {name} is a {kind!r}")
    return CategoryColumn(name, tuple(_text(one) for one in said["categories"]), flag=kind == "flag")


def _empty(said: Mapping[str, Any]) -> Baseline:
    """Return the baseline that the JSON tells, with no row counted."""
    columns = tuple(_column(one) for one in said["columns"])
    if len({column.name for column in columns}) != len(columns):
        raise ValueError("names a column twice")
    score, blocks, score_blocks = said["score"], _days(said["blocks"]), ()  # type: Any, tuple[str, ...], tuple[str, ...]
    cut = None
    if score is not None:
        found = _column(score)
        if not isinstance(found, NumericColumn):
            raise ValueError("the score is no number")
        cut, score_blocks = found, _days(score["blocks"])
    return Baseline(
        columns=columns,
        blocks=blocks,
        counts=tuple(np.zeros((len(blocks), column.bins), np.int64) for column in columns),
        score=cut,
        score_blocks=score_blocks,
        score_counts=None if cut is None else np.zeros((len(score_blocks), cut.bins), np.int64),
        fit_rows=_whole(said["fit"]["rows"]),
        fit_splits=_texts(said["fit"]["splits"]),
        splits=_texts(said["splits"]),
        score_splits=_texts(score["splits"]) if score is not None else (),
    )


def _parquet(baseline: Baseline) -> bytes:
    parts = [
        _long(_FEATURE, column.name, baseline.blocks, found)
        for column, found in zip(baseline.columns, baseline.counts, strict=True)
    ]
    if baseline.score is not None and baseline.score_counts is not None:
        parts.append(_long(_SCORE, baseline.score.name, baseline.score_blocks, baseline.score_counts))
    table = pa.concat_tables([*parts, _SCHEMA.empty_table()]).combine_chunks()
    sink = pa.BufferOutputStream()
    pq.write_table(
        table, sink, version="2.6", data_page_version="1.0", compression="zstd", compression_level=3, store_schema=True
    )
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _long(part: str, name: str, blocks: Sequence[str], found: Ints) -> pa.Table:
    """Return counts as rows, those of zero left out."""
    block, bins = np.nonzero(found)
    days = np.asarray(blocks, "datetime64[D]")[block]
    columns = [
        pa.repeat(pa.scalar(part), len(bins)),
        pa.repeat(pa.scalar(name), len(bins)),
        pa.array(days, pa.date32()),
        pa.array(bins, pa.int32()),
        pa.array(found[block, bins], pa.int64()),
    ]
    return pa.table(columns, schema=_SCHEMA)


def _filled(empty: Baseline, data: bytes, said: Mapping[str, Any]) -> Baseline:
    """Return the baseline with the counts of the Parquet file, which are checked one against the other."""
    if hashlib.sha256(data).hexdigest() != said["counts"]["sha256"]:
        raise ValueError(f"its bytes are not those that {BINS_FILE} names")
    table = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
    if table.schema.remove_metadata() != _SCHEMA:
        raise ValueError("has other columns than the counts of a baseline")
    if any(column.null_count for column in table.columns):
        raise ValueError("has nulls")
    for column, found in zip(empty.columns, empty.counts, strict=True):
        _fill(found, _rows_of(table, _FEATURE, column.name), empty.blocks, column.name)
    if empty.score is not None and empty.score_counts is not None:
        _fill(empty.score_counts, _rows_of(table, _SCORE, empty.score.name), empty.score_blocks, empty.score.name)
    placed = sum(int(np.count_nonzero(found)) for found in (*empty.counts, *_present(empty.score_counts)))
    if placed != table.num_rows:
        raise ValueError("has counts of columns that the baseline does not have, or has some twice")
    by_block = [found.sum(axis=1) for found in empty.counts]
    if any(not np.array_equal(one, by_block[0]) for one in by_block):
        raise ValueError("counts other numbers of rows for one column than for another")
    if empty.rows != said["rows"]:
        raise ValueError(f"counts {empty.rows} rows, and {BINS_FILE} says {said['rows']!r}")
    return empty


def _rows_of(table: pa.Table, part: str, name: str) -> pa.Table:
    return table.filter(pc.and_(pc.equal(table["part"], part), pc.equal(table["column"], name)))


def _fill(found: Ints, rows: pa.Table, blocks: Sequence[str], name: str) -> None:
    place = {date.fromisoformat(block): index for index, block in enumerate(blocks)}
    for block, bin_, count in zip(*(rows[one].to_pylist() for one in ("block", "bin", "count")), strict=True):
        if block not in place or not 0 <= bin_ < found.shape[1] or count <= 0:
            raise ValueError(f"has a count of {name} outside its blocks and bins")
        found[place[block], bin_] = count


def _present(found: Ints | None) -> tuple[Ints, ...]:
    return () if found is None else (found,)


def _days(said: Any) -> tuple[str, ...]:
    days = _texts(said)
    if list(days) != sorted({date.fromisoformat(day).isoformat() for day in days}):
        raise ValueError("its blocks are not days in order, each once")
    return days


def _texts(said: Any) -> tuple[str, ...]:
    if not isinstance(said, list):
        raise TypeError("list")
    return tuple(_text(one) for one in said)


def _text(said: Any) -> str:
    if not isinstance(said, str):
        raise TypeError("text")
    return said


def _number(said: Any) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise TypeError("number")
    return float(said)


def _whole(said: Any) -> int:
    if isinstance(said, bool) or not isinstance(said, int):
        raise TypeError("number")
    return said
