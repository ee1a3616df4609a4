"""A model asks for what it sees; where the repository has changed since it was trained it does not answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import polars as pl
import pytest

from ray_pipeline.errors import ModelMismatchError, UsageError
from ray_pipeline.features.definition import RequestDefinition
from ray_pipeline.features.requests import request_features
from ray_pipeline.features.service import Service, ServiceView
from ray_pipeline.features.shape import KeyShape, ValueType, ViewShape
from ray_pipeline.model.columns import ColumnKind, ModelColumn
from ray_pipeline.model.manifest import TrainedView
from ray_pipeline.runtime.predictions.fitted_service import fit_service
from ray_pipeline.runtime.predictions.request import RequestField
from tests.prediction_stub import CALENDAR, LIVE, MANIFEST, SERVICE

OTHER = replace(LIVE, name="other", definition="o" * 64, keys=(KeyShape("seats", ValueType.INT64),))


@dataclass(frozen=True)
class View:
    shape: ViewShape


@dataclass(frozen=True)
class Repo:
    """As much of a feature repository as is asked for."""

    shapes: tuple[ViewShape, ...]
    services: tuple[Service, ...]

    def view(self, name: str) -> View:
        return View(next(shape for shape in self.shapes if shape.name == name))

    def service(self, name: str) -> Service:
        for one in self.services:
            if one.name == name:
                return one
        raise UsageError(f"{name}: unknown feature service")


WHOLE = replace(
    SERVICE,
    views=(
        ServiceView("live", ("n",), alias="there", keys={"origin": "destination"}),
        ServiceView("live", ("n",)),
        ServiceView("other", ("n",)),
    ),
)


def fitted(manifest: Any = MANIFEST, service: Service = WHOLE, shapes: Any = (LIVE, OTHER)) -> Any:
    repo: Any = Repo(shapes, (service,))
    return fit_service(manifest, repo)


def test_a_model_asks_for_no_view_that_it_does_not_see() -> None:
    service, shapes, fields = fitted()
    assert service.views == (ServiceView("live", ("n",)),)
    assert shapes == {"live": LIVE}
    assert fields == (
        RequestField("origin", ValueType.STRING, "key", required=True),
        RequestField("due", ValueType.TIMESTAMP, "request", required=True),
        RequestField("carrier", ValueType.STRING, "key", required=True),
        RequestField("flight_id", ValueType.STRING, "label_key", required=False),
    )


def test_it_asks_for_no_feature_of_a_view_or_of_the_request_that_it_does_not_see() -> None:
    wide = request_features(
        "calendar", inputs=CALENDAR.inputs, features={**CALENDAR.features, "more": CALENDAR.features["hour"]}
    )
    views = (ServiceView("live", ("n", "m")),)
    service, _, _ = fitted(service=replace(WHOLE, views=views, request=wide))
    assert service.views[0].features == ("n",)
    assert list(service.request.features) == ["hour"]


def test_a_model_without_request_features_is_not_asked_for_their_values() -> None:
    columns = (ModelColumn("live__n", ColumnKind.NUMBER),)
    service, _, fields = fitted(replace(MANIFEST, request=None, columns=columns))
    assert service.request is None
    assert [field.name for field in fields] == ["origin", "flight_id"]


def test_an_alias_asks_for_the_requests_own_names() -> None:
    columns = (ModelColumn("there__n", ColumnKind.NUMBER), ModelColumn("live__n", ColumnKind.NUMBER))
    views = (TrainedView("there", "live", LIVE.definition, 1), TrainedView("live", "live", LIVE.definition, 1))
    _, _, fields = fitted(replace(MANIFEST, request=None, columns=columns, views=views))
    assert [field.name for field in fields] == ["destination", "origin", "flight_id"]


@pytest.mark.parametrize(
    ("column", "type_"),
    [
        (ModelColumn("seats", ColumnKind.NUMBER), ValueType.INT64),
        (ModelColumn("due", ColumnKind.MOMENT), ValueType.TIMESTAMP),
        (ModelColumn("weight", ColumnKind.NUMBER), ValueType.FLOAT64),
        (ModelColumn("holiday", ColumnKind.FLAG), ValueType.BOOL),
        (ModelColumn("landed_at", ColumnKind.MOMENT), ValueType.TIMESTAMP),
    ],
)
def test_a_key_that_only_the_model_sees_has_the_type_that_the_service_knows_or_the_columns(
    column: ModelColumn, type_: ValueType
) -> None:
    columns = (ModelColumn("live__n", ColumnKind.NUMBER), column)
    _, _, fields = fitted(replace(MANIFEST, request=None, columns=columns))
    assert RequestField(column.name, type_, "key", required=True) in fields


@pytest.mark.parametrize(
    ("service", "shapes", "sentence"),
    [
        (replace(WHOLE, name="renamed"), (LIVE, OTHER), "unknown feature service"),
        (replace(WHOLE, views=WHOLE.views[2:]), (LIVE, OTHER), "does not ask for view live any more"),
        (WHOLE, (replace(LIVE, definition="f" * 64), OTHER), "live is defined otherwise now"),
        (replace(WHOLE, request=None), (LIVE, OTHER), "no request features calendar any more"),
        (replace(WHOLE, views=(ServiceView("live", ("m",)),)), (LIVE, OTHER), "view live has no feature n any more"),
    ],
)
def test_what_has_changed_since_it_was_trained_is_said(
    service: Service, shapes: tuple[ViewShape, ...], sentence: str
) -> None:
    with pytest.raises(ModelMismatchError, match=sentence) as caught:
        fitted(service=service, shapes=shapes)
    assert str(caught.value).startswith("model late/3 cannot answer")


@pytest.mark.parametrize(
    "changed",
    [
        request_features("calendar", inputs=CALENDAR.inputs, features={"hour": pl.col("due").dt.minute()}),
        request_features("calendar", inputs={**CALENDAR.inputs, "seats": "int64"}, features=CALENDAR.features),
    ],
)
def test_a_feature_of_the_request_that_is_computed_otherwise_is_said(changed: RequestDefinition) -> None:
    with pytest.raises(ModelMismatchError, match="request features calendar are defined otherwise now") as caught:
        fitted(service=replace(WHOLE, request=changed))
    assert str(MANIFEST.request_definition)[:12] in str(caught.value)
    before = replace(MANIFEST, request_definition=None)  # of a version from before there was a hash
    assert fitted(before, replace(WHOLE, request=changed))[0].request is not None


def test_a_feature_of_the_request_that_is_gone_is_said() -> None:
    other = request_features("calendar", inputs=CALENDAR.inputs, features={"day": CALENDAR.features["hour"]})
    with pytest.raises(ModelMismatchError, match="request features calendar has no feature hour any more"):
        fitted(service=replace(WHOLE, request=other))
