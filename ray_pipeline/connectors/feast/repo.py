"""A feature repository as this pipeline needs it: read from its definition files, checked, applied to Feast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from feast import FeatureStore
from feast.diff.registry_diff import diff_between
from feast.feature_view import DUMMY_ENTITY
from feast.repo_config import RepoConfig
from feast.repo_contents import RepoContents
from feast.repo_operations import extract_objects_for_apply_delete, get_repo_files
from pydantic import ValidationError

from ray_pipeline.config import PipelineConfig
from ray_pipeline.config.nearest import unknown
from ray_pipeline.connectors.feast.contents import collect, named
from ray_pipeline.connectors.feast.loading import Definitions, reading
from ray_pipeline.connectors.feast.modules import import_files
from ray_pipeline.connectors.feast.pipeline import given, store_file
from ray_pipeline.connectors.feast.registry import RegistryChangedError
from ray_pipeline.connectors.feast.repo_lint import lint_contents
from ray_pipeline.connectors.feast.services import services_of
from ray_pipeline.connectors.feast.views import compiled_of, definition_of, place
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.errors import ConfigError, FeatureDefinitionError, Problem, UsageError
from ray_pipeline.features.definition import CompiledView, LabelDefinition, RequestDefinition
from ray_pipeline.features.service import Service

ATTEMPTS = 5
Named = TypeVar("Named", CompiledView, Service, RequestDefinition, LabelDefinition)


@dataclass(frozen=True, eq=False)
class FeatureRepo:
    """What a repository defines. Where there are problems it holds what is sound."""

    folder: Path
    project: str
    """Feast's project."""
    settings: Mapping[str, Any] = field(repr=False)
    """``feature_store.yaml``, with its variables in place; it may hold secrets."""
    views: tuple[CompiledView, ...]
    services: tuple[Service, ...]
    requests: tuple[RequestDefinition, ...]
    labels: tuple[LabelDefinition, ...]
    contracts: Mapping[str, DataContract] = field(repr=False)
    """By dataset."""
    feast: RepoContents = field(repr=False)
    """The objects that Feast gets to know."""
    problems: tuple[Problem, ...] = ()

    def view(self, name: str) -> CompiledView:
        """Return a view by its name; ``UsageError`` says which one is near."""
        return _named(name, self.views, "view")

    def service(self, name: str) -> Service:
        """Return a feature service by its name."""
        return _named(name, self.services, "feature service")

    def label_set(self, name: str) -> LabelDefinition:
        """Return a label set by its name."""
        return _named(name, self.labels, "label set")

    def request_features(self, name: str) -> RequestDefinition:
        """Return request features by their name."""
        return _named(name, self.requests, "request features")


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of the registry."""

    created: tuple[str, ...] = ()
    """Kind and name, ``feature view origin_last_2h``."""
    updated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()


def load_repo(config: PipelineConfig, *, check: bool = True) -> FeatureRepo:
    """Read the definition files of the pipeline's repository, each time anew.

    Raises ``FeatureDefinitionError`` with every problem; ``check=False`` returns them beside what is sound.
    """
    folder = repo_folder(config)
    settings = _settings(folder)
    files = [file for file in get_repo_files(folder) if file.is_relative_to(folder)]
    with reading(config) as definitions:
        modules, broken = import_files(folder, files)
        repo = _assembled(folder, settings, definitions, collect(modules, settings["project"]), modules, broken)
    if check and repo.problems:
        raise FeatureDefinitionError(repo.problems)
    return repo


def repo_folder(config: PipelineConfig) -> Path:
    """Return where the pipeline's features are defined; ``UsageError`` where it has none."""
    if config.features.repo is None:
        raise UsageError("this pipeline has no features; write features: {repo: ./FOLDER} into its configuration")
    return config.features.repo.resolve()


def feature_store(config: PipelineConfig) -> FeatureStore:
    """Return Feast's own client of the repository, for this configuration of the pipeline."""
    folder = repo_folder(config)
    settings = dict(_settings(folder))
    for block in ("offline_store", "registry"):
        if isinstance(settings.get(block), dict) and _is_ours(settings[block]):
            settings[block] = {**settings[block], "pipeline": given(config)}
    try:
        repo_config = RepoConfig(**settings)
    except ValidationError as error:  # its text quotes what is written, and that may be a password
        raise ConfigError(tuple(_refused(folder, error))) from None
    repo_config.repo_path = folder
    return FeatureStore(config=repo_config)


def apply_repo(config: PipelineConfig) -> Applied:
    """Make Feast's registry say what the repository says, as ``feast apply`` does; what is gone there goes here too.

    Raises ``FeatureDefinitionError`` before anything is applied. Where another one applies at the same time the later
    one begins again, so that none is lost.
    """
    for attempt in range(ATTEMPTS):
        repo = load_repo(config)  # anew: Feast changes the objects that it is given
        try:
            return _apply(feature_store(config), repo)
        except RegistryChangedError:
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _apply(store: FeatureStore, repo: FeatureRepo) -> Applied:
    registry = store.registry
    changes = [
        (change.transition_type.name, f"{change.feast_object_type.value} {change.name}")
        for change in diff_between(registry, repo.project, repo.feast).feast_object_diffs
        if change.name != DUMMY_ENTITY.name
    ]
    wanted, gone, _, _ = extract_objects_for_apply_delete(  # type: ignore[no-untyped-call]
        repo.project, registry, repo.feast
    )
    store.apply(wanted, objects_to_delete=gone, partial=False)
    created, updated, deleted = (
        tuple(sorted(what for transition, what in changes if transition == name))
        for name in ("CREATE", "UPDATE", "DELETE")
    )
    return Applied(created, updated, deleted)


def _assembled(
    folder: Path,
    settings: Mapping[str, Any],
    definitions: Definitions,
    contents: RepoContents,
    modules: Sequence[Any],
    broken: Sequence[Problem],
) -> FeatureRepo:
    ours = sorted(filter(definition_of, contents.feature_views), key=place)
    views = tuple(view for one in ours if (view := compiled_of(one)) is not None)
    requests, labels = named(modules, RequestDefinition), named(modules, LabelDefinition)
    files = [str(module.__file__) for module in modules]
    services = services_of(contents, files)
    found = [*broken, *definitions.problems]
    found += lint_contents(contents, services, requests, labels, definitions.contracts, files, whole=not broken)
    return FeatureRepo(
        folder=folder,
        project=settings["project"],
        settings=settings,
        views=views,
        services=services,
        requests=tuple(requests),
        labels=tuple(labels),
        contracts=definitions.contracts,
        feast=contents,
        problems=tuple(sorted(dict.fromkeys(found), key=lambda one: (one.file, one.line or 0))),
    )


def _settings(folder: Path) -> Mapping[str, Any]:
    document, file = store_file(folder)
    settings = document.value
    if not isinstance(settings, dict) or not isinstance(settings.get("project"), str):
        raise ConfigError((Problem(str(file), document.line(()), "project", "must be the name of Feast's project"),))
    return settings


def _refused(folder: Path, error: ValidationError) -> Iterator[Problem]:
    document, file = store_file(folder)
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        path = tuple(str(part) for part in one["loc"])
        yield Problem(str(file), document.line(path), ".".join(path), one["msg"])


def _is_ours(block: Mapping[str, Any]) -> bool:
    return any(str(block.get(key, "")).startswith("ray_pipeline.") for key in ("type", "registry_store_type"))


def _named(name: str, known: Sequence[Named], kind: str) -> Named:
    for one in known:
        if one.name == name:
            return one
    raise UsageError(f"{name}: {unknown(name, [one.name for one in known], kind)}")
