"""A hundred log entries in one object, and the pointer to the newest one: what keeps start-up and snapshots short.

Both only repeat what the entries say. A missing segment costs a reader a hundred small reads, a stale pointer costs
one read per segment; neither can make a reader wrong.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from ray_pipeline.errors import LogBrokenError
from ray_pipeline.lake.entries import FORMAT, LogEntry, Pause, Tail, decode
from ray_pipeline.lake.keys import SEGMENT_SIZE, LogId, pointer_key, segment_key
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.types import ContractRef


@dataclass(frozen=True, slots=True)
class Segment:
    """Entries ``tail.n - 99`` to ``tail.n`` as they were written, and everything before folded with them."""

    entries: tuple[bytes, ...]
    tail: Tail

    @property
    def first(self) -> int:
        """The number of the first entry."""
        return self.tail.n - len(self.entries) + 1

    def decoded(self) -> list[LogEntry]:
        """Return the entries as values."""
        return [decode(entry) for entry in self.entries]


def is_last_of_segment(n: int) -> bool:
    """Say whether entry ``n`` fills a segment.

    >>> [n for n in range(250) if is_last_of_segment(n)]
    [99, 199]
    """
    return n % SEGMENT_SIZE == SEGMENT_SIZE - 1


def last_of_segment(n: int) -> int:
    """Return the number of the last entry in the segment that holds entry ``n``.

    >>> last_of_segment(0), last_of_segment(99), last_of_segment(100)
    (99, 99, 199)
    """
    return n - n % SEGMENT_SIZE + SEGMENT_SIZE - 1


def encode_segment(entries: Sequence[bytes], tail: Tail) -> bytes:
    """Return the segment as JSON; the same bytes whoever writes it."""
    header = json.dumps({"format": FORMAT, "tail": asdict(tail)}, separators=(",", ":")).encode()
    return b"\n".join([header, *entries])


def read_segment(store: ObjectStore, log: LogId, last: int) -> Segment | None:
    """Return the segment that ends with entry ``last``, or None where it was not written."""
    data = store.get(segment_key(log, last))
    if data is None:
        return None
    header, *entries = data.split(b"\n")
    try:
        segment = Segment(tuple(entries), _tail(json.loads(header)))
    except (ValueError, KeyError, TypeError) as error:
        raise LogBrokenError(str(log), last, f"its segment cannot be read ({error})") from error
    if segment.tail.n != last or len(entries) != SEGMENT_SIZE:
        raise LogBrokenError(str(log), last, f"its segment holds {len(entries)} entries up to {segment.tail.n}")
    return segment


def write_segment(store: ObjectStore, log: LogId, entries: Sequence[bytes], tail: Tail) -> None:
    """Write a full segment; somebody else's is as good as ours."""
    store.put_if_absent(segment_key(log, tail.n), encode_segment(entries, tail))


def read_pointer(store: ObjectStore, log: LogId) -> int | None:
    """Return the number of the last entry of some segment, perhaps not the newest; None where nothing helps."""
    data = store.get(pointer_key(log))
    try:
        last = json.loads(data)["last"] if data is not None else None
    except (ValueError, KeyError, TypeError):
        return None  # only a hint: a damaged one costs time, not truth
    return last if isinstance(last, int) and last >= 0 and is_last_of_segment(last) else None


def write_pointer(store: ObjectStore, log: LogId, last: int) -> None:
    """Point at the segment that ends with entry ``last``."""
    store.put(pointer_key(log), json.dumps({"last": last}).encode())


def _tail(document: dict[str, Any]) -> Tail:
    values = document["tail"]
    known = {f.name for f in fields(Tail)}
    tail = {name: value for name, value in values.items() if name in known}
    if tail["contract"] is not None:
        tail["contract"] = ContractRef(**tail["contract"])
    if tail["pause"] is not None:
        pause = tail["pause"]
        tail["pause"] = Pause(**{**pause, "contract": ContractRef(**pause["contract"])})
    return Tail(**tail)
