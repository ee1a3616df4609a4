"""Valid or not, and why not: the verdict on each record's bytes."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import orjson

from ray_pipeline.contracts.engine import compile_schema
from ray_pipeline.types import Violation

from . import codes, exact
from .columns import Lander
from .convert import holds_open
from .duplicate_keys import count_keys, key_counter, keys_written, most_items
from .names import names_in
from .prescan import LOOK, Indices, Suspicion, prescan, sizes_of
from .results import Columns, Judgement, Verdicts
from .violations import MOST, Explainer

if TYPE_CHECKING:
    from ray_pipeline.contracts.model import DataContract

_BATCH: Final = 2000
"""Records per prescan: their bytes stay in the processor's cache."""
_DEEPEST: Final = 512
"""No contract may ask for more: parser and validator recurse on the machine's stack."""
_SMALLEST_KEY: Final = 5
_SMALLEST_ITEM: Final = 2
_PAST_PARSER: Final = re.compile(rb'(?<![0-9."])[0-9]{19}')
_PAST_DOUBLE: Final = re.compile(rb'(?<![0-9."])[0-9]{16}')
_NUMBER_STARTS: Final = frozenset("-0123456789")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


_Found = int | tuple[Any] | None
"""What the fast pass found: a valid record's keys, an invalid record, or nothing that it could parse."""


