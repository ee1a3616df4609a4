"""Windows in hops: when an event counts. All moments are whole microseconds since 1970 UTC.

Event time is cut into hops, each open at its beginning and closed at its end. At the moment t a window of some width
holds the complete hops within (t - width, t], and of their events those that were published by t. So an event counts
from the end of its hop, or its publication if that is later, up to the moment when its hop begins to leave the window.
"""

from __future__ import annotations

MINUTE = 60_000_000
HOPS = 120
"""A window has so many hops, unless they would be shorter than a minute."""


def hop_of(width: int) -> int:
    """Return how long a window's hops are; the width must be whole minutes.

    >>> hop_of(24 * 60 * MINUTE) // MINUTE, hop_of(120 * MINUTE) // MINUTE, hop_of(10 * MINUTE) // MINUTE
    (12, 1, 1)
    """
    return max(MINUTE, width // HOPS)


def hop_end(event: int, hop: int) -> int:
    """Return the end of the hop in which an event lies: the first multiple of ``hop`` that is not before it."""
    return -(-event // hop) * hop


def visible_from(event: int, published: int, hop: int) -> int:
    """Return the first moment at which an event counts."""
    return max(hop_end(event, hop), published)


def visible_through(event: int, hop: int, width: int) -> int:
    """Return the last moment at which it does; it may be before the first one: then it never counts."""
    return hop_end(event, hop) - hop + width
