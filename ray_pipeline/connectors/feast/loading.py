"""What a definition file needs while it is read: the pipeline, its contracts, and a place for problems."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from ray_pipeline.config import PipelineConfig
from ray_pipeline.config.features import STORE_FILE
from ray_pipeline.connectors.feast.pipeline import pipeline_at
from ray_pipeline.contracts.load import load_contract
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.errors import FeatureDefinitionError, Problem, UsageError
from ray_pipeline.features.definition import CompiledView, ViewDefinition
from ray_pipeline.features.lint import lint_entity, lint_views

_current: ContextVar[Definitions | None] = ContextVar("definitions", default=None)
_kept: dict[Path, tuple[tuple[int, ...], Definitions]] = {}
_lock = threading.Lock()


class Definitions:
    """The definitions of one repository, as they are read; problems gather, or are raised at once where Feast reads."""

    def __init__(self, config: PipelineConfig, *, gather: bool) -> None:
        self.config = config
        self.problems: list[Problem] = []
        self._gather = gather
        self._contracts: dict[str, DataContract] | None = None

    @property
    def contracts(self) -> Mapping[str, DataContract]:
        """The contract of every dataset, read once."""
        if self._contracts is None:
            datasets = self.config.datasets.items()
            self._contracts = {name: load_contract(one.contract, object_name=one.object) for name, one in datasets}
        return self._contracts

    def compile(self, definition: ViewDefinition, join_keys: Iterator[str]) -> CompiledView | None:
        """Return the view with its types; None, and its problems are kept, where it is wrong."""
        views, found = lint_views([definition], self.contracts)
        problems = (*found, *lint_entity(definition, join_keys))
        if problems and not self._gather:
            raise FeatureDefinitionError(problems)
        self.problems += problems
        return None if problems else views[0]


@contextmanager
def reading(config: PipelineConfig) -> Iterator[Definitions]:
    """Read definition files for this configuration, whatever their ``feature_store.yaml`` names."""
    definitions = Definitions(config, gather=True)
    token = _current.set(definitions)
    try:
        yield definitions
    finally:
        _current.reset(token)


def definitions_for(file: str) -> Definitions:
    """Return what a definition file is read for; outside of :func:`reading`, by the repository that it lies in."""
    current = _current.get()
    if current is not None:
        return current
    folder = next((one for one in Path(file).absolute().parents if (one / STORE_FILE).is_file()), None)
    if folder is None:
        raise UsageError(f"{file}: there is no {STORE_FILE} in its folder or above it")
    config = pipeline_at(folder)
    files = (folder / STORE_FILE, *(one.contract for one in config.datasets.values()))
    state = tuple(one.stat().st_mtime_ns for one in files)
    with _lock:
        known = _kept.get(folder)
        if known is None or known[0] != state or known[1].config != config:
            known = _kept[folder] = (state, Definitions(config, gather=False))
    return known[1]
