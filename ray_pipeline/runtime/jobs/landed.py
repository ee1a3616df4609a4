"""What a topic's commit logs say since the last gate: which files are new, and how far the events have come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ray_pipeline.lake.entries import Data, DataFile
from ray_pipeline.lake.history import read_history
from ray_pipeline.lake.keys import LogId
from ray_pipeline.lake.log_reader import read_tail
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.topics import find_logs
from ray_pipeline.types import Offset


@dataclass(frozen=True, slots=True)
class LandedFile:
    """A file that a log entry names, and what only the entry knows of it."""

    file: DataFile
    committed_at: int
    """Landing time, microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far one log was read: its entry ``n`` is the last one, and ends at offset ``end``."""

    n: int
    end: Offset


@dataclass(frozen=True, slots=True)
class Landed:
    """What landed of one topic after some positions, up to others."""

    files: tuple[LandedFile, ...]
    bad_files: tuple[LandedFile, ...]
    before: Mapping[LogId, Position]
    """Where reading began; a log that is not in it was read from its first entry."""
    through: Mapping[LogId, Position]
    newest: datetime | None
    """The highest event time that ever landed."""
    oldest: datetime | None
    """The lowest event time of the files here."""
    watermark: datetime | None
    """The lowest of the partitions' highest event times; None until each log with rows has one."""


def read_landed(store: ObjectStore, pipeline: str, topic: str, since: Mapping[LogId, Position]) -> Landed:
    """Return what was committed after ``since``, from the logs alone. Raises ``LogBrokenError`` for a bad entry."""
    files: list[LandedFile] = []
    bad: list[LandedFile] = []
    through = dict(since)
    highest: list[datetime] = []
    lowest: list[datetime] = []
    for log in find_logs(store, pipeline, topic):
        tail = read_tail(store, log)  # before the entries: ingest goes on, and a watermark must not pass what is read
        known = since.get(log)
        n, end = (-1, 0) if known is None else (known.n, known.end)
        for number, entry in read_history(store, log, first=n + 1):
            n = number
            end = getattr(entry, "end", getattr(entry, "start", end))
            if isinstance(entry, Data):
                moment = microseconds(entry.committed_at)
                files += [LandedFile(file, moment) for file in entry.files]
                bad += [LandedFile(file, moment) for file in entry.bad_files]
                if entry.event_time_min is not None:
                    lowest.append(as_moment(entry.event_time_min))
        if n >= 0:
            through[log] = Position(n, end)
            if tail is not None and tail.event_time_max is not None:
                highest.append(as_moment(tail.event_time_max))
    return Landed(
        tuple(files),
        tuple(bad),
        since,
        through,
        max(highest, default=None),
        min(lowest, default=None),
        min(highest, default=None),
    )


def as_moment(text: str) -> datetime:
    """Return a moment as entries write it; one past the year 9999, which is a legal event time, as the last there is.

    >>> as_moment("2013-02-08T00:00:00.000000Z")
    datetime.datetime(2013, 2, 8, 0, 0, tzinfo=datetime.timezone.utc)
    """
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        early = text.startswith(("-", "0000"))
        return (datetime.min if early else datetime.max).replace(tzinfo=UTC)


def microseconds(text: str) -> int:
    """Return microseconds since 1970, exactly.

    >>> microseconds("1970-01-01T00:00:01.000001Z")
    1000001
    """
    past = as_moment(text) - datetime(1970, 1, 1, tzinfo=UTC)
    return (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds
