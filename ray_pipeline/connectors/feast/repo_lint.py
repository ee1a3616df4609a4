"""What is wrong between definitions: a name used twice, a service without its view, two writers of one view."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feast import PushSource
from feast.feature_view import DUMMY_ENTITY
from feast.repo_contents import RepoContents

from ray_pipeline.config import PipelineConfig
from ray_pipeline.config.nearest import unknown
from ray_pipeline.connectors.feast.views import definition_of, place
from ray_pipeline.connectors.online import online_settings
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.errors import ConfigError, Problem
from ray_pipeline.features.definition import CompiledView, LabelDefinition, RequestDefinition
from ray_pipeline.features.lines import Places
from ray_pipeline.features.lint import lint_labels, lint_request, lint_twice, problem
from ray_pipeline.features.service import Service
from ray_pipeline.features.shape import Feed


@dataclass(frozen=True, slots=True)
class _Place:
    """A Feast object that knows no place of its own."""

    name: str
    file: str = ""
    line: int | None = None


def lint_contents(
    contents: RepoContents,
    services: Sequence[Service],
    requests: Sequence[RequestDefinition],
    labels: Sequence[LabelDefinition],
    contracts: Mapping[str, DataContract],
    files: Sequence[str],
    *,
    whole: bool,
) -> list[Problem]:
    """Return the problems; ``whole``: every file was read, so that what is not there is missing."""
    places = Places(files, [place(view) for view in contents.feature_views])
    views = [*contents.feature_views, *contents.stream_feature_views, *contents.on_demand_feature_views]
    entities = [entity for entity in contents.entities if entity is not DUMMY_ENTITY]
    found: list[Problem] = [
        *lint_twice("view", [definition_of(view) or _Place(view.name, *places.find(view.name)) for view in views]),
        *lint_twice("entity", [_Place(entity.name, *places.find(entity.name)) for entity in entities]),
        *lint_twice("feature service", services),
        *lint_twice("set of request features", requests),
        *lint_twice("label set", labels),
        *_two_writers(contents),
    ]
    for request in requests:
        found += lint_request(request)
    for label in labels:
        found += lint_labels(label, contracts)
    if whole:
        known = [view.name for view in [*views, *contents.label_views]]
        for service in services:
            found += _absent_views(service, known)
    return found


def store_problems(config: PipelineConfig, views: Sequence[CompiledView]) -> tuple[Problem, ...]:
    """Return what is wrong with the online store's settings, where the stream is to write into it."""
    repo = config.features.repo
    if repo is None or not config.features.online or all(view.shape.feed is not Feed.STREAM for view in views):
        return ()
    try:
        online_settings(repo, config)
    except ConfigError as error:
        return error.problems
    return ()


def _absent_views(service: Service, known: Sequence[str]) -> Iterator[Problem]:
    for one in service.views:
        if one.view not in known:
            what = f"{one.view}: {unknown(one.view, known, 'view')}; a view needs a name of its own in a file here"
            yield problem(service, (), what)


def _two_writers(contents: RepoContents) -> Iterator[Problem]:
    """A view that the stream feeds takes no pushes: the two would overwrite each other's values."""
    pushed: dict[str, str] = {}
    for source in contents.data_sources:
        if isinstance(source, PushSource) and source.batch_source is not None:
            pushed[source.batch_source.name] = source.name
    views: list[Any] = contents.feature_views
    for view in views:
        definition = definition_of(view)
        if definition is None or definition.feed != Feed.STREAM:
            continue
        by = view.stream_source.name if view.stream_source is not None else pushed.get(view.batch_source.name)
        if by is not None:
            what = f"is fed by the stream, and {by} pushes to it; one of the two must write it: feed='materialized'"
            yield problem(definition, ("feed",), what)
