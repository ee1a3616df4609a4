"""All models of a pipeline, or all versions of one, a line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from ray_pipeline.errors import NoModelError
from ray_pipeline.model.manifest import ModelManifest
from ray_pipeline.runtime.models.aliases import Alias
from ray_pipeline.runtime.models.words import NOTHING, aligned, held_out, measure

if TYPE_CHECKING:
    from ray_pipeline.runtime.models.registry import ModelRegistry

_TITLES = ("model", "versions", "champion", "challenger", "newest", "trained", "AUC")
_OF_ONE = ("version", "aliases", "trained", "by", "training set", "AUC", "log loss", "Brier score")


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One model."""

    name: str
    versions: tuple[int, ...]
    champion: int | None
    challenger: int | None
    newest: ModelManifest

    def to_json(self) -> dict[str, Any]:
        """Return the model as ``model list --output json`` prints it."""
        return {
            "name": self.name,
            "versions": list(self.versions),
            "champion": self.champion,
            "challenger": self.challenger,
            "newest": _version_json(self.newest),
        }


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """One version of a model, and the aliases that are it."""

    manifest: ModelManifest
    holds: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the version as ``model list NAME --output json`` prints it."""
        return _version_json(self.manifest) | {"holds": list(self.holds)}


def list_models(registry: ModelRegistry) -> list[ListedModel]:
    """Return every model of the registry, by name."""
    return [_listed(registry, name) for name in registry.names()]


def list_versions(registry: ModelRegistry, name: str) -> list[ListedVersion]:
    """Return every version of a model, the newest first; ``NoModelError`` where there is no such model."""
    numbers, aliases = registry.versions(name), registry.aliases(name)
    if not numbers:
        registry.find(name, "latest")
    return [
        ListedVersion(registry.manifest(name, number), tuple(one for one in Alias if aliases.get(one) == number))
        for number in reversed(numbers)
    ]


def model_lines(models: Sequence[ListedModel]) -> Iterator[str]:
    """Yield the models for a terminal."""
    if not models:
        yield "there is no model yet; train one with `ray-pipeline train SPEC`"
        return
    yield from aligned([_TITLES, *(_cells(one) for one in models)])


def version_lines(versions: Sequence[ListedVersion]) -> Iterator[str]:
    """Yield the versions of a model for a terminal."""
    yield from aligned([_OF_ONE, *(_version_cells(one) for one in versions)])


def list_html(models: Sequence[ListedModel]) -> str:
    """Return the models as a notebook shows them."""
    head = "".join(f"<th>{escape(title)}</th>" for title in _TITLES)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(one)) + "</tr>" for one in models)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _listed(registry: ModelRegistry, name: str) -> ListedModel:
    aliases, versions = registry.aliases(name), registry.versions(name)
    if not versions:  # it was there a moment ago: somebody removed it by hand
        raise NoModelError(name, "its versions are gone")
    champion, challenger = aliases.get(Alias.CHAMPION), aliases.get(Alias.CHALLENGER)
    return ListedModel(name, versions, champion, challenger, registry.manifest(name, versions[-1]))


def _metric(found: ModelManifest, name: str) -> Any:
    return found.metrics.get(held_out(found.spec), {}).get(name)


def _version_json(found: ModelManifest) -> dict[str, Any]:
    return {
        "name": found.name,
        "version": found.number,
        "created_at": found.created_at,
        "created_by": found.created_by,
        "training_set": f"{found.training.get('name')}/{found.training.get('version')}",
        "test": {name: _metric(found, name) for name in ("auc", "log_loss", "brier", "ece")},
    }


def _cells(one: ListedModel) -> tuple[str, ...]:
    numbers = [NOTHING if number is None else str(number) for number in (one.champion, one.challenger)]
    newest = (str(one.newest.number), one.newest.created_at, measure(_metric(one.newest, "auc")))
    return (one.name, str(len(one.versions)), *numbers, *newest)


def _version_cells(one: ListedVersion) -> tuple[str, ...]:
    found = one.manifest
    return (
        str(found.number),
        ", ".join(one.holds) or NOTHING,
        found.created_at,
        found.created_by,
        f"{found.training.get('name')}/{found.training.get('version')}",
        *(measure(_metric(found, name)) for name in ("auc", "log_loss", "brier")),
    )
