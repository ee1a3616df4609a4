"""What an aggregate keeps of some events, such that two of them merge into one: its parts, their JSON, their value.

A part is a plain value: a count; a number of values with their exact sum; an extreme; the newest value with its place
in the order; the least different values. Whatever the order of merging, the part is the same, and so are its bytes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import reduce
from operator import or_
from typing import Any

from ray_pipeline.features.aggregates import DEFAULT_CAP, Kind
from ray_pipeline.features.shape import FeatureShape, ValueType

Part = Any
Packed = Any
"""The parts of many cells as JSON: columns, so that reading sums them without touching each."""
Pick = Callable[[list[Any]], list[Any]]
"""Picks some cells' entries out of a column."""

FLOAT_UNIT = 1074
"""Every float is a whole number of 2^-1074."""
_FLOAT_END = ((1 << 1024) - (1 << 970)) << FLOAT_UNIT
"""From here on a sum rounds to no float."""
_INT_END = 1 << 63
_TYPES: dict[str, type] = {"int": int, "float": float, "bool": bool, "string": str, "timestamp": int}
_NONE = type(None)
_LIMB = 48
_LIMB_END = 1 << _LIMB
_LARGEST_UNIT = 2 * FLOAT_UNIT + 64
"""No sum of floats ends in more zeros."""


def decimal_scale(value_type: str) -> int:
    """Return how many digits after the point values have that are kept as whole numbers.

    >>> decimal_scale("decimal:2"), decimal_scale("int")
    (2, 0)
    """
    return int(value_type.partition(":")[2]) if value_type.startswith("decimal:") else 0


def accumulator(feature: FeatureShape) -> Accumulator:
    """Return what computes a feature."""
    match feature.kind:
        case None:
            return Own(feature)
        case Kind.COUNT:
            return Count()
        case Kind.SUM | Kind.MEAN | Kind.SHARE if feature.value_type == "float":
            return FloatSum(feature)
        case Kind.SUM | Kind.MEAN | Kind.SHARE:
            return WholeSum(feature)
        case Kind.MIN | Kind.MAX:
            return Extreme(feature)
        case Kind.LAST:
            return Last(feature)
        case Kind.COUNT_DISTINCT:
            return Distinct(feature)


class Accumulator(ABC):
    """One kind over one type of value. ``pack`` and ``unpack`` are each other's inverse."""

    empty: Part = None
    """Of no event."""

    @abstractmethod
    def merge(self, one: Part, other: Part) -> Part:
        """Return the part of the events of both."""

    @abstractmethod
    def value(self, part: Part) -> Any:
        """Return what a part says, rounded once. Raises ``OverflowError`` where the feature's type cannot hold it."""

    @abstractmethod
    def pack(self, parts: Sequence[Part]) -> Packed:
        """Return the parts of cells, in their order, as JSON."""

    @abstractmethod
    def unpack(self, packed: Packed, cells: int) -> list[Part]:
        """Return the parts of so many cells; raise ``ValueError`` or ``TypeError`` where they are not there."""

    @abstractmethod
    def total(self, packed: Packed, cells: int, pick: Pick) -> Part:
        """Return the part of the picked cells, one at least, as merging them would."""

    def fits(self, part: Part) -> bool:
        """Say whether :meth:`value` can be told."""
        del part
        return True


class _Values(Accumulator):
    """What keeps single values: as JSON has them, but for a decimal, whose digits may be too many for it."""

    def __init__(self, feature: FeatureShape) -> None:
        decimal = feature.value_type.startswith("decimal:")
        self._scale = 10 ** decimal_scale(feature.value_type) if decimal else None
        self._type = int if decimal else _TYPES[feature.value_type]

    def value(self, part: Part) -> Any:
        if part is None:
            return None
        if type(part) is not self._type:
            raise TypeError("a value of another type")
        return part if self._scale is None else part / self._scale

    def pack(self, parts: Sequence[Part]) -> Packed:
        return list(parts) if self._scale is None else list(map(_packed, parts))

    def unpack(self, packed: Packed, cells: int) -> list[Part]:
        found = self._own(_column(packed, cells))
        if not set(map(type, found)) <= {self._type, _NONE}:
            raise TypeError("values of another type")
        return found

    def _own(self, column: list[Any]) -> list[Part]:
        return column if self._scale is None else list(map(_unpacked, column))