class RecordJudge:
    """The compiled form of one contract. Build it once; it is used from one thread per method."""

    def __init__(self, contract: DataContract) -> None:
        self._limits = contract.limits
        self._objects_only = contract.kind == "odcs"
        self._validator = compile_schema(
            contract.json_schema,
            contract.draft,
            assert_formats=contract.formats == "assert",
            resources=contract.resources,
            ours=contract.kind == "odcs",
            mask="…",
        )
        self._explainer = Explainer(names_in(contract.json_schema, *contract.resources.values()))
        self._count = key_counter(contract.shape)
        self._counts_all = not holds_open(contract.shape)
        self._whole = contract.draft != 4
        self._lander = Lander(contract.shape, contract.sub_microseconds, self._explainer, self._explain_exactly)
        self._max_depth = min(self._limits.max_depth, _DEEPEST)
        self._suspicion = Suspicion(
            depth=self._max_depth,
            size=min(self._limits.max_keys * _SMALLEST_KEY, self._limits.max_items * _SMALLEST_ITEM),
            doubles=self._lander.holds_doubles,
        )

    def validate(self, records: Sequence[bytes]) -> Verdicts:
        """Judge and land in one step."""
        judgement = self.judge(records)
        landed = self.columns(judgement)
        reasons = judgement.violations | landed.violations
        valid = [index not in reasons for index in range(len(judgement.valid))]
        return Verdicts(valid, [reasons.get(index, ()) for index in range(len(valid))], landed.table, landed.truncated)

    def columns(self, judgement: Judgement) -> Columns:
        """Land the valid values; a value that no row can hold unchanged is refused here."""
        return self._lander.land(judgement)

    def judge(self, values: Sequence[bytes | None]) -> Judgement:
        """Give every value its verdict, whatever its bytes are."""
        valid = [True] * len(values)
        violations: dict[int, tuple[Violation, ...]] = {}
        odd: set[int] = set()
        with _collector_off():
            for start in range(0, len(values), _BATCH):
                for index, bound, found in self._doubtful(values[start : start + _BATCH]):
                    position = start + index
                    reasons, is_odd = self._look(values[position], bound, found)
                    if reasons:
                        valid[position] = False
                        violations[position] = reasons
                    elif is_odd:
                        odd.add(position)
        return Judgement(values, valid, violations, frozenset(odd))

    def _doubtful(self, values: Sequence[bytes | None]) -> Iterator[tuple[int, int, _Found]]:
        """Yield each value that is not proven valid: index, bound of keys, what was found in it."""
        texts, sizes = self._parseable(values)
        bounds = prescan(texts, sizes, self._suspicion)
        if LOOK in bounds:
            safe = [index for index, bound in enumerate(bounds) if bound != LOOK]
            found: list[_Found] = [None] * len(bounds)
            for index, one in zip(safe, self._found([texts[index] for index in safe]), strict=True):
                found[index] = one
        else:
            found = self._found(texts)
        if found != bounds:
            for index, (one, bound) in enumerate(zip(found, bounds, strict=True)):
                if one != bound:
                    yield index, bound, one

    def _parseable(self, values: Sequence[bytes | None]) -> tuple[Sequence[bytes], Indices]:
        """Return texts in place of values: an empty one where there is nothing to parse, or too much."""
        most = self._limits.max_bytes
        try:
            sizes = sizes_of(values)  # type: ignore[arg-type]
            if not len(sizes) or sizes.max() <= most:
                return values, sizes  # type: ignore[return-value]
        except TypeError:  # a tombstone
            pass
        texts = [b"" if value is None or len(value) > most else value for value in values]
        return texts, sizes_of(texts)

    def _found(self, texts: Sequence[bytes]) -> list[_Found]:
        """Parse and judge: the number of keys of a valid record, and an invalid one itself.

        A valid record lives no longer than its place in this line.
        """
        is_valid, loads, count = self._validator.is_valid, orjson.loads, self._count
        try:
            return [count(record) if is_valid(record := loads(text)) else (record,) for text in texts]
        except ValueError:  # one text is no JSON: go on one by one
            return [self._found_one(text) for text in texts]

    def _found_one(self, text: bytes) -> _Found:
        try:
            record = orjson.loads(text)
        except ValueError:
            return None
        return self._count(record) if self._validator.is_valid(record) else (record,)

    def _look(self, value: bytes | None, bound: int, found: _Found) -> tuple[tuple[Violation, ...], bool]:
        """Return everything that is wrong with one value; or nothing, and whether Arrow could round it."""
        if value is None:
            return _one(codes.TOMBSTONE, "a tombstone: the value is null"), False
        if isinstance(found, int):  # valid by the schema, if no key is doubled
            return self._doubled(value, bound), False
        if len(value) > self._limits.max_bytes:
            return _one(codes.TOO_LARGE, f"{len(value)} bytes; the cap is {self._limits.max_bytes}"), False
        if bound == LOOK and self._is_too_deep(value):
            return _one(codes.TOO_DEEP, f"nested deeper than {self._max_depth}"), False
        try:
            record, is_exact = (found[0], False) if found else self._parse(value, bound)
        except exact.NumberTooLongError:
            return _one(codes.NUMBER_TOO_LONG, f"a number of more than {exact.LONGEST} digits, written out"), False
        except ValueError as error:
            return _unreadable(value, error), False
        if reasons := self._too_much(value, record):
            return reasons, False
        if count_keys(record) != bound and (reasons := self._doubled(value, bound)):
            return reasons, False
        if self._objects_only and not isinstance(record, dict):
            return _one(codes.NOT_OBJECT, "a record of this contract is a JSON object"), False
        reasons = self._explainer.explain(self._validator.iter_errors(record))
        if is_exact:
            if reasons and isinstance(record, dict):
                unheld = self._lander.refusals(value)
                reasons += tuple(refusal for refusal in unheld if refusal.rule != codes.MISMATCH)
            return reasons[: MOST + 1], True
        is_odd = bound == LOOK and self._suspicion.doubles and _PAST_DOUBLE.search(value) is not None
        return reasons, is_odd

    def _explain_exactly(self, value: bytes) -> tuple[Violation, ...]:
        """Judge a sound record again, by the integers that it says and not by the nearest doubles."""
        return self._explainer.explain(self._validator.iter_errors(exact.read(value.decode(), whole=self._whole)))

    def _is_too_deep(self, value: bytes) -> bool:
        brackets = value.count(b"[") + value.count(b"{")
        return brackets > self._max_depth and exact.depth(value) > self._max_depth

    def _parse(self, value: bytes, bound: int) -> tuple[Any, bool]:
        """Parse, and say whether it took the exact reading."""
        if bound == LOOK and _PAST_PARSER.search(value):
            return exact.read(value.decode(), whole=False), True
        try:
            return orjson.loads(value), False
        except orjson.JSONDecodeError as error:
            # A number past the doubles is sound JSON; everything else that orjson refuses is not.
            if error.doc[error.pos : error.pos + 1] in _NUMBER_STARTS:
                return exact.read(value.decode(), whole=False), True
            raise

    def _too_much(self, value: bytes, record: Any) -> tuple[Violation, ...]:
        if len(value) <= self._suspicion.size:
            return ()
        if count_keys(record) > self._limits.max_keys:
            return _one(codes.TOO_MANY_KEYS, f"more than {self._limits.max_keys} keys")
        if most_items(record) > self._limits.max_items:
            return _one(codes.TOO_MANY_ITEMS, f"an array of more than {self._limits.max_items} items")
        return ()

    def _doubled(self, value: bytes, bound: int) -> tuple[Violation, ...]:
        """Name the keys that stand twice. Counting again is cheaper than looking, and mostly enough."""
        if not self._counts_all or bound == LOOK:
            with suppress(ValueError):
                if count_keys(orjson.loads(value)) == (keys_written(value) if bound == LOOK else bound):
                    return ()
        found = exact.doubled_keys(value.decode())
        return tuple(
            Violation(self._explainer.path(path), codes.DUPLICATE_KEY, "", f"{self._explainer.key(key)} is named twice")
            for path, key in sorted(found, key=repr)[:MOST]
        )


def _one(code: str, message: str) -> tuple[Violation, ...]:
    return (Violation((), code, "", message),)


def _unreadable(value: bytes, error: ValueError) -> tuple[Violation, ...]:
    """Say why no parser can read it."""
    if (value[:1] == b"\0" and len(value) >= 5) or (value[:1] == b"\1" and len(value) >= 17):
        return _one(codes.FRAMED, "framed for a schema registry, not bare JSON")
    try:
        value.decode()
    except UnicodeDecodeError as undecodable:
        return _one(codes.NOT_UTF8, f"not UTF-8 from byte {undecodable.start}")
    return _one(codes.MALFORMED, _malformed(value, error))


def _malformed(value: bytes, error: ValueError) -> str:
    if not value:
        return "empty"
    if value.startswith(_BYTE_ORDER_MARK):
        return "starts with a byte order mark"
    if isinstance(error, orjson.JSONDecodeError):
        return f"not one JSON text: {error.msg.split(':')[0]} (character {error.pos})"
    return "not one JSON text"


@contextmanager
def _collector_off() -> Iterator[None]:
    """Keep the cyclic collector away: parsed records hold no cycles, and walking them costs more than parsing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
