"""Where every object of a pipeline lies below the store's root, and what a key says.

::

    <pipeline>/
      _log/<topic>/<cluster>.<topic id>/<partition>/<n>.json            one log entry
                                                    segment-<last>.json  100 entries and their fold
                                                    checkpoint.json      where the newest segment is
      _topics/<topic>/<cluster>.<topic id>/topic.json                    where its first run began
                                           <partition>.json              says that there is a log
      _supervisors/<n>.json
      data/<topic>/<partition>/<start>-<end>-<day>-e<epoch>-<nonce>.parquet
      bad/<topic>/<partition>/<start>-<end>-e<epoch>-<nonce>.parquet
      contracts/<digest>.<yaml|json>

Names from outside (pipeline, topic, cluster) are quoted to ``[A-Za-z0-9._=-]``, so no name can leave its folder.
Numbers are padded, so that a listing is in order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ray_pipeline.types import Offset, SourceId

MAX_SEGMENT = 255
"""What a file system allows for one name; four of them stay below the 1,024 bytes that S3 allows for a key."""
SEGMENT_SIZE = 100
"""Entries per segment; changing it would orphan the segments there are."""

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_QUOTED = re.compile(r"=([0-9A-F]{2})")
_LOG_KEY = re.compile(
    r"(?P<pipeline>[^/]+)/_log/(?P<topic>[^/]+)/(?P<cluster>[^/.]*)\.(?P<topic_id>[^/]*)/(?P<partition>\d{5,})/"
    r"(?:(?P<n>\d{20})|segment-(?P<last>\d{20})|checkpoint)\.json"
)
_MARKER_KEY = re.compile(
    r"(?P<pipeline>[^/]+)/_topics/(?P<topic>[^/]+)/(?P<cluster>[^/.]*)\.(?P<topic_id>[^/]*)/(?P<partition>\d{5,})\.json"
)
_FILE_KEY = re.compile(
    r"(?P<pipeline>[^/]+)/(?P<kind>data|bad)/(?P<topic>[^/]+)/(?P<partition>\d{5,})/"
    r"(?P<start>\d{20})-(?P<end>\d{20})(?:-(?P<day>[^/]+?))?-e(?P<epoch>\d+)-(?P<nonce>[0-9a-z]+)\.parquet"
)


@dataclass(frozen=True, slots=True, order=True)
class LogId:
    """Which partition of which incarnation of a topic a log is about."""

    pipeline: str
    topic: str
    cluster: str
    topic_id: str
    partition: int

    @property
    def source(self) -> SourceId:
        return SourceId(self.cluster, self.topic_id)

    def __str__(self) -> str:
        return log_prefix(self)


@dataclass(frozen=True, slots=True)
class LogKey:
    """What the key of an object in a log's folder says: at most one of the numbers is there."""

    log: LogId
    n: int | None
    """The entry's number."""
    segment: int | None
    """The number of the last entry in the segment."""


@dataclass(frozen=True, slots=True)
class FileKey:
    """What the key of a Parquet file says."""

    pipeline: str
    kind: str
    """``data`` or ``bad``."""
    topic: str
    partition: int
    start: Offset
    end: Offset
    day: str | None
    epoch: int
    nonce: str


def quote(name: str) -> str:
    """Return the name as one path segment that means nothing to any store.

    >>> quote("flights"), quote("../etc"), quote(".."), quote("")
    ('flights', '..=2Fetc', '=2E=2E', '=')
    """
    if not name:
        return "="
    data = name.encode("utf-8", "surrogatepass")
    dots = name in {".", ".."}
    quoted = "".join(chr(byte) if byte in _PLAIN and not dots else f"={byte:02X}" for byte in data)
    if len(quoted) > MAX_SEGMENT:
        raise ValueError(f"a name of {len(quoted)} bytes is too long for a key; at most {MAX_SEGMENT}")
    return quoted


def unquote(segment: str) -> str:
    """Return the name that was quoted.

    >>> unquote(quote("a/b=ü"))
    'a/b=ü'
    """
    if segment == "=":
        return ""
    parts = _QUOTED.split(segment)  # plain, hex, plain, hex, …, plain
    data = b"".join(bytes.fromhex(part) if i % 2 else part.encode() for i, part in enumerate(parts))
    return data.decode("utf-8", "surrogatepass")


def log_prefix(log: LogId) -> str:
    """Return the folder of one log.

    >>> log_prefix(LogId("flights", "departures", "MkU3", "aQ", 3))
    'flights/_log/departures/MkU3.aQ/00003'
    """
    return f"{quote(log.pipeline)}/_log/{quote(log.topic)}/{_incarnation(log.source)}/{log.partition:05d}"


