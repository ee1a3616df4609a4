"""From valid bytes to columns: ``pyarrow.json`` over many records at once, and one by one where it will not do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson
import pyarrow as pa

from ray_pipeline.contracts.arrow import landing_schema
from ray_pipeline.contracts.shape import Date, Json, ListOf, Number, Record, RootShape, Shape, Timestamp
from ray_pipeline.types import Violation

from . import codes, exact
from .convert import Converter, LiteralNeededError, RefusedError, admits, converter, holds, needs_conversion, refusals
from .prescan import has_long_literals
from .reading import Reader
from .results import Columns, Judgement
from .times import Cast, Positions, cast_dates, cast_timestamps
from .violations import MOST

if TYPE_CHECKING:
    from .violations import Explainer

_ROWS: Final = 4000
_BYTES: Final = 64_000_000
"""A block ends at whichever comes first: small enough that one odd row costs its neighbours little."""
_WHITESPACE: Final = " \t\r\n"
_EMPTY: Final = b"{}"
_MINUS_ZERO: Final = re.compile(rb"-0[\]},\s]")
"""An integer literal that a parser of integers reads as 0, and Arrow in a column of doubles as -0.0."""
_EXPONENT: Final = re.compile(rb"[0-9][eE]\+?[0-9]")
_STRICT, _LOOSE, _ONE_BY_ONE = range(3)
"""Ways to read a block, from fast to slow."""
_PATIENCE: Final = 16
"""After so many blocks the fast way is tried again."""


@dataclass(slots=True)
class _Block:
    """Some rows on their way to a table."""

    rows: Sequence[int]
    texts: Sequence[bytes]
    odd: list[bool]
    refused: set[int] = field(default_factory=set)
    """Positions in ``rows``."""
    truncated: list[Positions] = field(default_factory=list)
    judged_again: dict[int, tuple[Violation, ...]] = field(default_factory=dict)
    """Refused positions whose integers, which a double rounds, break the contract after all."""


class Lander:
    """Lands the valid records of one shape."""

    def __init__(
        self,
        shape: RootShape,
        sub_microseconds: str,
        explainer: Explainer,
        explain_exactly: Callable[[bytes], tuple[Violation, ...]],
    ) -> None:
        self._shape = shape
        self._truncate = sub_microseconds == "truncate"
        self._explainer, self._explain_exactly = explainer, explain_exactly
        self._landing = landing_schema(shape)
        self._reader = Reader(shape)
        self._convert = converter(shape)
        self._always_convert = needs_conversion(shape)
        self._admits: Callable[[Any], bool] = admits(shape)
        self._timed = [index for index, field_ in enumerate(_fields(shape)) if _is_timed(field_)]
        self.holds_doubles = holds(shape, Number)

    def land(self, judgement: Judgement) -> Columns:
        """Land every valid value that a row can hold unchanged, in order."""
        rows: list[int] = []
        tables: list[pa.Table] = []
        violations: dict[int, tuple[Violation, ...]] = {}
        truncated = 0
        way = first = _STRICT if self._reader.is_direct else _ONE_BY_ONE
        for number, block in enumerate(_blocks(judgement)):
            table, way = self._land(block, first if number % _PATIENCE == 0 else way)
            for position in sorted(block.refused):
                violations[block.rows[position]] = (
                    block.judged_again.get(position)
                    or tuple(self.refusals(block.texts[position]))
                    or (Violation((), codes.MISMATCH, "", "valid, but not of its columns' types"),)
                )
            truncated += sum(int(np.isin(lost, list(block.refused), invert=True).sum()) for lost in block.truncated)
            rows.extend(_kept(block))
            tables.append(table)
        return Columns(rows, pa.concat_tables([self._landing.empty_table(), *tables]), violations, truncated)

    def refusals(self, text: bytes) -> Iterator[Violation]:
        """Yield every reason why a record that the schema may admit cannot land."""
        value = exact.read_literals(text.decode())
        for number, (path, code, message) in enumerate(refusals(self._shape, value, (), truncate=self._truncate)):
            if number == MOST:
                return
            yield Violation(self._explainer.path(path), code, "", message)

    def _land(self, block: _Block, way: int) -> tuple[pa.Table, int]:
        """Return the block's table, and the way that led to it: the next block will likely need the same."""
        if isinstance(self._shape, Json):
            texts = [text.decode().strip(_WHITESPACE) for text in block.texts]
            return pa.table([pa.array(texts, pa.string())], schema=self._landing), way
        for attempt in range(way, _ONE_BY_ONE):
            if (table := self._whole(block, attempt)) is not None:
                return self._cast(table, block), attempt
        return self._cast(self._one_by_one(block), block), _ONE_BY_ONE

    def _whole(self, block: _Block, way: int) -> pa.Table | None:
        """Read the block as it came, but for the rows that are known to be odd."""
        apart = block.odd
        if way == _LOOSE:
            if not self._reader.has_integers:
                return None
            apart = [odd or long for odd, long in zip(apart, has_long_literals(block.texts), strict=True)]
        read = self._reader.strict if way == _STRICT else self._reader.loose
        if not any(apart):
            return read(block.texts)
        plain = [position for position, is_apart in enumerate(apart) if not is_apart]
        others = [position for position, is_apart in enumerate(apart) if is_apart]
        table = read([block.texts[position] for position in plain])
        if table is None:
            return None
        rest = self._read_converted(block, others)
        return pa.concat_tables([table, rest]).take(pa.array(np.argsort(plain + others)))

    def _one_by_one(self, block: _Block) -> pa.Table:
        return self._read_converted(block, range(len(block.rows)))

    def _read_converted(self, block: _Block, positions: Sequence[int]) -> pa.Table:
        """Read the rows at these positions after a look at each; refused ones leave an empty row."""
        texts = [block.texts[position] for position in positions]
        parts: list[bytes] = []
        for position, text, is_long in zip(positions, texts, has_long_literals(texts), strict=True):
            try:
                literal = is_long or _MINUS_ZERO.search(text) is not None
                if (
                    self._reader.has_integers
                    and (is_long or _EXPONENT.search(text))
                    and exact.has_rounded_integers(text)
                ):
                    self._judge_again(text, position, block)
                parts.append(self._converted(text, block.odd[position], literal))
            except RefusedError:
                block.refused.add(position)
                parts.append(_EMPTY)
        table = self._reader.full(parts)
        return self._read_what_can_be(parts, positions, block) if table is None else table

    def _judge_again(self, text: bytes, position: int, block: _Block) -> None:
        """Refuse an integer that was judged as the nearest double, and would land as what it is."""
        if reasons := self._explain_exactly(text):
            block.judged_again[position] = reasons
            raise RefusedError(reasons[0].rule)

    def _converted(self, text: bytes, is_odd: bool, is_long: bool) -> bytes:
        """Return the text if Arrow reads it exactly; else one that says the same and that it does."""
        convert = self._convert
        if convert is None:
            return text
        if not self._always_convert and not is_odd:
            value = orjson.loads(text)
            if self._admits(value):
                return text
            if not is_long:
                return self._dumped(convert, value, text)
        value = exact.read_literals(text.decode()) if is_odd or is_long else orjson.loads(text)
        return self._dumped(convert, value, text)

    def _dumped(self, convert: Converter, value: Any, text: bytes) -> bytes:
        try:
            return orjson.dumps(convert(value))
        except LiteralNeededError:
            return orjson.dumps(convert(exact.read_literals(text.decode())))

    def _read_what_can_be(self, parts: list[bytes], positions: Sequence[int], block: _Block) -> pa.Table:
        """Halve until the rows that Arrow refuses are alone; they are refused, the others land."""
        tables: list[pa.Table] = []
        waiting = [(0, len(parts))]
        while waiting:
            start, end = waiting.pop()
            table = self._reader.full(parts[start:end])
            if table is not None:
                tables.append(table)
            elif end - start == 1:
                block.refused.add(positions[start])
                parts[start] = _EMPTY
                waiting.append((start, end))
            else:
                middle = (start + end) // 2
                waiting += [(middle, end), (start, middle)]
        return pa.concat_tables(tables)

    def _cast(self, table: pa.Table, block: _Block) -> pa.Table:
        """Cast the dates and times, and take out the refused rows."""
        assert isinstance(self._shape, Record)
        if self._timed:
            owners = np.arange(table.num_rows)
            table = table.combine_chunks()
            columns = table.columns
            for index in self._timed:
                shape = self._shape.fields[index].shape
                columns[index] = self._cast_array(_whole(columns[index]), shape, owners, block)
            table = pa.table(columns, schema=self._landing)
        if not block.refused:
            return table
        keep = np.ones(table.num_rows, np.bool_)
        keep[list(block.refused)] = False
        return table.filter(pa.array(keep))

    def _cast_array(self, array: pa.Array, shape: Shape, owners: Positions, block: _Block) -> pa.Array:
        match shape:
            case Timestamp(local_zone=zone):
                return _note(cast_timestamps(array, zone, truncate=self._truncate), owners, block)
            case Date():
                return _note(cast_dates(array), owners, block)
            case ListOf(items=items) if _is_timed(items):
                offsets = array.offsets.to_numpy()
                inner = np.repeat(owners, np.diff(offsets))
                values = self._cast_array(array.values.slice(offsets[0], len(inner)), items, inner, block)
                start = pa.array(offsets - offsets[0], pa.int32())
                return pa.ListArray.from_arrays(start, values, mask=array.is_null())
            case Record(fields=fields) if _is_timed(shape):
                names = [field_.name for field_ in array.type]
                shapes = [field_.shape for field_ in fields]
                children = [array.field(index) for index in range(len(names))]
                children[: len(shapes)] = [
                    self._cast_array(child, inner_shape, owners, block)
                    for child, inner_shape in zip(children, shapes, strict=False)
                ]
                return pa.StructArray.from_arrays(children, names, mask=array.is_null())
            case _:
                return array


