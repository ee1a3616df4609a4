"""Rows that landed after their window was closed, and where the rows of a window lie: from logs alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ray_pipeline.drift.verdict import Window
from ray_pipeline.lake.history import read_commits
from ray_pipeline.lake.keys import parse_file_key
from ray_pipeline.lake.topics import find_logs

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.lake.entries import DataFile
    from ray_pipeline.lake.ports import ObjectStore
    from ray_pipeline.runtime.drift.baselines import WatchedBaseline
    from ray_pipeline.runtime.drift.log import WindowRecord

BEFORE = 0
"""No window's number: of days before the first one. They had no rows when it began, so no window has them."""


@dataclass(frozen=True, slots=True)
class WindowFile:
    """A landed file with rows of a window."""

    uri: str
    day: str
    rows: int
    partition: int
    first: int
    """Its rows have offsets from here …"""
    until: int
    """… to before here; others of that range may be of other days."""

    def to_json(self) -> dict[str, Any]:
        """Return the file as a mapping."""
        return asdict(self)


def late_rows(
    store: ObjectStore,
    config: PipelineConfig,
    subject: str,
    records: Sequence[WindowRecord],
    through: Mapping[str, int] | None = None,
    *,
    since: WatchedBaseline | None = None,
) -> dict[int, int]:
    """Return how many rows landed for each closed window after it was closed, where there are any.

    With ``through`` (log → last entry) only what had landed by then. With ``since``, the baseline that is watched, also
    the rows of days before the first window that was compared with it, under ``BEFORE``: no window will have them.
    """
    if not records:
        return {}
    found: Counter[int] = Counter()
    before = None if since is None else _before(records, since)
    for log in find_logs(store, config.pipeline, config.dataset(subject).topic):
        name = str(log)
        if through is not None and name not in through:
            continue
        first = 1 + min(record.through.get(name, -1) for record in records)
        last = None if through is None else through[name]
        for n, data in read_commits(store, log, first=first, through=last):
            for file in data.files:
                record = next((one for one in records if _is_of(file, one.window)), None)
                if record is not None and n > record.through.get(name, -1):
                    found[record.number] += file.rows
                elif record is None and before is not None and _is_of(file, before):
                    found[BEFORE] += file.rows
    return dict(sorted(found.items()))


def _before(records: Sequence[WindowRecord], watched: WatchedBaseline) -> Window | None:
    """Return the days between a baseline's own and the first window of its series, of which no row had landed then."""
    first = next((place for place, one in enumerate(records) if one.baseline == watched.number), None)
    if first is None:
        return None
    begin = max(watched.until_day, records[first - 1].window.until if first else "")
    return Window(begin, records[first].window.first) if begin < records[first].window.first else None


def window_files(store: ObjectStore, config: PipelineConfig, record: WindowRecord) -> Iterator[WindowFile]:
    """Yield every file that a closed window was judged by, by partition and in the order of offsets."""
    for log in find_logs(store, config.pipeline, config.dataset(record.verdict.subject).topic):
        last = record.through.get(str(log))
        if last is None:
            continue
        for _, data in read_commits(store, log, through=last):
            for file in data.files:
                key = parse_file_key(file.key)
                if key is not None and file.day is not None and _is_of(file, record.window):
                    yield WindowFile(store.uri(file.key), file.day, file.rows, key.partition, key.start, key.end)


def _is_of(file: DataFile, window: Window) -> bool:
    return file.day is not None and window.first <= file.day < window.until
