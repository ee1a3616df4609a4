"""Everything that is wrong with a repository's definitions, at once; each problem with its file and line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import polars as pl
import pyarrow as pa

from ray_pipeline.config.nearest import unknown
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.errors import FeatureDefinitionError, Problem
from ray_pipeline.features.compile import NAME, compile_view
from ray_pipeline.features.definition import CompiledView, LabelDefinition, RequestDefinition, ViewDefinition
from ray_pipeline.features.dtypes import INT, STRING, value_type, why_not
from ray_pipeline.features.lines import line_of
from ray_pipeline.features.requests import DTYPES
from ray_pipeline.features.resolve import Columns
from ray_pipeline.features.shape import ValueType


class Named(Protocol):
    """Something with a name and a place in a file."""

    @property
    def name(self) -> str: ...
    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int | None: ...


def problem(where: Named, at: Sequence[str], message: str) -> Problem:
    """Return a problem of one part of a definition, at the line where that part is written."""
    line = line_of(where.file, where.line or 0, at)
    return Problem(where.file, line, ".".join((where.name, *at)), message)


def lint_views(
    definitions: Iterable[ViewDefinition], contracts: Mapping[str, DataContract]
) -> tuple[tuple[CompiledView, ...], tuple[Problem, ...]]:
    """Return the views that are sound, and what is wrong with the others; ``contracts`` by dataset."""
    compiled: list[CompiledView] = []
    problems: list[Problem] = []
    for one in definitions:
        contract = contracts.get(one.dataset)
        if contract is None:
            problems.append(problem(one, ("dataset",), f"{one.dataset}: {unknown(one.dataset, contracts, 'dataset')}"))
            continue
        try:
            compiled.append(compile_view(one, contract))
        except FeatureDefinitionError as error:
            problems += error.problems
    return tuple(compiled), tuple(problems)


def lint_entity(definition: ViewDefinition, join_keys: Iterable[str]) -> tuple[Problem, ...]:
    """Say where the keys of a view are not the join keys of its entity."""
    keys, wanted = set(definition.keys), set(join_keys)
    if keys == wanted:
        return ()
    what = f"the entity's join keys are {_listed(wanted)}, the view's keys are {_listed(keys)}; they must be the same"
    return (problem(definition, ("keys",), what),)


def lint_twice(kind: str, named: Iterable[Named]) -> tuple[Problem, ...]:
    """Say where a second definition has the name of an earlier one. Case does not tell two names apart."""
    first: dict[str, Named] = {}
    found = []
    for one in sorted(named, key=lambda one: (one.file, one.line or 0)):
        earlier = first.setdefault(one.name.lower(), one)
        if earlier is not one:
            place = f"{earlier.file}:{earlier.line}" if earlier.line else earlier.file
            found.append(problem(one, (), f"another {kind} is called {earlier.name} already ({place})"))
    return tuple(found)


def lint_request(definition: RequestDefinition) -> tuple[Problem, ...]:
    """Say what is wrong with request features."""
    found = []
    schema = {}
    for name, kind in definition.inputs.items():
        if kind not in tuple(ValueType):
            found.append(
                problem(definition, ("inputs", name), f"{kind}: {unknown(str(kind), tuple(ValueType), 'type')}")
            )
        elif not NAME.fullmatch(name):
            found.append(
                problem(definition, ("inputs", name), "must be letters, digits and _, beginning with a letter")
            )
        else:
            schema[name] = DTYPES[ValueType(kind)]
    columns = Columns(pl.DataFrame(schema=schema).to_arrow().schema, "the request")
    for name, over in definition.features.items():
        if name in definition.inputs:
            found.append(problem(definition, ("features", name), "is the name of a request value too; choose another"))
        message = None if found and len(schema) < len(definition.inputs) else _value(columns, over)
        if message is not None:
            found.append(problem(definition, ("features", name), message))
    return tuple(found)


def lint_labels(definition: LabelDefinition, contracts: Mapping[str, DataContract]) -> tuple[Problem, ...]:
    """Say what is wrong with a label set."""
    absent = [
        problem(definition, (at,), f"{name}: {unknown(name, contracts, 'dataset')}")
        for at, name in (("requests", definition.requests), ("outcomes", definition.outcomes))
        if name not in contracts
    ]
    if absent:
        return tuple(absent)
    asked = contracts[definition.requests].landing_schema
    answered = contracts[definition.outcomes].landing_schema
    questions, answers, both = Columns(asked), Columns(answered), Columns(_joined(asked, answered))
    found: list[tuple[tuple[str, ...], str | None]] = []
    for name, written in definition.keys.items():
        found.append((("keys", name), _value(questions, written)))
    found.append((("asked_at",), _moment(questions, definition.asked_at)))
    found.append((("on",), _shared(questions, answers, definition.on)))
    found.append((("label",), _value(answers, definition.label)))
    for reason, condition in definition.without.items():
        found.append((("without", reason), _condition(both, condition)))
    return tuple(problem(definition, at, message) for at, message in found if message is not None)


def _joined(asked: pa.Schema, answered: pa.Schema) -> pa.Schema:
    named = [field.with_name(f"{field.name}_outcome") if field.name in asked.names else field for field in answered]
    return pa.schema([*asked, *named])


def _value(columns: Columns, written: object) -> str | None:
    found = columns.resolve(written)
    if isinstance(found, str):
        return found
    return None if value_type(found.dtype) else f"no store can hold {why_not(found.dtype)}"


def _moment(columns: Columns, written: object) -> str | None:
    found = columns.resolve(written)
    if isinstance(found, str):
        return found
    if value_type(found.dtype) == "timestamp":
        return None
    zone = isinstance(found.dtype, pl.Datetime)
    return f"must be a moment, this is {why_not(found.dtype) if zone else found.dtype}"


def _condition(columns: Columns, written: object) -> str | None:
    found = columns.resolve(written)
    if isinstance(found, str):
        return found
    return None if isinstance(found.dtype, pl.Boolean) else f"must be a condition, this is {found.dtype}"


def _shared(questions: Columns, answers: Columns, path: str) -> str | None:
    types = []
    for columns in (questions, answers):
        found = columns.resolve(path)
        if isinstance(found, str):
            return found
        types.append(value_type(found.dtype))
    if types[0] == types[1] and types[0] in (INT, STRING):
        return None
    return f"must be a whole number or text in both datasets; this is {types[0]} and {types[1]}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
