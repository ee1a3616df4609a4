"""The one pass over new files: Ray Data where there is much to read, this process where Ray's start would cost more.

Each file is measured by itself and its states are written to the shelf by whoever measured it: no rows and no keys
travel, nothing is shuffled, and a pass that was killed is taken up where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ray_pipeline.errors import RayPipelineError
from ray_pipeline.lake.bad_records import BAD_SCHEMA
from ray_pipeline.runtime.jobs.measuring import Task, measure_file
from ray_pipeline.runtime.jobs.shelf import StateShelf, group_measures
from ray_pipeline.sla.measure import Measure
from ray_pipeline.sla.measures.publication_days import PublicationDays

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.lake.ports import ObjectStore

LOCAL_BYTES = 32 << 20
"""Up to so many bytes of Parquet are measured in this process: starting Ray Data would cost more than they do."""
TASK_BYTES = 64 << 20
"""What one task of the pass reads, roughly: so few that a lost one is cheap, so many that its start does not count."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What the files of one dataset are measured by."""

    topic: str
    schema: pa.Schema
    measures: tuple[Measure, ...]


REFUSED = Subject("", BAD_SCHEMA, (PublicationDays(),))
"""Of refused records only the day is asked for on which they were published."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that could not be measured, and why."""

    dataset: str
    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the pass is."""

    files: int
    of: int
    rows: int


def measure_all(
    config: PipelineConfig,
    store: ObjectStore,
    subjects: Mapping[str, Subject],
    tasks: Sequence[Task],
    *,
    local_bytes: int = LOCAL_BYTES,
    ray_address: str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[Unreadable]:
    """Measure every file and put its states on the shelf; return those that could not be read."""
    if not tasks:
        return []
    if sum(task.file.bytes for task in tasks) <= local_bytes:
        results = _here(config.pipeline, store, subjects, tasks)
    else:
        results = _on_ray(config, subjects, tasks, ray_address)
    unreadable: list[Unreadable] = []
    rows = 0
    for done, (task, reason) in enumerate(results, start=1):
        rows += task.file.rows
        if reason is not None:
            unreadable.append(Unreadable(task.dataset, task.file.key, reason))
        if on_progress is not None:
            on_progress(Progress(done, len(tasks), rows))
    return unreadable


def measure_task(pipeline: str, store: ObjectStore, subject: Subject, task: Task) -> str | None:
    """Measure one file and keep its states; return why it could not be read, or None."""
    shelf = StateShelf(store, pipeline, task.dataset)
    subject = REFUSED if task.bad else subject
    try:
        partials = measure_file(store, task, subject.topic, subject.measures, subject.schema)
    except RayPipelineError as error:
        if error.retryable:
            raise
        return str(error)
    for group in group_measures(subject.measures):
        shelf.put(task.file, group, partials)
    return None


def _here(
    pipeline: str, store: ObjectStore, subjects: Mapping[str, Subject], tasks: Sequence[Task]
) -> Iterator[tuple[Task, str | None]]:
    for task in tasks:
        yield task, measure_task(pipeline, store, subjects[task.dataset], task)


def _on_ray(
    config: PipelineConfig, subjects: Mapping[str, Subject], tasks: Sequence[Task], address: str | None
) -> Iterator[tuple[Task, str | None]]:
    """One Ray Data pass: a row of the dataset is a share of the files."""
    import ray

    from ray_pipeline.runtime.ray_data import quiet_ray_data
    from ray_pipeline.runtime.ray_session import ray_session

    with ray_session(address):
        data = quiet_ray_data()
        shares = shares_of([task.file.bytes for task in tasks], TASK_BYTES)
        # By reference, so that it lies in the object store's memory only: a configuration may hold a password, and
        # Ray keeps what a function captures in its control store.
        told = ray.put((config, dict(subjects), list(tasks)))
        rows = data.from_items([{"share": share} for share in shares], override_num_blocks=len(shares))
        measured = rows.flat_map(_Measurer(told), num_cpus=1)
        for row in measured.iter_rows():
            yield tasks[row["task"]], json.loads(row["reason"])


@dataclass(frozen=True, slots=True)
class _Measurer:
    """What each task of the pass runs."""

    told: Any
    """Reference to (configuration, subjects, tasks)."""

    def __call__(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        import ray

        from ray_pipeline.runtime.wiring import open_lake

        config, subjects, tasks = ray.get(self.told)
        store = open_lake(config)
        found = []
        for number in row["share"]:
            task = tasks[int(number)]
            reason = measure_task(config.pipeline, store, subjects[task.dataset], task)
            found.append({"task": int(number), "reason": json.dumps(reason)})
        return found


def shares_of(sizes: Sequence[int], share: int) -> list[list[int]]:
    """Deal numbers 0 … out to shares of about so many bytes, largest first, so that none comes late and large.

    >>> shares_of([10, 90, 20, 80], 100)
    [[1], [3], [2, 0]]
    """
    count = max(1, -(-sum(sizes) // share))
    count = min(len(sizes), max(count, 1))
    order = sorted(range(len(sizes)), key=lambda i: (-sizes[i], i))
    shares: list[list[int]] = [[] for _ in range(count)]
    filled = [0] * count
    for i in order:
        at = min(range(count), key=lambda j: (filled[j], j))
        shares[at].append(i)
        filled[at] += max(1, sizes[i])
    return [one for one in shares if one]
