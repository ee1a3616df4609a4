"""A feature service of Feast's, with the features of the request beside it; and the same as a value."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from feast import FeatureService
from feast.repo_contents import RepoContents

from ray_pipeline.features.definition import RequestDefinition
from ray_pipeline.features.lines import Places
from ray_pipeline.features.service import Service, ServiceView

REQUEST_TAG = "ray_pipeline.request"
_PLACE = "_ray_pipeline_place"
_REQUEST = "_ray_pipeline_request"


def feature_service(
    name: str,
    features: Sequence[Any],
    *,
    request: RequestDefinition | None = None,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    owner: str = "",
) -> FeatureService:
    """Return a service over views, as Feast's own is made; ``request`` are features that a training set gets as well.

    Feast answers with the views' features. Those of the request are computed from what the caller knows, by
    :func:`ray_pipeline.features.requests.request_values`: in training sets, and in ``read_features``.
    """
    caller = sys._getframe(1)
    marked = {} if request is None else {REQUEST_TAG: request.name}
    service = FeatureService(
        name=name, features=list(features), description=description, tags={**(tags or {}), **marked}, owner=owner
    )
    setattr(service, _PLACE, (caller.f_code.co_filename, caller.f_lineno))
    setattr(service, _REQUEST, request)
    return service


def services_of(contents: RepoContents, files: Sequence[str]) -> tuple[Service, ...]:
    """Return the services of a repository as values. One that Feast made itself is looked for in the files."""
    features = {view.name: tuple(one.name for one in view.features) for view in contents.feature_views}
    made_by_us = [getattr(service, _PLACE) for service in contents.feature_services if hasattr(service, _PLACE)]
    places = Places(files, made_by_us)
    return tuple(_service(service, features, places) for service in contents.feature_services)


def _service(service: FeatureService, features: Mapping[str, tuple[str, ...]], places: Places) -> Service:
    file, line = getattr(service, _PLACE, None) or places.find(service.name)
    views = [
        ServiceView(
            view=one.name,
            features=tuple(feature.name for feature in one.features),
            alias=one.name_alias or "",
            keys=dict(one.join_key_map),
        )
        for one in service.feature_view_projections
    ]
    views += _referred(service._pending_feature_refs, features)
    return Service(service.name, tuple(views), getattr(service, _REQUEST, None), file, line)


def _referred(references: Sequence[str], features: Mapping[str, tuple[str, ...]]) -> list[ServiceView]:
    """Views that are named by text, ``view`` or ``view:feature``; a version after ``@`` is Feast's to resolve."""
    chosen: dict[str, list[str]] = {}
    for reference in references:
        view, _, feature = reference.partition(":")
        name = view.partition("@")[0]
        chosen.setdefault(name, []).extend([feature] if feature else features.get(name, ()))
    return [ServiceView(name, tuple(dict.fromkeys(found))) for name, found in chosen.items()]
