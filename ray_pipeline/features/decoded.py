"""States that were decoded lately, by their bytes: many answers rest on the same ones, until an event changes them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from ray_pipeline.features.shape import ViewShape
from ray_pipeline.features.state_codec import Columns, columns_of

MOST_BYTES: Final = 4 * 2**20
"""Of encoded states: decoded they take some ten times as much."""


class DecodedStates:
    """What :func:`~ray_pipeline.features.state_codec.columns_of` says, kept for the states that were read last.

    Never more than ``most_bytes`` of encoded states, and none that alone is a sixteenth of it. Threads may share it;
    nobody may change what it gives.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._lock = most_bytes, threading.Lock()
        self._kept: OrderedDict[tuple[int, bytes], Columns] = OrderedDict()
        self.size = 0
        """Bytes of the encoded states that are kept."""

    def __call__(self, shape: ViewShape, data: bytes) -> Columns:
        """Return the columns of a state; raise ``ValueError`` where the bytes are not one of so many features."""
        key = (len(shape.features), data)  # the one thing of a shape that their being a state depends on
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        found = columns_of(shape, data)
        if len(data) > self._most // 16:
            return found
        with self._lock:
            if key not in self._kept:
                self._kept[key] = found
                self.size += len(data)
                while self.size > self._most:
                    (_, oldest), _ = self._kept.popitem(last=False)
                    self.size -= len(oldest)
        return found
