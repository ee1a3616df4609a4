"""Feast as its users know it: views that this pipeline computes, and stores that Feast opens by dotted path.

A definition file says ``from ray_pipeline.connectors.feast import feature_service, feature_view``. Everything is
imported at its first use: a Feast client that only opens one of the stores loads nothing else of this package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ray_pipeline.connectors.feast.repo import FeatureRepo, apply_repo, feature_store, load_repo
    from ray_pipeline.connectors.feast.services import feature_service
    from ray_pipeline.connectors.feast.views import feature_view

_HOMES = {
    "FeatureRepo": "repo",
    "apply_repo": "repo",
    "feature_service": "services",
    "feature_store": "repo",
    "feature_view": "views",
    "load_repo": "repo",
}

__all__ = ["FeatureRepo", "apply_repo", "feature_service", "feature_store", "feature_view", "load_repo"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