def _blocks(judgement: Judgement) -> Iterator[_Block]:
    rows: Sequence[int] = range(len(judgement.valid))
    values: Sequence[Any] = judgement.values
    if judgement.violations:
        rows, values = list(compress(rows, judgement.valid)), list(compress(values, judgement.valid))
    start = 0
    while start < len(rows):
        end = min(start + _ROWS, len(rows))
        while end > start + 1 and sum(map(len, values[start:end])) > _BYTES:
            end = (start + end) // 2
        own = rows[start:end]
        odd = [row in judgement.odd for row in own] if judgement.odd else [False] * len(own)
        yield _Block(own, values[start:end], odd)
        start = end


def _kept(block: _Block) -> Sequence[int]:
    if not block.refused:
        return block.rows
    return [row for position, row in enumerate(block.rows) if position not in block.refused]


def _note(cast: Cast, owners: Positions, block: _Block) -> pa.Array:
    block.refused.update(owners[cast.refused].tolist())
    if len(cast.truncated):
        block.truncated.append(owners[cast.truncated])
    return cast.array


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _fields(shape: RootShape) -> list[Shape]:
    return [field_.shape for field_ in shape.fields] if isinstance(shape, Record) else []


def _is_timed(shape: Shape) -> bool:
    return holds(shape, Timestamp) or holds(shape, Date)
