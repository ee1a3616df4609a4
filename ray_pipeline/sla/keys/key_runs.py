"""The keys of one file as a sorted run of hashes, each with the row that it is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla.columns import measure_id, microseconds, values
from ray_pipeline.sla.keys.hashing import hash_rows
from ray_pipeline.sla.keys.packed import TYPES, Packed, pack
from ray_pipeline.sla.measure import Array, State, Where
from ray_pipeline.sla.stored import same_state, whole

NEVER = int(np.iinfo(np.int64).min)
"""The time of a row that has none: before all others."""

_REFS = ("_partition", "_offset", "_timestamp")
_HASH = np.dtype("<u8")


@dataclass(frozen=True, slots=True)
class Run:
    """Keys, ascending by (hi, lo, row); beside each what belongs to its row.

    Numbers by name: ``row`` (its number in the file), ``partition``, ``offset`` and ``published`` (milliseconds since
    1970) where the file has these columns, ``time`` (microseconds) where it was asked for.
    """

    hi: Array
    lo: Array
    numbers: Mapping[str, Packed]

    def __len__(self) -> int:
        return len(self.hi)


class KeyRun:
    """The keys of the rows of one file (and day). Never merge those of two files: a row is known by its number.

    ``merge`` only puts pieces side by side; they are sorted once, when the run is asked for.
    """

    __slots__ = ("_pieces", "_run", "nulls", "rows")

    def __init__(self, rows: int = 0, nulls: int = 0, pieces: tuple[Run, ...] = (), run: Run | None = None) -> None:
        self.rows, self.nulls = rows, nulls
        """All rows that were seen; those of them with a null in the key, which have no key."""
        self._pieces = pieces
        self._run = run

    @property
    def keys(self) -> int:
        """How many rows have a key."""
        return self.rows - self.nulls

    @property
    def run(self) -> Run:
        """All of them, sorted."""
        if self._run is None:
            self._run = _sorted(self._pieces)
            self._pieces = (self._run,)
        return self._run

    def merge(self, other: KeyRun) -> KeyRun:
        pieces = tuple(piece for piece in (*self._pieces, *other._pieces) if len(piece))
        return KeyRun(self.rows + other.rows, self.nulls + other.nulls, pieces)

    def state(self) -> State:
        run = self.run
        bases = {name: packed.base for name, packed in run.numbers.items()}
        arrays = {name: packed.above for name, packed in run.numbers.items()}
        return State({"rows": self.rows, "nulls": self.nulls, "bases": bases}, {"hi": run.hi, "lo": run.lo, **arrays})

    def __eq__(self, other: object) -> bool:
        return same_state(self.state(), other.state()) if isinstance(other, KeyRun) else NotImplemented

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class KeyRuns:
    """The hashes of ``key`` of every row in which no part of it is null, and the moment in ``time`` where asked.

    A row without that moment has the earliest one there is (``NEVER``).
    """

    key: tuple[Column, ...]
    time: Column | None = None

    @property
    def id(self) -> str:
        return measure_id("key_runs", key=self.key, time=self.time)

    @property
    def columns(self) -> tuple[str, ...]:
        """Ours among them; a file that our ingest did not write has none of those, and its rows go by number."""
        paths = self.key if self.time is None else (*self.key, self.time)
        return tuple(dict.fromkeys([*(path[0] for path in paths), *_REFS]))

    def zero(self) -> KeyRun:
        return KeyRun()

    def of(self, batch: pa.Table, where: Where) -> KeyRun:
        hi, lo, null = hash_rows(batch, self.key)
        numbers = {"row": np.arange(where.first_row, where.first_row + batch.num_rows, dtype=np.int64)}
        if {"_partition", "_offset"} <= set(batch.column_names):
            numbers["partition"] = _filled(batch.column("_partition"))
            numbers["offset"] = _filled(batch.column("_offset"))
            if "_timestamp" in batch.column_names:
                numbers["published"] = _filled(batch.column("_timestamp").cast(pa.timestamp("ms", "UTC"), safe=False))
        if self.time is not None:
            numbers["time"] = _moments(values(batch, self.time))
        nulls = int(np.count_nonzero(null))
        if nulls:
            kept = ~null
            hi, lo = hi[kept], lo[kept]
            numbers = {name: array[kept] for name, array in numbers.items()}
        piece = Run(hi, lo, {name: Packed(0, array) for name, array in numbers.items()})
        return KeyRun(batch.num_rows, nulls, (piece,) if len(hi) else ())

    def load(self, state: State) -> KeyRun:
        rows, nulls = whole(state, "rows"), whole(state, "nulls")
        bases, keys = state.values.get("bases"), rows - nulls
        expected = {"row", "time"} if self.time is not None and keys else {"row"} if keys else set()
        others = {"partition", "offset", "published"}
        if not isinstance(bases, dict) or not expected <= bases.keys() <= expected | others:
            raise ValueError("not a run of keys")
        if not all(type(base) is int for base in bases.values()) or state.arrays.keys() != {"hi", "lo", *bases}:
            raise ValueError("a run of keys with other numbers than it says")
        hi, lo = state.arrays["hi"], state.arrays["lo"]
        numbers = {name: Packed(base, state.arrays[name]) for name, base in bases.items()}
        if hi.dtype != _HASH or lo.dtype != _HASH or any(one.above.dtype not in TYPES for one in numbers.values()):
            raise ValueError("a run of keys of another type")
        if {len(hi), len(lo), *map(len, numbers.values())} != {keys}:
            raise ValueError("a run of keys of another length than it says")
        run = Run(hi, lo, numbers)
        return KeyRun(rows, nulls, (run,) if keys else (), run)


def _filled(column: pa.ChunkedArray) -> Array:
    """Return integers, or what a timestamp counts, with ``NEVER`` for null."""
    integers: Array = column.cast(pa.int64()).fill_null(NEVER).to_numpy()
    return integers


def _moments(column: pa.ChunkedArray) -> Array:
    moments = np.full(len(column), NEVER)
    present = column.is_valid().to_numpy() if column.null_count else slice(None)
    moments[present] = microseconds(column)
    return moments


def _sorted(pieces: tuple[Run, ...]) -> Run:
    if not pieces:
        return Run(np.empty(0, _HASH), np.empty(0, _HASH), {})
    hi = np.concatenate([piece.hi for piece in pieces])
    lo = np.concatenate([piece.lo for piece in pieces])
    numbers = {
        name: np.concatenate([piece.numbers[name].take(slice(None)) for piece in pieces]) for name in pieces[0].numbers
    }
    order = sort_order(hi, lo, numbers["row"])
    packed = {name: pack(array[order]) for name, array in sorted(numbers.items())}
    return Run(hi[order].astype(_HASH, copy=False), lo[order].astype(_HASH, copy=False), packed)


def sort_order(hi: Array, lo: Array, row: Array) -> Array:
    """Return the order by (hi, lo, row): two passes of radix sort on the highest 32 bits, then the few ties.

    A comparison sort of 64-bit numbers takes three times as long.
    """
    top = (hi >> np.uint64(32)).astype(np.uint32)
    order = np.argsort(top.astype(np.uint16), kind="stable")  # the lower half of it
    order = order[np.argsort((top >> np.uint32(16)).astype(np.uint16)[order], kind="stable")]
    ranked = top[order]
    same = ranked[1:] == ranked[:-1]
    if same.any():
        tied = np.zeros(len(order), bool)
        tied[1:] = same
        tied[:-1] |= same
        places = np.flatnonzero(tied)
        rows = order[places]
        order[places] = rows[np.lexsort((row[rows], lo[rows], hi[rows]))]
    return order
