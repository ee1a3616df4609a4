"""What is defined in the modules of a repository: Feast's objects, as Feast itself collects them, and ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, TypeVar, cast

from feast import (
    Entity,
    FeatureService,
    FeatureView,
    OnDemandFeatureView,
    Project,
    PushSource,
    StreamFeatureView,
)
from feast.data_source import DataSource
from feast.feature_view import DUMMY_ENTITY
from feast.labeling.label_view import LabelView
from feast.permissions.permission import Permission
from feast.repo_contents import RepoContents

Found = TypeVar("Found")


def collect(modules: Sequence[ModuleType], project: str) -> RepoContents:
    """Return the Feast objects that the modules name, each once."""
    plain_views = [view for view in named(modules, FeatureView) if not isinstance(view, StreamFeatureView)]
    contents = RepoContents(
        projects=named(modules, Project) or [Project(name=project)],
        data_sources=named(modules, DataSource),
        feature_views=plain_views,
        on_demand_feature_views=named(modules, OnDemandFeatureView),
        stream_feature_views=named(modules, StreamFeatureView),
        label_views=named(modules, LabelView),
        entities=[*named(modules, Entity), DUMMY_ENTITY],
        feature_services=named(modules, FeatureService),
        permissions=named(modules, Permission),
    )
    for source in list(_sources(contents)):
        if not any(source is known for known in contents.data_sources):
            contents.data_sources.append(source)
    return contents


def named(modules: Sequence[ModuleType], kind: Callable[..., Found]) -> list[Found]:
    """Return the objects of a kind that a module has a name for, in the order of the names; each once."""
    found: list[Any] = []
    for module in modules:
        for name in dir(module):
            value = getattr(module, name)
            if isinstance(value, cast("type", kind)) and not any(value is known for known in found):
                found.append(value)
    return found


def _sources(contents: RepoContents) -> Iterator[DataSource]:
    """The sources that views rest on, and those that push sources rest on."""
    views: list[Any] = [*contents.feature_views, *contents.stream_feature_views]
    found = [getattr(view, name) for view in views for name in ("batch_source", "stream_source")]
    found += [view.source for view in contents.label_views]
    for source in [*contents.data_sources, *found]:
        if source is not None:
            yield source
        if isinstance(source, PushSource) and source.batch_source is not None:
            yield source.batch_source
