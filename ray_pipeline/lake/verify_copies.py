"""I10: segments, which readers take instead of a hundred entries, say exactly what the entries say."""

from __future__ import annotations

from ray_pipeline.errors import LogBrokenError
from ray_pipeline.lake.entries import Tail
from ray_pipeline.lake.keys import segment_key
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.segments import is_last_of_segment, read_segment
from ray_pipeline.lake.verify_ledger import Ledger
from ray_pipeline.lake.verify_listing import LogObjects


class CopyCheck:
    """Holds the entries since the last segment and compares when one is due."""

    def __init__(self, store: ObjectStore, objects: LogObjects, ledger: Ledger) -> None:
        self._store, self._log, self._ledger = store, objects.log, ledger
        self._there = frozenset(objects.segments)
        self._recent: list[bytes] = []
        self._whole = True
        for segment in objects.segments:
            if not is_last_of_segment(segment):
                self._broken(segment, f"no segment ends with entry {segment}")

    def interrupted(self, following: int) -> None:
        """An entry is missing or unreadable, and ``following`` is next: a segment in between cannot be compared."""
        self._recent, self._whole = [], following > 0 and is_last_of_segment(following - 1)

    def entry(self, n: int, content: bytes, tail: Tail | None) -> None:
        """Take the next entry, and the fold up to it (None where the chain is broken)."""
        self._recent.append(content)
        if not is_last_of_segment(n):
            return
        if n in self._there and self._whole:
            self._compare(n, tail)
        self._recent, self._whole = [], True

    def _compare(self, n: int, tail: Tail | None) -> None:
        try:
            segment = read_segment(self._store, self._log, n)
        except LogBrokenError as error:
            self._broken(n, error.reason)
            return
        if segment is None:  # it was listed
            self._broken(n, "was listed and is not there")
        elif segment.entries != tuple(self._recent):
            self._broken(n, "its entries are not those of the log")
        elif tail is not None and segment.tail != tail:
            self._broken(n, "its sums are not those of the log")

    def _broken(self, n: int, message: str) -> None:
        self._ledger.broken("I10", self._log, segment_key(self._log, n), None, message)
