"""What a process that answers again and again need not work out again: decoded states, and features of a request."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ray_pipeline.features.decoded import DecodedStates
from ray_pipeline.features.rowwise import not_row_by_row
from ray_pipeline.runtime.features.answers import FeatureValue

if TYPE_CHECKING:
    from ray_pipeline.features.definition import RequestDefinition

MOST_REQUESTS: Final = 4_096
LONGEST_TEXT: Final = 64
"""Characters of a value; a request with a longer one is not kept, so that all of them are a few megabytes."""

OfRequest = Mapping[str, FeatureValue]
_Key = tuple[tuple[type, Any], ...]


class Remembered:
    """Bounded, and threads may share it.

    A request's features are kept where each is a function of one row's values that polars knows by itself. A team's own
    Python is called for each request: what else it looks at nobody knows.
    """

    def __init__(self, most_requests: int = MOST_REQUESTS) -> None:
        self.decode = DecodedStates()
        self._most, self._lock = most_requests, threading.Lock()
        self._kept: OrderedDict[_Key, OfRequest] = OrderedDict()
        self._definition: RequestDefinition | None = None
        self._is_pure = False

    def __len__(self) -> int:
        """Return how many requests are kept."""
        return len(self._kept)

    def of_request(self, definition: RequestDefinition, row: Mapping[str, Any]) -> OfRequest | None:
        """Return the features of a request with these values; None where they are not known."""
        key = _key(definition, row)
        with self._lock:
            if key is None or definition is not self._definition:
                return None
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def keep(self, definition: RequestDefinition, row: Mapping[str, Any], found: OfRequest) -> None:
        """Keep the features of a request, and forget those that were asked for longest ago."""
        key = _key(definition, row)
        with self._lock:
            if definition is not self._definition:
                self._kept.clear()
                self._definition = definition
                self._is_pure = not any(map(not_row_by_row, definition.features.values()))
            if key is not None and self._is_pure:
                self._kept[key] = found
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)


def _key(definition: RequestDefinition, row: Mapping[str, Any]) -> _Key | None:
    """Return what tells the values apart: 1 from 1.0 and true, and 0.0 from -0.0."""
    parts: list[tuple[type, Any]] = []
    for name in definition.inputs:
        value: Any = row.get(name)
        kind = type(value)
        if kind is float:
            value = value.hex()
        elif kind is str and len(value) > LONGEST_TEXT:
            return None
        parts.append((kind, value))
    return tuple(parts)
