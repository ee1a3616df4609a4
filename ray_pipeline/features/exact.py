"""Columns of numbers as whole numbers of one unit, so that sums over spans are exact and a result is rounded once.

A float is a whole number of some power of two, a decimal of its last digit. Whole numbers are pieces of 32 bits where
64 would not do for a sum; a quotient is left to the processor only where it is proven to round as Python's does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import polars as pl
import pyarrow as pa

from ray_pipeline.features.spans import Array, total

_LIMB = 32
_MASK = (1 << _LIMB) - 1
_EXACT = 1 << 53
"""A float holds every whole number up to here."""
_SHALLOW = 900
"""Within this power of two a float of 53 bits and a quotient of them stay normal numbers: scaling does not round."""

Totals = Array | list[int]
"""64-bit integers; Python's where those would not do."""


@dataclass(frozen=True, slots=True)
class Whole:
    """Numbers: the sum of ``limbs[i] << 32 * i``, times ``2 ** power``, divided by ``divisor``."""

    limbs: tuple[Array, ...]
    power: int = 0
    divisor: int = 1

    def sums(self, places: int, begin: Array, end: Array, most: int) -> Totals:
        """Return the sum at each place, in this column's unit; at no place do more than ``most`` spans meet."""
        if len(self.limbs) == 1:
            limb = self.limbs[0]
            if _largest(limb) * most < 1 << 63:
                return total(places, begin, end, limb)
            return Whole((limb & _MASK, limb >> _LIMB)).sums(places, begin, end, most)
        found = np.zeros(places, object)
        for limb in reversed(self.limbs):  # a limb is at most 34 bits, and nobody has 2^29 events in one window
            found = (found << _LIMB) + total(places, begin, end, limb).astype(object)
        return cast("list[int]", found.tolist())


def whole(values: pl.Series) -> Whole:
    """Return integers, decimals, booleans or finite floats, none of them null, as whole numbers."""
    dtype = values.dtype
    if isinstance(dtype, pl.Decimal):
        return _decimals(values, dtype.scale)
    if dtype.is_float():
        return _floats(values.cast(pl.Float64).to_numpy())
    return Whole((values.cast(pl.Int64).to_numpy(),))


def quotients(sums: Totals, unit: Whole, counts: Array | None = None) -> Array:
    """Return each sum, divided by its count if there is one, rounded once; raise ``OverflowError`` beyond any float.

    Where the count is 0 the answer is 0.
    """
    divisors = np.ones(len(sums), np.int64) if counts is None else np.maximum(counts, 1)
    if isinstance(sums, list) or abs(unit.power) > _SHALLOW or unit.divisor * _largest(divisors) >= _EXACT:
        return np.array(_slow(sums, unit, divisors), np.float64)
    scaled = divisors * unit.divisor
    found = sums.astype(np.float64) / scaled
    if scaled.max(initial=1) > 1:
        wide = (sums >= _EXACT) | (sums <= -_EXACT)
        found[wide] = [a / b for a, b in zip(sums[wide].tolist(), scaled[wide].tolist(), strict=True)]
    found = np.ldexp(found, unit.power)
    if not np.isfinite(found).all():
        raise OverflowError("beyond the largest float")
    return found


def decimals_as_floats(values: pl.Series) -> pl.Series:
    """Return decimals as the nearest floats, nulls as nulls."""
    filled = whole(values.fill_null(0))
    sums = filled.limbs[0] if len(filled.limbs) == 1 else _joined(filled.limbs)
    return pl.Series(values.name, quotients(sums, filled)).set(values.is_null(), None)


def _joined(limbs: Sequence[Array]) -> list[int]:
    found = np.zeros(len(limbs[0]), object)
    for limb in reversed(limbs):
        found = (found << _LIMB) + limb.astype(object)
    return cast("list[int]", found.tolist())


def _slow(sums: Totals, unit: Whole, divisors: Array) -> list[float]:
    """Divide Python's integers: their quotient is the float nearest to the true one."""
    up, down = max(unit.power, 0), max(-unit.power, 0)
    numerators = sums if isinstance(sums, list) else sums.tolist()
    factor = unit.divisor << down
    return [(a << up) / (b * factor) for a, b in zip(numerators, divisors.tolist(), strict=True)]


def _largest(numbers: Array) -> int:
    return max(int(numbers.max(initial=0)), -int(numbers.min(initial=0)))


def _decimals(values: pl.Series, scale: int) -> Whole:
    column = values.cast(pl.Decimal(38, scale)).to_arrow()
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    halves = np.frombuffer(column.buffers()[1], "<i8", 2 * len(column), column.offset * 16).reshape(-1, 2)
    low, high = halves[:, 0], halves[:, 1]
    if ((low >> 63) == high).all():
        return Whole((low.copy(),), divisor=10**scale)
    pieces = (low & _MASK, (low >> _LIMB) & _MASK, high & _MASK, high >> _LIMB)
    return Whole(pieces, divisor=10**scale)


def _floats(numbers: Array) -> Whole:
    fractions, exponents = np.frexp(numbers)
    mantissas = np.ldexp(fractions, 53).astype(np.int64)
    exponents = exponents.astype(np.int64) - 53
    filled = mantissas != 0
    if not filled.any():
        return Whole((np.zeros(len(numbers), np.int64),))
    # The unit is the lowest bit that any of them has: whole numbers stay as small as they are.
    zeros = np.frexp((mantissas & -mantissas).astype(np.float64))[1] - 1
    power = int((exponents + zeros)[filled].min())
    highest = int(np.frexp(np.abs(numbers).max())[1]) - power
    if highest <= 62:
        return Whole((np.ldexp(numbers, -power).astype(np.int64),), power)
    return Whole(_limbs(mantissas, np.where(filled, exponents - power, 0), highest), power)


def _limbs(mantissas: Array, shifts: Array, bits: int) -> tuple[Array, ...]:
    """Return ``mantissas << shifts`` in pieces; where a shift is negative the mantissa ends in as many zeros."""
    signs = np.sign(mantissas)
    sizes = np.abs(mantissas) >> np.maximum(-shifts, 0)
    place, rest = np.divmod(np.maximum(shifts, 0), _LIMB)
    low, high = (sizes & _MASK) << rest, (sizes >> _LIMB) << rest
    pieces = (low & _MASK, (low >> _LIMB) + (high & _MASK), high >> _LIMB)
    limbs = np.zeros((bits // _LIMB + 4, len(mantissas)), np.int64)
    rows = np.arange(len(mantissas))
    for i, piece in enumerate(pieces):
        limbs[place + i, rows] += signs * piece
    return tuple(limbs[: bits // _LIMB + 1])  # above the highest bit of any there is nothing
