"""The features of many requests from the offline tables, each request as of its own moment: what the stream knew then.

It is the join that training sets are built with, and each value comes with what it rests on, as online.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ray_pipeline.errors import UsageError
from ray_pipeline.features.history import OFFSETS, offline_schema
from ray_pipeline.features.reading import OffsetRange, Status
from ray_pipeline.features.service import ServiceView
from ray_pipeline.features.shape import ValueType, ViewShape
from ray_pipeline.features.training_spec import moment_text
from ray_pipeline.runtime.features.answers import FeatureAnswer, FeatureValue
from ray_pipeline.runtime.features.read import request_answers
from ray_pipeline.runtime.jobs.training_set import feature_table
from ray_pipeline.runtime.predictions.live import Found
from ray_pipeline.runtime.predictions.policy import Refusal, Why
from ray_pipeline.runtime.predictions.prediction import PredictionRequest

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.feast.ray_join import ViewPlan
    from ray_pipeline.connectors.iceberg.feature_table import FeatureTable, FeatureTableInfo
    from ray_pipeline.runtime.predictions.predictor import Predictor

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = 86_400_000_000
_ASKED = "#asked"
_ARROW = {
    ValueType.INT64: pa.int64(),
    ValueType.FLOAT64: pa.float64(),
    ValueType.STRING: pa.string(),
    ValueType.BOOL: pa.bool_(),
    ValueType.TIMESTAMP: pa.timestamp("us", "UTC"),
}


@dataclass(frozen=True, slots=True)
class _View:
    asked: ServiceView
    shape: ViewShape
    table: FeatureTable
    info: FeatureTableInfo


def read_offline(
    config: PipelineConfig,
    predictor: Predictor,
    requests: Sequence[PredictionRequest],
    *,
    blocks: int | None = None,
    ray_address: str | None = None,
) -> list[Found]:
    """Return the features of each request as its moment knew them; a refusal where a table does not know it yet.

    Raises ``UsageError`` where a request names no moment, or a view was never built.
    """
    nowhere = [request.request_id for request in requests if request.as_of is None]
    if nowhere:
        raise UsageError(f"{len(nowhere)} of {len(requests)} requests name no moment (as_of), first {nowhere[0]}")
    views = [
        _View(asked, predictor.shapes[asked.view], *feature_table(config, predictor.shapes[asked.view]))
        for asked in predictor.service.views
    ]
    found: dict[int, Found] = {}
    known: list[int] = []
    for number, request in enumerate(requests):
        late = _late(request, views)
        if late is None:
            known.append(number)
        else:
            found[number] = late
    answers = _answers(predictor, views, [requests[number] for number in known], blocks, ray_address)
    found |= zip(known, answers, strict=True)
    return [found[number] for number in range(len(requests))]


def _late(request: PredictionRequest, views: Sequence[_View]) -> Refusal | None:
    """Refuse a request that is later than a table knows: its newest row could be older than what was known."""
    at = _micros(request)
    for view in views:
        horizon = view.info.horizon_us
        if horizon is None or at > horizon:
            told = "nothing yet" if horizon is None else f"up to {moment_text(horizon)}"
            said = f"asked as of {moment_text(at)}, later than view {view.asked.shown} knows offline ({told})"
            return Refusal(request.request_id, Why.NOT_KNOWN_YET, f"{said}; build the features first")
    return None


def _answers(
    predictor: Predictor,
    views: Sequence[_View],
    requests: Sequence[PredictionRequest],
    blocks: int | None,
    ray_address: str | None,
) -> list[FeatureAnswer]:
    from ray_pipeline.connectors.feast.ray_join import join_views

    if not requests:
        return []
    features: list[dict[str, FeatureValue]] = [{} for _ in requests]
    if views:
        moments = [_micros(request) for request in requests]
        joined = join_views(
            _asked(views, requests, moments),
            [_plan(view, max(moments)) for view in views],
            at=_ASKED,
            statuses=True,
            blocks=blocks,
            ray_address=ray_address,
        )
        for view in views:
            for answer, values in zip(features, _values(view, joined, moments), strict=True):
                answer.update(values)
    if (definition := predictor.service.request) is not None:
        own = request_answers(definition, [request.values for request in requests])
        for answer, values in zip(features, own, strict=True):
            answer.update({f"{definition.name}__{name}": value for name, value in values.items()})
    return [FeatureAnswer(request.as_of, answer) for request, answer in zip(requests, features, strict=True)]


def _asked(views: Sequence[_View], requests: Sequence[PredictionRequest], moments: Sequence[int]) -> pa.Table:
    """Return the requests as the join takes them: the moment, and the keys of the views."""
    columns: dict[str, Any] = {_ASKED: pa.array(moments, pa.int64())}
    for view in views:
        for key in view.shape.keys:
            name = view.asked.keys.get(key.name, key.name)
            if name not in columns:
                columns[name] = _column(name, _ARROW[key.type], requests)
    return pa.table(columns)


def _column(name: str, kind: pa.DataType, requests: Sequence[PredictionRequest]) -> pa.Array:
    for request in requests:
        if name not in request.values:
            raise UsageError(f"request {request.request_id} has no {name}, the key of a view")
    try:
        return pa.array([request.values[name] for request in requests], kind)
    except (pa.ArrowException, OverflowError):
        raise UsageError(f"{name} must be {kind} in every request") from None


def _plan(view: _View, last_us: int) -> ViewPlan:
    """Return how to join a view. Its ttl is applied afterwards, so that a value that is too old says what it was."""
    from ray_pipeline.connectors.iceberg.pinned import pinned_plan

    asked, shape = view.asked, view.shape
    return pinned_plan(
        view.table,
        view.info.snapshot_id or 0,
        name=asked.shown,
        keys={asked.keys.get(key.name, key.name): key.name for key in shape.keys},
        features={name: f"{asked.shown}__{name}" for name in asked.features} | {OFFSETS: _offsets_of(asked)},
        schema=offline_schema(shape),
        ttl_us=None,
        days=(-(1 << 62), last_us // _DAY),
    )


def _offsets_of(asked: ServiceView) -> str:
    return f"#{asked.shown}{OFFSETS}"


def _values(view: _View, joined: pa.Table, moments: Sequence[int]) -> list[dict[str, FeatureValue]]:
    """Return the features of a view for each request."""
    asked, shape = view.asked, view.shape
    events: list[int | None] = joined.column(f"{asked.shown}__event").to_pylist()
    offsets: list[list[Mapping[str, int]] | None] = joined.column(_offsets_of(asked)).to_pylist()
    types = {one.name: one.type for one in shape.features}
    columns = [_plain(joined.column(f"{asked.shown}__{name}"), types[name]) for name in asked.features]
    names = [f"{asked.shown}__{name}" for name in asked.features]
    answers = []
    for number, (at, event) in enumerate(zip(moments, events, strict=True)):
        if event is None:
            answers.append({name: FeatureValue(None, Status.NOT_FOUND) for name in names})
            continue
        ranges = tuple(OffsetRange(one["partition"], one["first"], one["last"]) for one in offsets[number] or ())
        changed = _moment(event)
        old = shape.ttl is not None and at - event > shape.ttl
        status = Status.OUTSIDE_MAX_AGE if old else Status.PRESENT
        answers.append(
            {
                name: FeatureValue(None if old else column[number], status, changed, ranges)
                for name, column in zip(names, columns, strict=True)
            }
        )
    return answers


def _plain(column: pa.ChunkedArray, kind: ValueType) -> list[Any]:
    if kind is not ValueType.TIMESTAMP:
        return list(column.to_pylist())
    return [None if one is None else _moment(one) for one in column.cast(pa.int64()).to_pylist()]


def _micros(request: PredictionRequest) -> int:
    assert request.as_of is not None
    return (request.as_of - _EPOCH) // _MICROSECOND


def _moment(micros: int) -> datetime:
    return _EPOCH + micros * _MICROSECOND
