"""What delivering an event can come to."""

from __future__ import annotations

from typing import Any, Protocol

Event = dict[str, Any]


class UndeliveredError(Exception):
    """The event did not arrive. The reason is for people: it names no address, no token and no content."""

    def __init__(self, reason: str, again: bool) -> None:
        super().__init__(reason, again)
        self.reason, self.again = reason, again
        """``again``: the same attempt may succeed later."""

    def __str__(self) -> str:
        return self.reason


class Delivery(Protocol):
    """One way to a receiver."""

    def send(self, event: Event) -> None:
        """Deliver the event, or raise ``UndeliveredError``; it may take a while, but ends."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
