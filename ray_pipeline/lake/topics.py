"""Which topics a pipeline has logs for, and where its first run over each began."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ray_pipeline.errors import LogBrokenError, StoreUnavailableError
from ray_pipeline.lake.keys import LogId, parse_marker_key, topic_key, topics_prefix
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.types import Offset, SourceId


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """What the first run over a topic decided, once and for every later owner.

    Partitions are opened one by one, perhaps after a crash a week later: what ``start: latest`` meant is settled
    here for all that existed then. A partition that was added since is read from 0, whatever the start policy.
    """

    starts: tuple[Offset, ...]

    def start_of(self, partition: int) -> Offset:
        """Return where the log of a partition begins."""
        return self.starts[partition] if partition < len(self.starts) else 0


def enrol_topic(
    store: ObjectStore, pipeline: str, topic: str, source: SourceId, resolve_starts: Callable[[], Sequence[Offset]]
) -> TopicRecord:
    """Return the topic's record, and write it at first sight.

    ``resolve_starts`` is asked only for a topic that this pipeline never read: one that was deleted and made again
    is read from 0.
    """
    key = topic_key(pipeline, topic, source)
    there = store.get(key)
    if there is None:
        known = next(store.list(topics_prefix(pipeline, topic)), None) is not None
        starts = [] if known else [int(offset) for offset in resolve_starts()]
        store.put_if_absent(key, json.dumps({"starts": starts}).encode())
        there = store.get(key)  # perhaps another owner's, which then counts
        if there is None:
            raise StoreUnavailableError(store.url, "show a new object", f"{key} is not visible")
    try:
        return TopicRecord(tuple(json.loads(there)["starts"]))
    except (ValueError, KeyError, TypeError) as error:
        raise LogBrokenError(key, 0, f"cannot be read ({error})") from error


def find_logs(store: ObjectStore, pipeline: str, topic: str | None = None) -> list[LogId]:
    """Return every log of the pipeline, or of one topic, without listing entries. One may be empty still."""
    markers = (parse_marker_key(key) for key in store.list(topics_prefix(pipeline, topic)))
    return sorted(marker for marker in markers if marker is not None)