class Own(_Values):
    """The value of one event; two of them do not merge."""

    def merge(self, one: Part, other: Part) -> Part:
        del one, other
        raise TypeError("values of two events do not merge")

    def total(self, packed: Packed, cells: int, pick: Pick) -> Part:
        (part,) = self._own(pick(_column(packed, cells)))
        return part


class Count(Accumulator):
    """How many events, or values that are not null."""

    empty = 0

    def merge(self, one: Part, other: Part) -> Part:
        return one + other

    def value(self, part: Part) -> Any:
        return part

    def pack(self, parts: Sequence[Part]) -> Packed:
        return list(parts)

    def unpack(self, packed: Packed, cells: int) -> list[Part]:
        return _whole(_column(packed, cells))

    def total(self, packed: Packed, cells: int, pick: Pick) -> Part:
        return _sum(pick(_column(packed, cells)))


class WholeSum(Accumulator):
    """(number of values, their sum): of integers, of decimals as whole numbers of their last digit, of yes as 1."""

    empty = (0, 0)

    def __init__(self, feature: FeatureShape) -> None:
        self._mean = feature.kind is not Kind.SUM
        self._bounded = not self._mean and feature.type is ValueType.INT64
        self._scale = 10 ** decimal_scale(feature.value_type)

    def merge(self, one: Part, other: Part) -> Part:
        return one[0] + other[0], one[1] + other[1]

    def value(self, part: Part) -> Any:
        count, total = part
        if not count:
            return None
        if not self.fits(part):
            raise OverflowError("a sum beyond 64 bits")
        if self._bounded:
            return total // self._scale
        return total / (self._scale * count if self._mean else self._scale)

    def fits(self, part: Part) -> bool:
        return not self._bounded or -_INT_END <= part[1] < _INT_END

    def pack(self, parts: Sequence[Part]) -> Packed:
        return [[part[0] for part in parts], _limbs([part[1] for part in parts])]

    def unpack(self, packed: Packed, cells: int) -> list[Part]:
        counts, limbs = packed
        return list(zip(_whole(_column(counts, cells)), _joined(limbs, cells), strict=True))

    def total(self, packed: Packed, cells: int, pick: Pick) -> Part:
        counts, limbs = packed
        return _sum(pick(_column(counts, cells))), _sum_of_limbs(limbs, cells, pick)


class FloatSum(Accumulator):
    """(number of values, their exact sum as a whole number of 2^-1074)."""

    empty = (0, 0)

    def __init__(self, feature: FeatureShape) -> None:
        self._mean = feature.kind is not Kind.SUM

    def merge(self, one: Part, other: Part) -> Part:
        return one[0] + other[0], one[1] + other[1]

    def value(self, part: Part) -> Any:
        count, total = part
        if not count:
            return None
        return total / ((count if self._mean else 1) << FLOAT_UNIT)  # of two integers: rounded once, and correctly

    def fits(self, part: Part) -> bool:
        return self._mean or -_FLOAT_END < part[1] < _FLOAT_END

    def pack(self, parts: Sequence[Part]) -> Packed:
        common = reduce(or_, (part[1] for part in parts), 0)
        unit = max(0, (common & -common).bit_length() - 1)  # the greatest power of two that divides every sum
        return [[part[0] for part in parts], unit, _limbs([part[1] >> unit for part in parts])]

    def unpack(self, packed: Packed, cells: int) -> list[Part]:
        counts, unit, limbs = packed
        _check_unit(unit)
        return list(zip(_whole(_column(counts, cells)), [one << unit for one in _joined(limbs, cells)], strict=True))

    def total(self, packed: Packed, cells: int, pick: Pick) -> Part:
        counts, unit, limbs = packed
        _check_unit(unit)
        return _sum(pick(_column(counts, cells))), _sum_of_limbs(limbs, cells, pick) << unit


class Extreme(_Values):
    """The least or the greatest value, None without one."""

    def __init__(self, feature: FeatureShape) -> None:
        super().__init__(feature)
        self._choose: Callable[..., Any] = min if feature.kind is Kind.MIN else max

    def merge(self, one: Part, other: Part) -> Part:
        if one is None or other is None:
            return other if one is None else one
        return self._choose(one, other)

    def total(self, packed: Packed, cells: int, pick: Pick) -> Part:
        picked = self._own(pick(_column(packed, cells)))
        return self._choose((one for one in picked if one is not None), default=None)


