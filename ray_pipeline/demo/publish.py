"""Hand a plan's records to whoever can publish them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .events import Event

Produce = Callable[[str, bytes, bytes | None, int], None]
"""Publish one record: topic, key, value (None: a tombstone), timestamp in milliseconds."""


@dataclass(slots=True)
class Published:
    """How much was published so far."""

    records: dict[str, int] = field(default_factory=dict)
    """By topic."""
    bytes: dict[str, int] = field(default_factory=dict)
    """Keys and values, by topic."""
    last_timestamp_ms: int = -1
    """The simulated moment that publication has reached; -1 before the first record."""

    @property
    def total(self) -> int:
        """Records of all topics."""
        return sum(self.records.values())

    def add(self, event: Event) -> None:
        """Count one record."""
        self.records[event.topic] = self.records.get(event.topic, 0) + 1
        size = len(event.key) + len(event.value or b"")
        self.bytes[event.topic] = self.bytes.get(event.topic, 0) + size
        self.last_timestamp_ms = event.timestamp_ms


def publish(
    records: Iterable[Event], produce: Produce, progress: Callable[[Published], None] | None = None, every: int = 1000
) -> Published:
    """Produce the records in their order and count them.

    ``progress`` is called after each ``every`` records and at the end. It may wait: that is how to pace a stretch
    that is longer than what the broker keeps.
    """
    published = Published()
    for event in records:
        produce(event.topic, event.key, event.value, event.timestamp_ms)
        published.add(event)
        if progress is not None and published.total % every == 0:
            progress(published)
    if progress is not None:
        progress(published)
    return published
