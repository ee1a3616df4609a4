"""A look at the bytes of many records at once, before anything is parsed.

It finds the few records that need a closer look (nested too deep, very many members, numbers that a parser would
round, whitespace in unusual places) and, for all the others, how many keys their text can hold. Vectorised over one
joined buffer it costs a fraction of the parser; a Python call per record and question would cost as much.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

LOOK: Final = -1
"""In place of a number of keys: this record needs a closer look."""

_QUOTE, _BACKSLASH, _COLON, _SPACE, _DOT, _MINUS, _EXPONENT = b'"\\: .-e'
_OPENER: Final = ord("{")  # "[" differs in the bit 0x20 only
_ZERO: Final = ord("0")
_DIGITS: Final = re.compile(rb"[0-9]+")
_INT64_DIGITS: Final = 19
_DOUBLE_DIGITS: Final = 16
_LITERAL: Final = 16

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]
_NOWHERE: Final[Indices] = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What makes a record worth a closer look."""

    depth: int
    """More brackets than this."""
    size: int
    """More bytes than this: it could hold more keys or items than the caps."""
    doubles: bool
    """Whether an integer that a double cannot hold is one (it is when some column holds doubles)."""


def prescan(texts: Sequence[bytes], sizes: Indices, suspicion: Suspicion) -> list[int]:
    """Return for each text an upper bound of the keys that are written in it, or ``LOOK``.

    The bound is exact unless a string holds ``":``, and never too low: a record whose parsed objects have that many
    keys has no key twice. It is never 0. ``sizes`` are the lengths of the texts.

    >>> texts = [b'{"a":{"b":1}}', b'{"a" :1}', b'{"a":"12:30"}']
    >>> prescan(texts, sizes_of(texts), Suspicion(64, 1000, False))
    [2, -1, 1]
    """
    ends = np.cumsum(sizes + 1)
    buffer = np.frombuffer(_joined(texts), np.uint8)
    keys, strange = _keys(buffer)
    counts = _per_record(keys, ends)
    look = (sizes > suspicion.size) | (counts == 0)
    look |= _per_record(np.flatnonzero((buffer | 0x20) == _OPENER), ends) > suspicion.depth
    for positions in (strange, _long_integers(buffer, suspicion.doubles)):
        if len(positions):
            look[np.searchsorted(ends, positions, side="right")] = True
    counts[look] = LOOK
    bounds: list[int] = counts.tolist()
    return bounds


def sizes_of(texts: Sequence[bytes]) -> Indices:
    """Return the length of each text; raises TypeError where one is None."""
    return np.fromiter(map(len, texts), np.int64, len(texts))


def has_long_literals(texts: Sequence[bytes]) -> list[bool]:
    """Say for each text whether it may hold a number that is not the same once it was a double.

    Those of up to 15 digits are, unless they are next to zero. One more character allows for the point.
    """
    ends = np.cumsum(sizes_of(texts) + 1)
    buffer = np.frombuffer(_joined(texts), np.uint8)
    found = np.zeros(len(texts), np.bool_)
    digits = _digits(buffer)
    for flags in (_runs(digits | (buffer == _DOT), _LITERAL), _tiny_exponents(buffer, digits)):
        found[np.searchsorted(ends, np.flatnonzero(flags), side="right")] = True
    answers: list[bool] = found.tolist()
    return answers


def _tiny_exponents(buffer: Bytes, digits: Flags) -> Flags:
    """Return where an exponent of -100 or less begins."""
    small = ((buffer | 0x20) == _EXPONENT)[:-4] & (buffer[1:-3] == _MINUS)
    found: Flags = small & digits[2:-2] & digits[3:-1] & digits[4:]
    return found


def _joined(texts: Sequence[bytes]) -> bytes:
    return b"\n".join([*texts, b""])


def _per_record(positions: Indices, ends: Indices) -> Indices:
    counts: Indices = np.diff(np.searchsorted(positions, ends), prepend=0)
    return counts


def _keys(buffer: Bytes) -> tuple[Indices, Indices]:
    """Return where the colons after keys are, and where colons are whose role is not clear without a parser."""
    before = buffer[:-1]
    colons = buffer[1:] == _COLON
    keys = np.flatnonzero(colons & (before == _QUOTE)) + 1
    strange = np.flatnonzero(colons & (before <= _SPACE)) + 1
    escaped = buffer[keys - 2] == _BACKSLASH
    if escaped.any():
        # \": stands inside a string; \\": ends one, and counting backslashes is the parser's work.
        doubtful = keys[escaped]
        strange = np.concatenate((strange, doubtful[buffer[doubtful - 3] == _BACKSLASH]))
        keys = keys[~escaped]
    return keys, strange


def _digits(buffer: Bytes) -> Flags:
    digits: Flags = (buffer - np.uint8(_ZERO)) < np.uint8(10)
    return digits


def _runs(flags: Flags, length: int) -> Flags:
    """Return where a run of ``length`` flags begins, by doubling."""
    reach = 1
    while reach < length:
        step = min(reach, length - reach)
        flags = flags[:-step] & flags[step:]
        reach += step
    return flags


def _long_integers(buffer: Bytes, doubles: bool) -> Indices:
    """Return where integers begin that a double (or a 64-bit integer) may not hold."""
    length = _DOUBLE_DIGITS if doubles else _INT64_DIGITS
    if len(buffer) <= length:
        return _NOWHERE
    digits = _digits(buffer)
    found = np.flatnonzero(_runs(digits, length))
    if not len(found):
        return _NOWHERE
    starts: Indices = found[~digits[found - 1]]
    before = buffer[starts - 1]
    starts = starts[(before != _DOT) & (before != _QUOTE)]
    if not len(starts):
        return starts
    # Of the shortest that are suspect, only those that begin with a 9 can exceed 2^53 or 2^63.
    text = buffer.data
    long = [
        start
        for start in starts.tolist()
        if (match := _DIGITS.match(text, start)) and (match.end() - start > length or text[start] == ord("9"))
    ]
    return np.array(long, np.int64)
