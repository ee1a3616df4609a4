"""What one model asks for: features of several views, and those of the request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ray_pipeline.features.definition import RequestDefinition


@dataclass(frozen=True, slots=True)
class ServiceView:
    """The features that a service takes from one view."""

    view: str
    features: tuple[str, ...]
    alias: str = ""
    """What the view is called in the answer, where the same one is asked twice; else its own name."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Join key of the view → column of the request, where the two names differ."""

    @property
    def shown(self) -> str:
        """The name before each feature in the answer, as in ``origin_last_2h__departures``."""
        return self.alias or self.view


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """A feature service."""

    name: str
    views: tuple[ServiceView, ...]
    request: RequestDefinition | None = None
    file: str = ""
    line: int | None = None
