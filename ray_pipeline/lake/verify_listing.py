"""Which logs there are, from the objects themselves: a log whose marker is lost is found too."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import groupby

from ray_pipeline.lake.keys import LogId, LogKey, parse_log_key, quote
from ray_pipeline.lake.ports import ObjectStore


@dataclass(slots=True)
class LogObjects:
    """The numbers that the names of one log's objects tell."""

    log: LogId
    entries: list[int] = field(default_factory=list)
    """Ascending; with holes, where objects are lost."""
    segments: list[int] = field(default_factory=list)

    @property
    def missing(self) -> int | None:
        """The first entry that is lost at the log's end, where a segment still tells of later ones."""
        last = max(self.entries, default=-1)
        return last + 1 if max(self.segments, default=-1) > last else None


def list_logs(store: ObjectStore, pipeline: str, topics: Collection[str] | None) -> Iterator[LogObjects]:
    """Yield the logs in order of topic, incarnation and partition."""
    for prefix in _prefixes(pipeline, topics):
        keys = (parsed for key in store.list(prefix) if (parsed := parse_log_key(key)) is not None)
        for log, group in groupby(keys, key=lambda key: key.log):
            yield _gather(log, group)


def _prefixes(pipeline: str, topics: Collection[str] | None) -> list[str]:
    folder = f"{quote(pipeline)}/_log"
    return [folder] if topics is None else [f"{folder}/{quote(topic)}" for topic in sorted(set(topics))]


def _gather(log: LogId, keys: Iterator[LogKey]) -> LogObjects:
    objects = LogObjects(log)
    for key in keys:
        if key.segment is not None:
            objects.segments.append(key.segment)
        if key.n is not None:
            objects.entries.append(key.n)
    return objects