class Last(_Values):
    """(event, published, partition, offset, value) of the newest value, None without one."""

    def merge(self, one: Part, other: Part) -> Part:
        if one is None or other is None:
            return other if one is None else one
        return one if one[:4] >= other[:4] else other

    def value(self, part: Part) -> Any:
        return None if part is None else super().value(part[4])

    def pack(self, parts: Sequence[Part]) -> Packed:
        *places, values = ([None if part is None else part[i] for part in parts] for i in range(5))
        return [*places, super().pack(values)]

    def unpack(self, packed: Packed, cells: int) -> list[Part]:
        *places, values = packed
        rows = zip(*(_column(one, cells) for one in places), super().unpack(values, cells), strict=True)
        found = [None if None in row else row for row in rows]
        return [row if row is None else (*_whole(list(row[:4])), row[4]) for row in found]

    def total(self, packed: Packed, cells: int, pick: Pick) -> Part:
        newest = max((event for event in pick(_column(packed[0], cells)) if event is not None), default=None)
        if newest is None:
            return None
        *places, values = (pick(_column(one, cells)) for one in packed)
        rows = [row for row, event in enumerate(places[0]) if event == newest]
        best = max(rows, key=lambda row: [column[row] for column in places])
        event, published, partition, offset = (column[best] for column in places)
        return event, published, partition, offset, self._own([values[best]])[0]


class Distinct(_Values):
    """The least different values up to a cap, sorted: which ones are kept is the same in any order of events."""

    empty = ()

    def __init__(self, feature: FeatureShape) -> None:
        super().__init__(feature)
        self._cap = feature.cap or DEFAULT_CAP

    def merge(self, one: Part, other: Part) -> Part:
        return one if one == other else self._least({*one, *other})

    def value(self, part: Part) -> Any:
        return len(part)

    def pack(self, parts: Sequence[Part]) -> Packed:
        return [super(Distinct, self).pack(part) for part in parts]

    def unpack(self, packed: Packed, cells: int) -> list[Part]:
        return [tuple(super(Distinct, self).unpack(one, len(one))) for one in _column(packed, cells)]

    def total(self, packed: Packed, cells: int, pick: Pick) -> Part:
        values = set().union(*pick(_column(packed, cells)))
        return self._least(values if self._scale is None else set(self._own(list(values))))

    def _least(self, values: set[Any]) -> Part:
        return tuple(sorted(values)[: self._cap])


def _packed(number: Any) -> Any:
    """Return a number as JSON's readers can hold it: one of more than 64 bits is text."""
    return number if number is None or -_INT_END <= number < _INT_END else str(number)


def _unpacked(packed: Any) -> Any:
    return int(packed) if type(packed) is str else packed


def _column(packed: Any, cells: int) -> list[Any]:
    if type(packed) is not list or len(packed) != cells:
        raise ValueError("a column of another length than its cells")
    return packed


def _whole(numbers: list[Any]) -> list[int]:
    if not set(map(type, numbers)) <= {int}:
        raise TypeError("no whole numbers")
    return numbers


def _check_unit(unit: Any) -> None:
    if type(unit) is not int or not 0 <= unit <= _LARGEST_UNIT:
        raise ValueError("no power of two")


def _limbs(numbers: list[int]) -> list[list[int]]:
    """Return the numbers in columns of so few bits that sums of columns stay quick; only the last one has signs.

    >>> _limbs([5, -1]), _limbs([1 << 48, 0])
    ([[5, -1]], [[0, 0], [1, 0]])
    """
    columns = []
    while max(numbers, default=0) >= _LIMB_END or min(numbers, default=0) < -_LIMB_END:
        columns.append([number & (_LIMB_END - 1) for number in numbers])
        numbers = [number >> _LIMB for number in numbers]
    return [*columns, numbers]


def _joined(limbs: Any, cells: int) -> list[int]:
    *lower, highest = limbs
    numbers = _whole(_column(highest, cells))
    for column in reversed(lower):
        numbers = [(high << _LIMB) + low for high, low in zip(numbers, _whole(_column(column, cells)), strict=True)]
    return numbers


def _sum_of_limbs(limbs: Any, cells: int, pick: Pick) -> int:
    total = 0
    for column in reversed(limbs):
        total = (total << _LIMB) + _sum(pick(_column(column, cells)))
    return total


def _sum(numbers: list[Any]) -> int:
    total = sum(numbers)
    if type(total) is not int:
        raise TypeError("no whole numbers")
    return total
