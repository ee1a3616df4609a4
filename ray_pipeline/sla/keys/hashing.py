"""A 128-bit hash of each row's key: the same on every machine, in every version, however the rows are cut.

The method, which a change would make useless every run that is stored:

- A key is a sequence of values in their canonical form (:mod:`~ray_pipeline.sla.keys.canonical`), each one or more
  little-endian 64-bit words: a number is one word, a text its bytes eight at a time, the last ones filled with zeros
  (an empty text is one word, 0).
- A word is spread by ``w *= C1; w ^= w >> 32; w *= C2; w ^= w >> 29``, a bijection; to the first word of each value
  ``length * K1 + tag * K2`` is added after that, so that ("ab", "c") is not ("a", "bc"), nor 7 the text of byte 7.
- Two lanes with their own start and multiplier take each word: ``a = (a ^ w) * PA; a ^= a >> 32``, and the same with
  ``b``, ``PB`` and 29. Each step is a bijection of the lane and of the word: two keys of one word never collide.
- At the end the lanes are added to one another, finished as MurmurHash3 does, and added again: ``hi`` is the first.
- A text of more than 256 bytes is first cut into segments of 256, each hashed as a key of its own under a tag of its
  own; the hashes' 16 bytes one after another take its place, as often as needed: so one huge text is still done in
  vectors.

It resists accidents and regular keys, not an enemy who looks for collisions; an equal hash is therefore confirmed on
the rows before a row is called a duplicate.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla.columns import values
from ray_pipeline.sla.keys.canonical import Canonical, Text, canonical, kind_of, plain
from ray_pipeline.sla.measure import Array

SEGMENT = 256
BLOCK = 16_384
"""Rows at a time: what is computed on stays within the processor's cache."""

_U = np.uint64
_C1, _C2 = _U(0x9E3779B97F4A7C15), _U(0xD6E8FEB86659FD93)
_K1, _K2 = _U(0xA24BAED4963EE407), _U(0x9FB21C651E98DF25)
_PA, _PB = _U(0xFF51AFD7ED558CCD), _U(0xC2B2AE3D27D4EB4F)
_SEED_A, _SEED_B = _U(0x243F6A8885A308D3), _U(0x13198A2E03707344)
_F1, _F2 = _U(0xFF51AFD7ED558CCD), _U(0xC4CEB9FE1A85EC53)
_FOLDED = 0x8000
_29, _32, _33 = _U(29), _U(32), _U(33)
_MASKS = np.array([(1 << 8 * n) - 1 for n in range(9)], np.uint64)


def hash_rows(batch: pa.Table, columns: Sequence[Column]) -> tuple[Array, Array, Array]:
    """Return ``(hi, lo, null)``, one per row: the hash's halves (uint64), and whether a part of the key is null.

    The hash of a row with a null is 0. Raise ``ValueError`` for a column that is absent or cannot be part of a key.
    """
    problem = key_problem(batch.schema, columns)
    if problem is not None:
        raise ValueError(problem)
    hi, lo = np.empty(batch.num_rows, np.uint64), np.empty(batch.num_rows, np.uint64)
    null = np.zeros(batch.num_rows, bool)
    names = [str(i) for i in range(len(columns))]
    key = pa.Table.from_arrays([values(batch, column) for column in columns], names)
    start = 0
    for block in key.to_batches(max_chunksize=BLOCK):
        rows = slice(start, start + block.num_rows)
        parts = [plain(column) for column in block.columns]
        hi[rows], lo[rows] = _hash([canonical(column) for column in parts], block.num_rows)
        for column in parts:
            if column.null_count:
                null[rows] |= column.is_null().to_numpy(zero_copy_only=False)
        start += block.num_rows
    if null.any():
        hi[null] = lo[null] = 0
    return hi, lo, null


def key_problem(schema: pa.Schema, columns: Sequence[Column]) -> str | None:
    """Say why rows of this schema have no such key, or None.

    >>> key_problem(pa.schema([("a", pa.struct([("b", pa.int32())]))]), [("a",)])
    'a is of type struct<b: int32>, which cannot be part of a key'
    """
    if not columns:
        return "a key needs a column"
    for column in columns:
        kind = type_of(schema, column)
        if kind is None:
            return f"there is no column {'.'.join(column)}"
        if kind_of(kind) is None:
            return f"{'.'.join(column)} is of type {kind}, which cannot be part of a key"
    return None


def comparison_problem(
    child: pa.Schema, child_columns: Sequence[Column], parent: pa.Schema, parent_columns: Sequence[Column]
) -> str | None:
    """Say why a child's columns can never equal their parent's, or None."""
    problem = key_problem(child, child_columns) or key_problem(parent, parent_columns)
    if problem is not None:
        return problem
    if len(child_columns) != len(parent_columns):
        return f"{len(child_columns)} columns refer to {len(parent_columns)}"
    for mine, theirs in zip(child_columns, parent_columns, strict=True):
        kinds = kind_of(type_of(child, mine)), kind_of(type_of(parent, theirs))
        if kinds[0] != kinds[1] and "null" not in kinds:
            return f"{'.'.join(mine)} is a {kinds[0]}, {'.'.join(theirs)} of the parent a {kinds[1]}: never equal"
    return None


