"""Say which rows of equal hash really have equal keys: by the rows themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla.columns import as_array, values
from ray_pipeline.sla.keys.canonical import Canonical, canonical
from ray_pipeline.sla.keys.key_files import KeyFile, ReadKeys, once
from ray_pipeline.sla.measure import Array


def same_keys(
    group: Array, file: Array, row: Array, files: Sequence[KeyFile], key: Sequence[Column], read_keys: ReadKeys
) -> Array:
    """Return a number for each row (int64): the same for two rows exactly where they are of one group and one key.

    ``group`` ascends; ``file`` is an index into ``files``, ``row`` the number of the row within it. Each file is read
    once.
    """
    keys = _read(file, row, files, key, read_keys)
    like_previous = np.ones(len(group), bool)
    for column in keys:
        like_previous[1:] &= column.like_previous()
    like_previous[1:] |= group[1:] != group[:-1]
    numbers = group.astype(np.int64)
    fresh = int(group[-1]) + 1
    for mixed in once(group[~like_previous]):  # two keys of one hash
        seen: dict[tuple[tuple[int, int, bytes], ...], int] = {}
        for at in range(*np.searchsorted(group, (mixed, mixed + 1)).tolist()):
            numbers[at] = seen.setdefault(tuple(column.value(at) for column in keys), fresh + len(seen))
        fresh += len(seen)
    return numbers


@dataclass(frozen=True, slots=True)
class _Values:
    """A column of keys, in canonical form."""

    tags: Array
    words: Array
    text: pa.LargeBinaryArray

    def like_previous(self) -> Array:
        same = np.asarray(pc.equal(self.text[1:], self.text[:-1]))
        same &= self.tags[1:] == self.tags[:-1]
        same &= self.words[1:] == self.words[:-1]
        return same

    def value(self, row: int) -> tuple[int, int, bytes]:
        return int(self.tags[row]), int(self.words[row]), self.text[row].as_py()

    def take(self, rows: Array) -> _Values:
        return _Values(self.tags[rows], self.words[rows], self.text.take(pa.array(rows)))


def _read(
    file: Array, row: Array, files: Sequence[KeyFile], key: Sequence[Column], read_keys: ReadKeys
) -> list[_Values]:
    """Return the key's columns, in the order of the rows asked for."""
    order = np.lexsort((row, file))
    by_file = file[order]
    found: list[list[_Values]] = [[] for _ in key]
    for index in once(by_file):
        some = order[slice(*np.searchsorted(by_file, (index, index + 1)).tolist())]
        one = files[int(index)]
        table = read_keys(one.file, one.day, row[some])
        if table.num_rows != len(some):
            raise ValueError(f"{one.file} gave {table.num_rows} keys for {len(some)} rows")
        for column, parts in zip(key, found, strict=True):
            array = as_array(values(table, column))
            parts.append(_values(canonical(array), len(array)))
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return [_joined(parts).take(back) for parts in found]


def _joined(parts: Sequence[_Values]) -> _Values:
    return _Values(
        np.concatenate([part.tags for part in parts]),
        np.concatenate([part.words for part in parts]),
        pa.concat_arrays([part.text for part in parts]),
    )


def _values(column: Canonical, rows: int) -> _Values:
    tags = np.full(rows, column.tags, np.uint64) if isinstance(column.tags, int) else column.tags
    words = np.zeros(rows, np.uint64) if column.words is None else column.words.copy()
    if column.text is None:
        return _Values(tags, words, _binary(np.zeros(rows, np.int64), np.empty(0, np.uint8)))
    lengths = column.text.lengths
    if column.text_rows is not None:
        words[column.text_rows] = 0
        lengths = np.zeros(rows, np.int64)
        lengths[column.text_rows] = column.text.lengths
    return _Values(tags, words, _binary(lengths, column.text.data))


def _binary(lengths: Array, data: Array) -> pa.LargeBinaryArray:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.large_binary(), len(lengths), buffers)
