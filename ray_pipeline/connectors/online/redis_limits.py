"""How long Redis keeps a row whose view has a ttl."""

from __future__ import annotations

from datetime import timedelta

_MARGIN = timedelta(days=1)


def expiry(ttl: timedelta | None) -> float | None:
    """Return the seconds from a write after which a row may be forgotten; None: never.

    It is far beyond the ttl, so that a row that is too old is still found and said to be too old; and a late row that
    is older than a forgotten one is itself too old to be read.

    >>> expiry(timedelta(hours=1)), expiry(timedelta(0))
    (93600.0, None)
    """
    return (2 * ttl + _MARGIN).total_seconds() if ttl else None
