"""The id of a run: OpenLineage wants a UUID, ours may be any text."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from uuid import UUID


def moment(text: str) -> datetime:
    """Return a moment that is written with its offset from UTC; ``ValueError`` where it has none."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a moment needs its offset from UTC")
    return at.astimezone(UTC)


def event_time(text: str) -> str:
    """Return the moment as events carry it.

    >>> event_time("2013-01-01T01:00:00+01:00")
    '2013-01-01T00:00:00.000000Z'
    """
    return moment(text).isoformat(timespec="microseconds").replace("+00:00", "Z")


def run_uuid(started_at: str, *identity: str) -> str:
    """Return a UUID of version 7 that the same start and identity always give: every event of a run finds it again.

    >>> run_uuid("2013-01-01T00:00:00Z", "flights", "departures", "nightly")
    '013bf368-5800-7c20-bf0b-c2338f6aa05d'
    """
    started = moment(started_at)
    digest = hashlib.sha256()
    for part in (event_time(started_at), *identity):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    since = started - datetime(1970, 1, 1, tzinfo=UTC)
    milliseconds = (since.days * 86_400 + since.seconds) * 1_000 + since.microseconds // 1_000
    number = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(digest.digest()[:10], "big")
    number = number & ~(0xF000 << 64) | 0x7000 << 64
    return str(UUID(int=number & ~(0xC000 << 48) | 0x8000 << 48))
