"""The one pass over new files: Ray Data where there is much to read, this process where Ray's start would cost more.

Each file is measured by itself and its states are written to the shelf by whoever measured it: no rows and no keys
travel, nothing is shuffled, and a pass that was killed is taken up where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ray_pipeline.errors import RayPipelineError
from ray_pipeline.lake.bad_records import BAD_SCHEMA
from ray_pipeline.runtime.jobs.measuring import Task, measure_file
from ray_pipeline.runtime.jobs.on_ray import Job, on_ray
from ray_pipeline.runtime.jobs.shelf import StateShelf, group_measures
from ray_pipeline.sla.measure import Measure
from ray_pipeline.sla.measures.publication_days import PublicationDays

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.lake.ports import ObjectStore

LOCAL_BYTES = 32 << 20
"""Up to so many bytes of Parquet are measured in this process: starting Ray Data would cost more than they do."""
REMOTE_THREADS = 8
"""Files under way at a time where the store is remote: each waits for some round trips."""
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


Work = Callable[[str, "ObjectStore", Subject, Task], Any]
"""What is done with one file: ``work(pipeline, store, subject, task)`` returns what JSON can hold."""


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
    results = run_pass(
        config,
        store,
        subjects,
        tasks,
        measure_task,
        local_bytes=local_bytes,
        ray_address=ray_address,
        on_progress=on_progress,
    )
    return [Unreadable(task.dataset, task.file.key, reason) for task, reason in results if reason is not None]


def run_pass(
    config: PipelineConfig,
    store: ObjectStore,
    subjects: Mapping[str, Subject],
    tasks: Sequence[Task],
    work: Work,
    *,
    local_bytes: int = LOCAL_BYTES,
    ray_address: str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> list[tuple[Task, Any]]:
    """Do the work once for each file, here or as one Ray Data job; return each task with what came of it."""
    if not tasks:
        return []
    if sum(task.file.bytes for task in tasks) <= local_bytes:
        results = _here(config.pipeline, store, subjects, tasks, work)
    else:
        results = _on_ray(config, subjects, tasks, work, ray_address)
    found = []
    rows = 0
    for task, result in results:
        found.append((task, result))
        rows += task.file.rows
        if on_progress is not None:
            on_progress(Progress(len(found), len(tasks), rows))
    return found


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
    pipeline: str, store: ObjectStore, subjects: Mapping[str, Subject], tasks: Sequence[Task], work: Work
) -> Iterator[tuple[Task, Any]]:
    if "://" not in store.url:  # a folder answers at once: threads would only take turns
        for task in tasks:
            yield task, work(pipeline, store, subjects[task.dataset], task)
        return
    with ThreadPoolExecutor(REMOTE_THREADS, thread_name_prefix="measure") as pool:
        yield from zip(
            tasks, pool.map(lambda task: work(pipeline, store, subjects[task.dataset], task), tasks), strict=True
        )


def _on_ray(
    config: PipelineConfig, subjects: Mapping[str, Subject], tasks: Sequence[Task], work: Work, address: str | None
) -> Iterator[tuple[Task, Any]]:
    """One Ray Data pass: a row of the dataset is a share of the files."""
    shares = shares_of([task.file.bytes for task in tasks], TASK_BYTES)
    told = (config, dict(subjects), list(tasks), work)
    for number, (result,) in on_ray(shares, _prepare, told, address):
        yield tasks[number], json.loads(result)


def _prepare(told: tuple[PipelineConfig, dict[str, Subject], list[Task], Work]) -> Job:
    """Open the store once for a share of the files."""
    from ray_pipeline.runtime.wiring import open_lake

    config, subjects, tasks, work = told
    store = open_lake(config)

    def job(number: int) -> list[bytes]:
        task = tasks[number]
        return [json.dumps(work(config.pipeline, store, subjects[task.dataset], task)).encode()]

    return job


def shares_of(sizes: Sequence[int], share: int) -> list[list[int]]:
    """Deal numbers 0 … out to shares of about so many bytes, largest first, so that none comes late and large.

    >>> shares_of([10, 90, 20, 80], 100)
    [[1, 0], [3, 2]]
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
