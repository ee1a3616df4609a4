"""What was said of each window of a subject, once and for all: numbered records in the object store.

::

    <pipeline>/_drift/<subject>/windows/00000001.json    who creates it where none is has closed the window

A record is sealed by its own SHA-256, and never changes. Two watchers that close the same window at the same moment
leave one record, and both go on from that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Any

from ray_pipeline.clock import Clock, WallClock, backoff
from ray_pipeline.drift.verdict import Window, WindowVerdict
from ray_pipeline.errors import CommitUnknownError, FileCorruptError, StoreUnavailableError
from ray_pipeline.lake.numbered import numbered_key, read_next
from ray_pipeline.lake.seal import seal, unseal
from ray_pipeline.runtime.drift.keys import subject_prefix

if TYPE_CHECKING:
    from ray_pipeline.drift.alarm import Alarm
    from ray_pipeline.lake.ports import ObjectStore

FORMAT = 1
ATTEMPTS = 8
"""How often a write is tried before its outcome is called unknown."""


@dataclass(frozen=True, slots=True)
class AlarmState:
    """Whether the subject is in alarm, as of a window."""

    fired: bool
    since: Window | None
    """The first window of those that fired it."""
    columns: tuple[str, ...]
    """Those that moved in enough of the windows."""
    windows: int
    """How many of the last windows drift."""

    @classmethod
    def of(cls, found: Alarm) -> AlarmState:
        """Return an alarm as it is recorded."""
        return cls(found.fired, found.since, tuple(found.columns), found.windows)

    def to_json(self) -> dict[str, Any]:
        """Return the state as :meth:`from_json` reads it."""
        since = None if self.since is None else {"first": self.since.first, "until": self.since.until}
        return {"fired": self.fired, "since": since, "columns": list(self.columns), "windows": self.windows}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> AlarmState:
        """Read a state."""
        since = None if found["since"] is None else Window(**found["since"])
        return cls(found["fired"], since, tuple(found["columns"]), found["windows"])


@dataclass(frozen=True, slots=True)
class WindowRecord:
    """One closed window."""

    number: int
    """From 1, without holes, over all baselines of the subject."""
    baseline: int
    """Number of the baseline that it was compared with: the windows of one baseline are a series."""
    model: str | None
    """The model version of that baseline, as ``late_arrival/3``."""
    verdict: WindowVerdict
    alarm: AlarmState
    """After this window, over its series."""
    through: Mapping[str, int]
    """Log → last entry that was read. What landed later of these days is late."""
    watermark_us: int
    """How far event time was everywhere."""
    late_rows: int
    """Rows that had come, until here, for windows that were closed before."""
    closed_at: str = field(compare=False)
    """The one thing in it that the data does not decide."""

    @property
    def window(self) -> Window:
        """Its days."""
        return self.verdict.window

    def to_json(self) -> dict[str, Any]:
        """Return the record as :meth:`from_json` reads it."""
        return {
            "format": FORMAT,
            "number": self.number,
            "baseline": self.baseline,
            "model": self.model,
            "verdict": self.verdict.to_json(),
            "alarm": self.alarm.to_json(),
            "through": dict(sorted(self.through.items())),
            "watermark_us": self.watermark_us,
            "late_rows": self.late_rows,
            "closed_at": self.closed_at,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> WindowRecord:
        """Read a record; ``ValueError`` where it is none, or of a later format."""
        try:
            if found["format"] != FORMAT:
                raise ValueError(f"is of format {found['format']!r}, and this version reads {FORMAT}")
            return cls(
                number=found["number"],
                baseline=found["baseline"],
                model=found["model"],
                verdict=WindowVerdict.from_json(found["verdict"]),
                alarm=AlarmState.from_json(found["alarm"]),
                through=dict(found["through"]),
                watermark_us=found["watermark_us"],
                late_rows=found["late_rows"],
                closed_at=found["closed_at"],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"is no record of a window ({type(error).__name__})") from None


class WindowLog:
    """The closed windows of a pipeline's subjects."""

    def __init__(
        self, store: ObjectStore, pipeline: str, *, clock: Clock | None = None, rng: Random | None = None
    ) -> None:
        self._store, self._pipeline = store, pipeline
        self._clock: Clock = clock or WallClock()
        self._rng = rng or SystemRandom()
        self._read: dict[str, tuple[WindowRecord, ...]] = {}

    def read(self, subject: str) -> tuple[WindowRecord, ...]:
        """Return every closed window, oldest first. What was read once is kept: records never change.

        ``FileCorruptError`` where one is no record, or is gone while later ones are there.
        """
        found = list(self._read.get(subject, ()))
        folder = window_folder(self._pipeline, subject)
        while (data := read_next(self._store, folder, len(found) + 1)) is not None:
            found.append(self._record(subject, len(found) + 1, data))
        self._read[subject] = tuple(found)
        return self._read[subject]

    def append(self, record: WindowRecord) -> WindowRecord:
        """Close a window, and return the record that stands under its number: this one, or who was quicker's."""
        subject = record.verdict.subject
        key, data = self._key(subject, record.number), seal(record.to_json())
        for attempt in range(ATTEMPTS):
            try:
                if self._store.put_if_absent(key, data):
                    return record
                there = self._store.get(key)
            except StoreUnavailableError:
                there = None
            if there is not None:
                return self._record(subject, record.number, there)
            self._clock.sleep(backoff(attempt, self._rng))
        raise CommitUnknownError(window_folder(self._pipeline, subject), record.number)

    def _record(self, subject: str, number: int, data: bytes) -> WindowRecord:
        key = self._key(subject, number)
        try:
            found = WindowRecord.from_json(unseal(data))
        except ValueError as error:
            raise FileCorruptError(key, str(error)) from None
        if (found.number, found.verdict.subject) != (number, subject):
            raise FileCorruptError(key, f"says that it is window {found.number} of {found.verdict.subject}")
        return found

    def _key(self, subject: str, number: int) -> str:
        return numbered_key(window_folder(self._pipeline, subject), number)


def window_folder(pipeline: str, subject: str) -> str:
    """Return the folder of a subject's closed windows.

    >>> window_folder("flights", "departures")
    'flights/_drift/departures/windows'
    """
    return f"{subject_prefix(pipeline, subject)}/windows"