def type_of(schema: pa.Schema, column: Column) -> pa.DataType | None:
    """Return the type of a column by its path, None where there is none."""
    fields: pa.Schema | pa.StructType = schema
    for name in column[:-1]:
        at = fields.get_field_index(name)
        if at < 0 or not pa.types.is_struct(fields.field(at).type):
            return None
        fields = fields.field(at).type
    at = fields.get_field_index(column[-1])
    return None if at < 0 else fields.field(at).type


def _hash(parts: Sequence[Canonical], rows: int) -> tuple[Array, Array]:
    a, b = np.full(rows, _SEED_A), np.full(rows, _SEED_B)
    for value in parts:
        if value.words is not None:
            _take_words(a, b, value)
        elif value.text is not None:
            _take_text(a, b, value.text, value.tags)
    return _finish(a, b)


def _take_words(a: Array, b: Array, value: Canonical) -> None:
    assert value.words is not None
    if value.text is None:
        word = _spread(value.words.copy())
        word += _tagged(value.tags)
        _step(a, b, word)
        return
    rows = value.text_rows
    assert rows is not None
    assert not isinstance(value.tags, int)
    first, second = a[rows], b[rows]
    _take_text(first, second, value.text, value.tags[rows])
    _take_words(a, b, Canonical(value.tags, value.words, None))
    a[rows], b[rows] = first, second


def _take_text(a: Array, b: Array, text: Text, tags: Array | int) -> None:
    """Take one value of each row into its lanes, word by word; rows that have no more words are left out."""
    lengths = text.lengths
    if len(lengths) == 0:
        return
    shortest, longest = int(lengths.min()), int(lengths.max())
    if longest > SEGMENT:
        _take_long(a, b, text, tags)
        return
    view = np.lib.stride_tricks.as_strided(text.data[:8].view("<u8"), (len(text.data) - 7,), (1,))
    side_by_side = shortest == longest and text.starts[-1] - text.starts[0] == longest * (len(lengths) - 1)
    added = lengths.astype(np.uint64) * _K1
    added += _tagged(tags)
    for done in range(0, max(longest, 1), 8):
        if done and shortest <= done:
            rows = np.flatnonzero(lengths > done)
            word = view[text.starts[rows] + done]
            word &= _MASKS[np.minimum(lengths[rows] - done, 8)]
            first, second = a[rows], b[rows]
            _step(first, second, _spread(word))
            a[rows], b[rows] = first, second
            continue
        if side_by_side:
            place = text.data[text.starts[0] + done :][:8].view("<u8")
            word = np.lib.stride_tricks.as_strided(place, (len(lengths),), (longest,)).copy()
            if longest < done + 8:
                word &= _MASKS[longest - done]
        else:
            word = view[text.starts + done]
            if shortest < done + 8:
                word &= _MASKS[np.minimum(lengths - done, 8)]
        _spread(word)
        if done == 0:
            word += added
        _step(a, b, word)


def _take_long(a: Array, b: Array, text: Text, tags: Array | int) -> None:
    rows = np.flatnonzero(text.lengths > SEGMENT)
    others = np.flatnonzero(text.lengths <= SEGMENT)
    all_tags = np.full(len(text.lengths), tags, np.uint64) if isinstance(tags, int) else tags
    for some, part, tag in (
        (rows, _folded(text.starts[rows], text.lengths[rows], text.data), all_tags[rows] + _U(_FOLDED)),
        (others, Text(text.starts[others], text.lengths[others], text.data), all_tags[others]),
    ):
        first, second = a[some], b[some]
        _take_text(first, second, part, tag)
        a[some], b[some] = first, second


def _folded(starts: Array, lengths: Array, data: Array) -> Text:
    """Return, for each long text, the hashes of its segments one after another."""
    counts = -(-lengths // SEGMENT)
    firsts = np.cumsum(counts) - counts
    number = np.arange(int(counts.sum())) - np.repeat(firsts, counts)
    seg_starts = np.repeat(starts, counts) + number * SEGMENT
    seg_lengths = np.minimum(np.repeat(lengths, counts) - number * SEGMENT, SEGMENT)
    a, b = np.full(len(number), _SEED_A), np.full(len(number), _SEED_B)
    tags = np.full(len(number), _FOLDED, np.uint64)
    _take_text(a, b, Text(seg_starts, seg_lengths, data), tags)
    hi, lo = _finish(a, b)
    hashes = np.zeros((len(number) + 1, 2), "<u8")  # one more: the eight readable bytes
    hashes[:-1, 0], hashes[:-1, 1] = hi, lo
    return Text(firsts * 16, counts * 16, hashes.reshape(-1).view(np.uint8)[:-8])


def _tagged(tags: Array | int) -> Array | np.uint64:
    return _U(tags * int(_K2) & 0xFFFFFFFFFFFFFFFF) if isinstance(tags, int) else tags * _K2


def _spread(word: Array) -> Array:
    word *= _C1
    word ^= word >> _32
    word *= _C2
    word ^= word >> _29
    return word


def _step(a: Array, b: Array, word: Array) -> None:
    a ^= word
    a *= _PA
    a ^= a >> _32
    b ^= word
    b *= _PB
    b ^= b >> _29


def _finish(a: Array, b: Array) -> tuple[Array, Array]:
    a += b
    b += a
    for lane in (a, b):
        lane ^= lane >> _33
        lane *= _F1
        lane ^= lane >> _33
        lane *= _F2
        lane ^= lane >> _33
    a += b
    b += a
    return a, b
