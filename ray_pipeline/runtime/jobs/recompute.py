"""Measure every judged file again, and compare with the states that were stored: are they what the files say?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from random import SystemRandom
from typing import TYPE_CHECKING, Any

from ray_pipeline.errors import RayPipelineError
from ray_pipeline.gate.ledger import GateLedger
from ray_pipeline.runtime.wiring import load_contracts, open_lake
from ray_pipeline.sla.state_codec import encode
from ray_pipeline.types import Outcome

from .gate_dataset import gate_datasets
from .gate_state import Known, read_known
from .measure_pass import LOCAL_BYTES, Progress, Subject, run_pass
from .measuring import Task, measure_file
from .shelf import StateShelf, group_measures, parse

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.lake.ports import ObjectStore


@dataclass(frozen=True, slots=True)
class DatasetStates:
    """What became of one dataset's stored states."""

    dataset: str
    files: int
    equal: int
    """Stored states that are, byte for byte, what the file gives now."""
    absent: int
    """Not stored: the next gate that needs one measures it anew."""
    different: tuple[str, ...]
    """File and measure of each stored state that is not what the file gives, or cannot be read."""
    unreadable: tuple[str, ...]
    """Why a file could not be measured."""


@dataclass(frozen=True, slots=True)
class Recomputed:
    """Whether stored is recomputed."""

    datasets: tuple[DatasetStates, ...]

    @property
    def outcome(self) -> Outcome:
        """BROKEN where a state differs, UNKNOWN where a file could not be read."""
        if any(one.different for one in self.datasets):
            return Outcome.BROKEN
        if any(one.unreadable for one in self.datasets):
            return Outcome.UNKNOWN
        return Outcome.HELD

    def to_json(self) -> dict[str, Any]:
        """Return what ``gate --recompute --output json`` prints."""
        return {"outcome": self.outcome.name.lower(), "datasets": [asdict(one) for one in self.datasets]}


def recompute(
    config: PipelineConfig,
    datasets: Sequence[str] = (),
    *,
    local_bytes: int = LOCAL_BYTES,
    ray_address: str | None = None,
    on_message: Callable[[str], None] | None = None,  # noqa: ARG001  the same for all jobs
    on_progress: Callable[[Progress], None] | None = None,
) -> Recomputed:
    """Measure every file that a gate decided on, in one pass, and compare. Nothing is written."""
    for name in datasets:
        config.dataset(name)
    names = tuple(dict.fromkeys(datasets)) or tuple(config.datasets)
    store = open_lake(config)
    compiled = gate_datasets(config, load_contracts(config))
    known = {
        name: read_known(
            compiled[name],
            store,
            config.pipeline,
            GateLedger(store, config.pipeline, name, rng=SystemRandom()).state(),
        )
        for name in names
    }
    results = run_pass(
        config,
        store,
        {name: compiled[name].subject for name in names},
        [task for name in names for task in _tasks(known[name])],
        compare_task,
        local_bytes=local_bytes,
        ray_address=ray_address,
        on_progress=on_progress,
    )
    return Recomputed(
        tuple(_added_up(name, [(task, result) for task, result in results if task.dataset == name]) for name in names)
    )


def compare_task(pipeline: str, store: ObjectStore, subject: Subject, task: Task) -> dict[str, Any]:
    """Measure one file and compare with its stored states."""
    try:
        fresh = measure_file(store, task, subject.topic, subject.measures, subject.schema)
    except RayPipelineError as error:
        if error.retryable:
            raise
        return {"equal": 0, "absent": 0, "different": [], "unreadable": str(error)}
    shelf = StateShelf(store, pipeline, task.dataset)
    equal = absent = 0
    different = []
    for group in group_measures(subject.measures):
        content = store.get(shelf.key(task.file, group))
        stored = parse(content, group)
        for measure in group.measures:
            if content is None:
                absent += 1
            elif stored is None:
                different.append(f"{measure.id} (cannot be read)")
            elif encode({"": stored[measure.id].state()}) == encode({"": fresh[measure.id].state()}):
                equal += 1
            else:
                different.append(measure.id)
    return {"equal": equal, "absent": absent, "different": different, "unreadable": None}


def _tasks(known: Known) -> list[Task]:
    files = [fate.file for manifest in known.manifests.values() for fate in manifest.files]
    return [Task(known.dataset.name, file, known.committed[file.key]) for file in files]


def _added_up(name: str, results: Sequence[tuple[Task, dict[str, Any]]]) -> DatasetStates:
    return DatasetStates(
        name,
        len(results),
        sum(result["equal"] for _, result in results),
        sum(result["absent"] for _, result in results),
        tuple(f"{task.file.key}: {measure}" for task, result in results for measure in result["different"]),
        tuple(result["unreadable"] for _, result in results if result["unreadable"] is not None),
    )
