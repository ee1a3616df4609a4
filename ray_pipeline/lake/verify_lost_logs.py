"""I1, for a log that is not there at all: its marker and its files still tell of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ray_pipeline.lake.keys import LogId, bad_key, data_key
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.topics import find_logs


def lost_logs(
    store: ObjectStore, pipeline: str, topics: Collection[str] | None, known: Collection[LogId]
) -> Iterator[tuple[LogId, str]]:
    """Yield each log that a marker names and that has no entry, with a file of its partition.

    A marker alone says nothing: an owner may have died between it and the first entry. Files are written under a
    claim only, so where they lie the log was there. Of a partition whose topic was made again, the files may belong
    to the other log: then nothing is said.
    """
    partitions = {(log.topic, log.partition) for log in known}
    for topic in (None,) if topics is None else sorted(set(topics)):
        for log in find_logs(store, pipeline, topic):
            if (log.topic, log.partition) not in partitions:
                file = _a_file(store, log)
                if file is not None:
                    yield log, file


def _a_file(store: ObjectStore, log: LogId) -> str | None:
    data = data_key(log.pipeline, log.topic, log.partition, 0, 0, "", 0, "0")
    bad = bad_key(log.pipeline, log.topic, log.partition, 0, 0, 0, "0")
    for key in (data, bad):
        found = next(store.list(key.rpartition("/")[0]), None)
        if found is not None:
            return found
    return None
