"""One dataset as the gate sees it: its contract compiled, and the states that every file of it needs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ray_pipeline.contracts.expectations import Expectations, Relationship
from ray_pipeline.contracts.odcs_expectations import read_expectations
from ray_pipeline.contracts.odcs_relationships import parent_columns
from ray_pipeline.contracts.shape import Record
from ray_pipeline.lake.rows import landed_schema
from ray_pipeline.sla.check import CheckPlan
from ray_pipeline.sla.compile import compile_checks
from ray_pipeline.sla.keys.key_runs import KeyRuns
from ray_pipeline.sla.measure import Measure
from ray_pipeline.sla.measures.profile import ColumnProfileMeasure
from ray_pipeline.sla.measures.publication_days import PublicationDays

from .measure_pass import Subject
from .shelf import Group, group_measures

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.contracts.model import DataContract

PROFILED_COLUMNS = 40
"""A page that shows more distributions is not read; the first columns of the contract are profiled."""


PROFILED_ROWS = 4_096
"""Of each file, whose values go into the histograms: enough to draw, and a small part of what the checks cost."""


@dataclass(frozen=True)
class GateDataset:
    """What a gate has to know of a dataset before it looks at any data."""

    name: str
    topic: str
    contract: DataContract
    expectations: Expectations
    plan: CheckPlan
    parents: Mapping[str, str | None]
    """Relationship id → the dataset of this configuration that its parent is; None where there is none."""
    parent_keys: tuple[KeyRuns, ...]
    """Keys of this dataset that relationships of others look for."""
    profile: ColumnProfileMeasure

    @cached_property
    def schema(self) -> pa.Schema:
        """What a landed row of today's contract has."""
        return landed_schema(self.contract)

    @cached_property
    def measures(self) -> tuple[Measure, ...]:
        """Everything that is measured of a file, each state once."""
        wanted: tuple[Measure, ...] = (*self.plan.measures, *self.parent_keys, PublicationDays(), self.profile)
        by_id = {measure.id: measure for measure in wanted}
        return tuple(by_id[name] for name in sorted(by_id))

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The objects that a file's states are kept in."""
        return group_measures(self.measures)

    @property
    def subject(self) -> Subject:
        """What the pass is told."""
        return Subject(self.topic, self.schema, self.measures)

    def relationship(self, check: str) -> Relationship | None:
        """Return the relationship that a check compiled from; None where it is no such check."""
        return next((one for one in self.expectations.relationships if one.id == check), None)


def gate_datasets(config: PipelineConfig, contracts: Mapping[str, DataContract]) -> dict[str, GateDataset]:
    """Compile every dataset of a configuration: what one is asked for depends on the others' relationships."""
    expectations = {name: read_expectations(contract) for name, contract in contracts.items()}
    files = {name: Path(os.path.normpath(config.datasets[name].contract)) for name in contracts}
    parents = {
        name: {
            one.id: _parent_of(one, files[name], contracts[name], files, contracts)
            for one in expectations[name].relationships
        }
        for name in contracts
    }
    return {
        name: GateDataset(
            name,
            config.datasets[name].topic,
            contract,
            expectations[name],
            compile_checks(contract, expectations[name]),
            parents[name],
            _keys_asked_of(name, contracts, expectations, parents),
            profile_of(contract, expectations[name]),
        )
        for name, contract in contracts.items()
    }


def profile_of(contract: DataContract, expectations: Expectations) -> ColumnProfileMeasure:
    """Return what is shown of the columns: the leaves of the contract's shape that have one value per row."""
    leaves = [path for field in contract.landing_schema for path in _leaves((field.name,), field.type)]
    chosen = leaves[:PROFILED_COLUMNS] if isinstance(contract.shape, Record) else []
    return ColumnProfileMeasure(
        tuple((path, any(path[: i + 1] in expectations.classified for i in range(len(path)))) for path in chosen),
        sample_rows=PROFILED_ROWS,
    )


def _leaves(path: tuple[str, ...], kind: pa.DataType) -> Iterable[tuple[str, ...]]:
    if pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves((*path, field.name), field.type)
    elif not pa.types.is_nested(kind):
        yield path


def _parent_of(
    one: Relationship,
    file: Path,
    contract: DataContract,
    files: Mapping[str, Path],
    contracts: Mapping[str, DataContract],
) -> str | None:
    """Return the dataset whose contract the relationship points at: the file beside this one, and the object in it."""
    where = file if one.parent_file is None else Path(os.path.normpath(file.parent / one.parent_file))
    for name, other in files.items():
        same_object = contracts[name].dataset == one.parent
        if other == where and same_object:
            return name
        if one.parent_file is None and same_object and contracts[name].id == contract.id:
            return name
    return None


def _keys_asked_of(
    name: str,
    contracts: Mapping[str, DataContract],
    expectations: Mapping[str, Expectations],
    parents: Mapping[str, Mapping[str, str | None]],
) -> tuple[KeyRuns, ...]:
    asked = [
        parent_columns(one, contracts[name])
        for child, known in expectations.items()
        for one in known.relationships
        if parents[child][one.id] == name
    ]
    found = {KeyRuns(columns) for columns in asked if columns is not None}
    return tuple(sorted(found, key=lambda key: key.id))