def entry_key(log: LogId, n: int) -> str:
    """Return the key of entry ``n``."""
    return f"{log_prefix(log)}/{n:020d}.json"


def segment_key(log: LogId, last: int) -> str:
    """Return the key of the segment whose last entry is ``last``."""
    return f"{log_prefix(log)}/segment-{last:020d}.json"


def pointer_key(log: LogId) -> str:
    """Return the key of the one mutable object of a log, a hint where to start reading."""
    return f"{log_prefix(log)}/checkpoint.json"


def topics_prefix(pipeline: str, topic: str | None = None) -> str:
    """Return the folder that lists a pipeline's logs, or those of one topic, without listing any entry."""
    folder = f"{quote(pipeline)}/_topics"
    return folder if topic is None else f"{folder}/{quote(topic)}"


def topic_key(pipeline: str, topic: str, source: SourceId) -> str:
    """Return the key of what the first run over a topic decided."""
    return f"{topics_prefix(pipeline, topic)}/{_incarnation(source)}/topic.json"


def marker_key(log: LogId) -> str:
    """Return the key of the object that says: this log exists, or is about to."""
    return f"{topics_prefix(log.pipeline, log.topic)}/{_incarnation(log.source)}/{log.partition:05d}.json"


def supervisors_prefix(pipeline: str) -> str:
    """Return the folder of the register of supervisors."""
    return f"{quote(pipeline)}/_supervisors"


def supervisor_key(pipeline: str, number: int) -> str:
    """Return the key of one supervisor's entry in the register."""
    return f"{supervisors_prefix(pipeline)}/{number:020d}.json"


def contract_key(pipeline: str, digest: str, kind: str) -> str:
    """Return the key of a contract's text; ``kind`` as :class:`DataContract` says it.

    >>> contract_key("flights", "ab12", "odcs")
    'flights/contracts/ab12.yaml'
    """
    return f"{quote(pipeline)}/contracts/{quote(digest)}.{'yaml' if kind == 'odcs' else 'json'}"


def data_key(
    pipeline: str, topic: str, partition: int, start: Offset, end: Offset, day: str, epoch: int, nonce: str
) -> str:
    """Return the key of a file of landed rows: unique, because the nonce is."""
    name = f"{start:020d}-{end:020d}-{quote(day)}-e{epoch}-{nonce}.parquet"
    return f"{quote(pipeline)}/data/{quote(topic)}/{partition:05d}/{name}"


def bad_key(pipeline: str, topic: str, partition: int, start: Offset, end: Offset, epoch: int, nonce: str) -> str:
    """Return the key of a file of bad records."""
    return f"{quote(pipeline)}/bad/{quote(topic)}/{partition:05d}/{start:020d}-{end:020d}-e{epoch}-{nonce}.parquet"


def parse_log_key(key: str) -> LogKey | None:
    """Return what the key of a log object says; None where it is no such key.

    >>> parse_log_key("flights/_log/departures/c.t/00003/00000000000000000007.json").n
    7
    """
    match = _LOG_KEY.fullmatch(key)
    if match is None:
        return None
    n, last = match["n"], match["last"]
    return LogKey(_log_id(match), int(n) if n else None, int(last) if last else None)


def parse_marker_key(key: str) -> LogId | None:
    """Return the log that the key of a marker tells of; None where it is no such key."""
    match = _MARKER_KEY.fullmatch(key)
    return None if match is None else _log_id(match)


def parse_file_key(key: str) -> FileKey | None:
    """Return what the key of a Parquet file says; None where it is no such key."""
    match = _FILE_KEY.fullmatch(key)
    if match is None:
        return None
    return FileKey(
        unquote(match["pipeline"]),
        match["kind"],
        unquote(match["topic"]),
        int(match["partition"]),
        int(match["start"]),
        int(match["end"]),
        unquote(match["day"]) if match["day"] else None,
        int(match["epoch"]),
        match["nonce"],
    )


def _incarnation(source: SourceId) -> str:
    # The first dot separates, so the cluster's own dots are quoted; together they are one name of one folder.
    joined = f"{quote(source.cluster).replace('.', '=2E')}.{quote(source.topic_id)}"
    if len(joined) > MAX_SEGMENT:
        raise ValueError("cluster id and topic id are too long for a key")
    return joined


def _log_id(match: re.Match[str]) -> LogId:
    pipeline, topic, cluster, topic_id = (unquote(match[n]) for n in ("pipeline", "topic", "cluster", "topic_id"))
    return LogId(pipeline, topic, cluster, topic_id, int(match["partition"]))
