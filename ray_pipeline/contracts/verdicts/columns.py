"""From valid bytes to columns: ``pyarrow.json`` over many records at once, and one by one where it will not do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.json as paj

from ray_pipeline.contracts.arrow import landing_schema, read_schema
from ray_pipeline.contracts.shape import Date, Json, ListOf, Number, Record, RootShape, Shape, Timestamp
from ray_pipeline.types import Violation

from . import codes, exact
from .convert import LiteralNeededError, RefusedError, admits, converter, holds, needs_conversion, refusals
from .prescan import has_long_literals
from .results import Columns, Judgement
from .times import Cast, Positions, cast_dates, cast_timestamps
from .violations import MOST

if TYPE_CHECKING:
    from .violations import Explainer

_ROWS: Final = 4000
_BYTES: Final = 64_000_000
"""A block ends at whichever comes first: small enough that one odd row costs its neighbours little."""
_WHITESPACE: Final = " \t\r\n"
_MANY_ODD: Final = 0.1


@dataclass(slots=True)
class _Block:
    """Some rows on their way to a table."""

    rows: Sequence[int]
    texts: Sequence[bytes]
    odd: list[bool]
    refused: set[int] = field(default_factory=set)
    """Positions in ``rows``."""
    truncated: list[Positions] = field(default_factory=list)


class Lander:
    """Lands the valid records of one shape."""

    def __init__(self, shape: RootShape, sub_microseconds: str, explainer: Explainer) -> None:
        self._shape = shape
        self._truncate = sub_microseconds == "truncate"
        self._explainer = explainer
        self._landing = landing_schema(shape)
        self._read_schema = read_schema(shape)
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
        screen = False
        for block in _blocks(judgement):
            table, screen = self._land(block, screen)
            for position in sorted(block.refused):
                violations[block.rows[position]] = tuple(self.refusals(block.texts[position])) or (
                    Violation((), codes.MISMATCH, "", "valid, but not of its columns' types"),
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

    def _land(self, block: _Block, screen: bool) -> tuple[pa.Table, bool]:
        """Return the block's table, and whether the next block had better be screened before it is read."""
        if isinstance(self._shape, Json):
            texts = [text.decode().strip(_WHITESPACE) for text in block.texts]
            return pa.table([pa.array(texts, pa.string())], schema=self._landing), False
        parts: Sequence[bytes] = block.texts
        if self._always_convert or screen or any(block.odd):
            parts = self._converted(block, screen)
        table = self._read(parts)
        if table is None:
            block.refused.clear()
            parts = self._converted(block, screen=True)
            table = self._read(parts)
            screen = sum(a is not b for a, b in zip(parts, block.texts, strict=True)) > _MANY_ODD * len(parts)
        elif screen:
            screen = sum(a is not b for a, b in zip(parts, block.texts, strict=True)) > _MANY_ODD * len(parts)
        if table is None:
            table = self._read_what_can_be(list(parts), block)
        return self._cast(table, block), screen

    def _converted(self, block: _Block, screen: bool) -> list[bytes]:
        """Return the texts, those that Arrow must not see as they are rewritten; ``{}`` stands for refused ones."""
        literal = has_long_literals(block.texts) if self._always_convert or screen else block.odd
        parts: list[bytes] = []
        for position, (text, is_long) in enumerate(zip(block.texts, literal, strict=True)):
            try:
                parts.append(self._rewritten(text, block.odd[position], is_long, screen))
            except RefusedError:
                block.refused.add(position)
                parts.append(b"{}")
        return parts

    def _rewritten(self, text: bytes, is_odd: bool, is_long: bool, screen: bool) -> bytes:
        convert = self._convert
        if convert is None or not (self._always_convert or is_odd or screen):
            return text
        value = exact.read_literals(text.decode()) if is_odd or is_long else orjson.loads(text)
        if screen and not (is_odd or self._always_convert) and self._admits(orjson.loads(text) if is_long else value):
            return text
        try:
            return orjson.dumps(convert(value))
        except LiteralNeededError:
            return orjson.dumps(convert(exact.read_literals(text.decode())))

    def _read(self, parts: Sequence[bytes]) -> pa.Table | None:
        """Read one object per text; None where Arrow will not, for whatever reason."""
        joined = b"\n".join(parts)
        try:
            table = paj.read_json(
                pa.BufferReader(joined),
                read_options=paj.ReadOptions(use_threads=False, block_size=len(joined) + 1),
                parse_options=paj.ParseOptions(
                    explicit_schema=self._read_schema, newlines_in_values=True, unexpected_field_behavior="error"
                ),
            )
        except pa.ArrowInvalid:
            return None
        return table if table.num_rows == len(parts) else None

    def _read_what_can_be(self, parts: list[bytes], block: _Block) -> pa.Table:
        """Halve until the rows that Arrow refuses are alone; they are refused, the others land."""
        tables: list[pa.Table] = []
        waiting = [(0, len(parts))]
        while waiting:
            start, end = waiting.pop()
            table = self._read(parts[start:end])
            if table is not None:
                tables.append(table)
            elif end - start == 1:
                block.refused.add(start)
                tables.append(self._read_schema.empty_table().slice(0, 0))
                parts[start] = b"{}"
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
