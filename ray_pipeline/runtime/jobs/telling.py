"""Tell an OpenLineage receiver what a gate does: START before it looks at a dataset, COMPLETE or FAIL after it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING

from ray_pipeline.errors import RayPipelineError
from ray_pipeline.lineage.gate import GateRun, gate_ended, gate_failed, gate_started
from ray_pipeline.lineage.names import Places, name_places
from ray_pipeline.sla.result import DatasetResult

from .gate_dataset import GateDataset

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.openlineage import LineageEmitter


class Teller:
    """The events of one run of the gate. Nothing here stalls or fails it: the emitter has a queue of its own."""

    def __init__(self, config: PipelineConfig, emitter: LineageEmitter, runs: Mapping[str, GateRun]) -> None:
        self._config, self._emitter, self._runs = config, emitter, dict(runs)

    def began(self, names: Collection[str]) -> None:
        """Say that the run began on these datasets; of others, which it decided before, it says nothing again."""
        self._runs = {name: run for name, run in self._runs.items() if name in names}
        self._emitter.emit(*(gate_started(run) for run in self._runs.values()))

    def ended(self, name: str, result: DatasetResult, finished_at: str) -> None:
        """Say what became of one dataset."""
        run = self._runs.pop(name, None)
        if run is None:
            return
        places = places_of(self._config, name, result.topic, result.table)
        self._emitter.emit(gate_ended(replace(run, places=places), result, finished_at))

    def failed(self, error: BaseException, finished_at: str) -> None:
        """Say that the run ended without a result for the datasets that are left."""
        sentence = str(error) if isinstance(error, RayPipelineError) else type(error).__name__
        self._emitter.emit(*(gate_failed(run, finished_at, sentence) for run in self._runs.values()))
        self._runs.clear()


@contextmanager
def telling(
    config: PipelineConfig, datasets: Mapping[str, GateDataset], run_id: str, at: str, started_at: str, *, dry_run: bool
) -> Iterator[Teller]:
    """Open the emitter that the configuration asks for; wait for its last events no longer than its time-out."""
    from ray_pipeline.connectors.openlineage import open_emitter

    engine = version("ray")
    runs = {
        name: GateRun(
            pipeline=config.pipeline,
            dataset=name,
            run_id=run_id,
            at=at,
            started_at=started_at,
            contract=dataset.contract,
            places=places_of(config, name, dataset.topic, None),
            engine_version=engine,
            namespace=config.lineage.namespace,
            dry_run=dry_run,
        )
        for name, dataset in datasets.items()
    }
    emitter = open_emitter(config.lineage)
    try:
        yield Teller(config, emitter, runs)
    finally:
        emitter.close(config.lineage.timeout)


def places_of(config: PipelineConfig, name: str, topic: str, table: str | None) -> Places:
    """Return where a dataset's rows come from, lie, and go."""
    return name_places(
        bootstrap_servers=str(config.kafka.get("bootstrap.servers", "")),
        topic=topic,
        store=config.store,
        pipeline=config.pipeline,
        dataset=name,
        table=table,
    )
