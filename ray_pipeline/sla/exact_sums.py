"""Sums of numbers and of their squares without any rounding, so that no order of adding can change them.

Whole numbers and decimals are cut into pieces of 32 bits, whose sums and whose products' halves' sums fit 64 bits for
any batch of less than 2^32 rows; Python's integers do the rest. A float is a whole number of 53 bits and an exponent:
floats whose exponents are near each other are whole numbers of one unit.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pyarrow as pa

from .measure import Array

_LOW = np.uint64(0xFFFF_FFFF)
_HALF = np.uint64(32)
_WINDOW = 11
"""Exponents apart: 53 bits shifted by up to ten are at most 63."""


def sum_whole(numbers: Array) -> tuple[int, int]:
    """Return the sum of integers and the sum of their squares.

    >>> sum_whole(np.array([2**62, 2**62, -1]))
    (9223372036854775807, 42535295865117307932921825928971026433)
    """
    if not len(numbers):
        return 0, 0
    largest = max(abs(int(numbers.min())), abs(int(numbers.max())))
    if largest * largest * len(numbers) < 2**63:
        wide = numbers.astype(np.int64, copy=False)
        return int(wide.sum()), int(np.dot(wide, wide))
    negative = numbers < 0
    size = numbers.astype(np.uint64)
    np.negative(size, out=size, where=negative)
    return _from_limbs([size & _LOW, size >> _HALF], negative)


def sum_decimals(column: pa.Array) -> tuple[int, int]:
    """Return the sum, and the sum of squares, of decimals without nulls, as whole numbers of their last digit."""
    size, negative = decimal_limbs(column)
    return _from_limbs([size[:, i].astype(np.uint64) for i in range(size.shape[1])], negative)


def decimal_limbs(column: pa.Array) -> tuple[Array, Array]:
    """Return the digits of decimals without nulls: pieces of 32 bits of their size, lowest first, and their signs."""
    width = column.type.byte_width // 4
    raw = np.frombuffer(column.buffers()[1], "<u4", len(column) * width, column.offset * width * 4)
    limbs = raw.reshape(len(column), width)
    negative = (limbs[:, -1] >> np.uint32(31)).astype(bool)
    if not negative.any():
        return limbs, negative
    size = limbs.copy()
    flipped = ~size[negative]
    carry = np.ones(len(flipped), bool)
    for i in range(width):
        flipped[:, i] += carry.astype(np.uint32)
        carry &= flipped[:, i] == 0
    size[negative] = flipped
    return size, negative


def decimal_sizes(column: pa.Array) -> Array:
    """Return decimals without nulls as floats, some units in the last place off, but the same on every machine."""
    limbs, negative = decimal_limbs(column)
    size = np.zeros(len(column), np.float64)
    for i in reversed(range(limbs.shape[1])):
        size = size * 4294967296.0 + limbs[:, i]
    scale = column.type.scale
    size = size / float(10**scale) if scale >= 0 else size * float(10**-scale)
    return np.where(negative, -size, size)


def sum_floats(numbers: Array) -> tuple[Fraction, Fraction]:
    """Return the exact sum of finite floats, and of their squares.

    >>> sum_floats(np.array([1e300, 1.0, -1e300]))[0]
    Fraction(1, 1)
    """
    bits = np.ascontiguousarray(numbers, np.float64).view(np.int64)
    exponents = (bits >> 52) & 0x7FF
    mantissas = bits & ((1 << 52) - 1)
    mantissas[exponents > 0] |= 1 << 52
    np.negative(mantissas, out=mantissas, where=bits < 0)
    np.maximum(exponents, 1, out=exponents)
    exponents[mantissas == 0] = exponents.max(initial=1)
    lowest = int(exponents.min(initial=0x7FF))
    shifts = exponents - lowest
    windows = shifts // _WINDOW
    first = second = 0
    for window in np.flatnonzero(np.bincount(windows)).tolist():
        inside = slice(None) if window == 0 and shifts.max() < _WINDOW else windows == window
        base = window * _WINDOW
        total, squares = sum_whole(mantissas[inside] << (shifts[inside] - base))
        first += total << base
        second += squares << (2 * base)
    unit = lowest - 1075
    return _shifted(first, unit), _shifted(second, 2 * unit)


def square_root(number: Fraction) -> float:
    """Return the square root of a fraction that is not negative, rounded once."""
    if not number:
        return 0.0
    shift = 2 * max(0, 64 - (number.numerator.bit_length() - number.denominator.bit_length()) // 2)
    scaled, rest = divmod(number.numerator << shift, number.denominator)
    root = math.isqrt(scaled)
    inexact = rest != 0 or root * root != scaled
    return float(Fraction((root << 1) | inexact, 1 << (shift // 2 + 1)))  # the last bit only says "and a bit more"


def _shifted(number: int, places: int) -> Fraction:
    return Fraction(number << places) if places >= 0 else Fraction(number, 1 << -places)


def _from_limbs(pieces: list[Array], negative: Array) -> tuple[int, int]:
    """Return sum and sum of squares of numbers given as pieces of 32 bits (in uint64), lowest first."""
    limbs = [(place, limb) for place, limb in enumerate(pieces) if limb.any()]
    first = second = 0
    mixed = negative.any()
    for i, (place, limb) in enumerate(limbs):
        total = int(limb.sum())
        if mixed:
            total -= 2 * int(limb[negative].sum())
        first += total << (32 * place)
        for other_place, other in limbs[i:]:
            product = limb * other
            square = (int((product >> _HALF).sum()) << 32) + int((product & _LOW).sum())
            second += square << (32 * (place + other_place) + (other_place != place))
    return first, second
