"""What a model asks for, by the feature repository as it is now: its service, narrowed to what the model sees."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ray_pipeline.errors import ModelMismatchError, UsageError
from ray_pipeline.features.requests import feature_definitions, request_definition
from ray_pipeline.features.service import Service, ServiceView
from ray_pipeline.features.shape import ValueType, ViewShape
from ray_pipeline.model.columns import ColumnKind
from ray_pipeline.model.manifest import ModelManifest, TrainedView
from ray_pipeline.runtime.predictions.event import view_of
from ray_pipeline.runtime.predictions.request import RequestField

if TYPE_CHECKING:
    from ray_pipeline.connectors.feast.repo import FeatureRepo
    from ray_pipeline.features.definition import RequestDefinition

_TYPES = {
    ColumnKind.NUMBER: ValueType.FLOAT64,
    ColumnKind.FLAG: ValueType.BOOL,
    ColumnKind.CATEGORY: ValueType.STRING,
    ColumnKind.MOMENT: ValueType.TIMESTAMP,
}


def fit_service(
    manifest: ModelManifest, repo: FeatureRepo
) -> tuple[Service, dict[str, ViewShape], tuple[RequestField, ...]]:
    """Return the service as the model sees it, its views' shapes, and the fields of a request.

    Raises ``ModelMismatchError`` where a view, a feature or the request's features are not what they were.
    """
    try:
        whole = repo.service(manifest.service)
    except UsageError as error:
        raise ModelMismatchError(manifest.shown, str(error)) from None
    seen = {column.name for column in manifest.columns}
    views, shapes = [], {}
    for trained in manifest.views:
        asked = _asked(manifest, whole, trained)
        shape = repo.view(asked.view).shape
        if shape.definition != trained.definition:
            raise ModelMismatchError(
                manifest.shown,
                f"view {trained.view} is defined otherwise now ({shape.definition[:12]}) than when it was trained "
                f"({trained.definition[:12]}); train again, or go back to that definition",
            )
        features = tuple(name for name in asked.features if f"{asked.shown}__{name}" in seen)
        views.append(replace(asked, features=features))
        shapes[asked.view] = shape
    request = None
    if manifest.request is not None:
        if whole.request is None or whole.request.name != manifest.request:
            raise ModelMismatchError(
                manifest.shown, f"service {whole.name} has no request features {manifest.request} any more"
            )
        kept = {name: one for name, one in whole.request.features.items() if f"{manifest.request}__{name}" in seen}
        request = replace(whole.request, features=kept)
    narrowed = replace(whole, views=tuple(views), request=request)
    given = {f"{one.shown}__{name}" for one in views for name in one.features}
    if request is not None:
        given |= {f"{request.name}__{name}" for name in request.features}
    _check_features(manifest, given)
    if request is not None:
        _check_request(manifest, request)
    return narrowed, shapes, _fields(manifest, repo, whole, narrowed, given)


def _check_features(manifest: ModelManifest, given: set[str]) -> None:
    """Refuse what is no key and not given: asked of whoever asks, it would be another thing than at training."""
    sources = [trained.name for trained in manifest.views]
    if manifest.request is not None:
        sources.append(manifest.request)
    for column in manifest.columns:
        source = view_of(column.name, sources)
        if source is not None and column.name not in given:
            kind = "request features" if source == manifest.request else "view"
            name = column.name.removeprefix(f"{source}__")
            raise ModelMismatchError(manifest.shown, f"{kind} {source} has no feature {name} any more")


def _check_request(manifest: ModelManifest, request: RequestDefinition) -> None:
    trained, now = manifest.request_definition, request_definition(feature_definitions(request))
    if trained is not None and now != trained:
        raise ModelMismatchError(
            manifest.shown,
            f"request features {request.name} are defined otherwise now ({now[:12]}) than when it was trained "
            f"({trained[:12]}); train again, or go back to that definition",
        )


def _asked(manifest: ModelManifest, whole: Service, trained: TrainedView) -> ServiceView:
    for one in whole.views:
        if one.shown == trained.name and one.view == trained.view:
            return one
    raise ModelMismatchError(manifest.shown, f"service {whole.name} does not ask for view {trained.name} any more")


def _fields(
    manifest: ModelManifest, repo: FeatureRepo, whole: Service, narrowed: Service, given: set[str]
) -> tuple[RequestField, ...]:
    """Return the join keys of the views, the request's values, other keys that the model sees, and the label's key."""
    fields: dict[str, RequestField] = {}
    for kind in _keys(narrowed, repo):
        fields.setdefault(kind.name, kind)
    if narrowed.request is not None:
        for name, type_ in narrowed.request.inputs.items():
            fields.setdefault(name, RequestField(name, ValueType(type_), "request", required=True))
    # A key that only a column of the model needs has its type from the whole service, where that knows it.
    known = {field.name: field.type for field in _keys(whole, repo)}
    if whole.request is not None:
        known |= {name: ValueType(type_) for name, type_ in whole.request.inputs.items() if name not in known}
    for column in manifest.columns:
        if column.name not in given and column.name not in fields:
            type_ = known.get(column.name, _TYPES[column.kind])
            fields[column.name] = RequestField(column.name, type_, "key", required=True)
    return (*fields.values(), RequestField(manifest.label_key, ValueType.STRING, "label_key", required=False))


def _keys(service: Service, repo: FeatureRepo) -> list[RequestField]:
    return [
        RequestField(asked.keys.get(key.name, key.name), key.type, "key", required=True)
        for asked in service.views
        for key in repo.view(asked.view).shape.keys
    ]
