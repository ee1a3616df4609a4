"""Answers from the online store: as of now by its clock, or as of the moment that a request names."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ray_pipeline.clock import Clock, WallClock
from ray_pipeline.config.serve import Policy
from ray_pipeline.connectors.online.settings import ClockKind
from ray_pipeline.errors import OnlineStoreDeniedError, OnlineStoreUnavailableError
from ray_pipeline.features.reading import Status
from ray_pipeline.runtime.features.answers import FeatureAnswer, FeatureValue
from ray_pipeline.runtime.features.read import read_with, request_answers
from ray_pipeline.runtime.predictions.policy import Answer, Policies, Refusal, Why, judge
from ray_pipeline.runtime.predictions.prediction import PredictionRequest, Source
from ray_pipeline.runtime.predictions.predictor import Predictor, score

if TYPE_CHECKING:
    from ray_pipeline.features.ports import OnlineStore
    from ray_pipeline.runtime.features.remembered import Remembered

logger = logging.getLogger(__name__)

Found = FeatureAnswer | Refusal
"""What the model is to answer from, or why it is not to answer."""


def answer(
    predictor: Predictor,
    online: OnlineStore,
    requests: Sequence[PredictionRequest],
    policies: Policies,
    *,
    clock: ClockKind = ClockKind.WALL,
    machine: Clock | None = None,
    remembered: Remembered | None = None,
) -> list[Answer]:
    """Return for each request its prediction, or why there is none; in their order.

    ``clock`` is the online store's, ``machine`` what the wall clock reads, ``remembered`` belongs to this predictor. A
    store that does not answer is no error here: the policies say what becomes of it, and where they say answer, every
    stored feature is INVALID.
    """
    found: dict[int, Found] = {}
    # Those that name no moment share the store's now.
    named = [number for number, request in enumerate(requests) if request.as_of is not None]
    others = [number for number, request in enumerate(requests) if request.as_of is None]
    for numbers in (named, others):
        if numbers:
            some = [requests[number] for number in numbers]
            found |= zip(numbers, _read(predictor, online, some, policies, clock, machine, remembered), strict=True)
    return scored(predictor, requests, [found[number] for number in range(len(requests))], Source.ONLINE)


def scored(
    predictor: Predictor, requests: Sequence[PredictionRequest], found: Sequence[Found], source: Source
) -> list[Answer]:
    """Return the model's answer to each request that has features; a refusal stays one."""
    kept = [(request, one) for request, one in zip(requests, found, strict=True) if isinstance(one, FeatureAnswer)]
    predictions = iter(score(predictor, [request for request, _ in kept], [one for _, one in kept], source))
    return [one if isinstance(one, Refusal) else next(predictions) for one in found]


def let_through(request: PredictionRequest, found: FeatureAnswer, policies: Policies) -> Found:
    """Return the features where the policies let a model answer from them, else why not."""
    if found.as_of is None:
        return _unavailable(request, "the online store has no event yet, and its clock is a replay's")
    return judge(request.request_id, found.features, policies.on_missing, policies.on_stale) or found


def _read(
    predictor: Predictor,
    online: OnlineStore,
    requests: Sequence[PredictionRequest],
    policies: Policies,
    clock: ClockKind,
    machine: Clock | None,
    remembered: Remembered | None,
) -> list[Found]:
    """Read the features of requests that all name a moment, or none of them does."""
    rows = [request.values for request in requests]
    moments = [request.as_of for request in requests if request.as_of is not None]
    try:
        answers = read_with(
            online,
            predictor.shapes,
            predictor.service,
            rows,
            moments or None,
            clock=clock,
            machine=machine,
            remembered=remembered,
        )
    except (OnlineStoreUnavailableError, OnlineStoreDeniedError) as error:
        logger.warning("answering without features: %s", error)  # an answer shows nobody what a store is called
        return _without_store(predictor, requests, policies, clock, machine)
    return [let_through(request, one, policies) for request, one in zip(requests, answers.rows, strict=True)]


def _without_store(
    predictor: Predictor,
    requests: Sequence[PredictionRequest],
    policies: Policies,
    clock: ClockKind,
    machine: Clock | None,
) -> list[Found]:
    said = "the online store does not answer"
    if policies.on_unavailable is Policy.REFUSE:
        return [_unavailable(request, said) for request in requests]
    invalid = FeatureValue(None, Status.INVALID)
    stored = {f"{one.shown}__{name}": invalid for one in predictor.service.views for name in one.features}
    own: list[dict[str, FeatureValue]] = [{} for _ in requests]
    if (definition := predictor.service.request) is not None:
        answers = request_answers(definition, [request.values for request in requests])
        own = [{f"{definition.name}__{name}": value for name, value in one.items()} for one in answers]
    now = (machine or WallClock()).now()
    found: list[Found] = []
    for request, features in zip(requests, own, strict=True):
        moment: datetime | None = request.as_of
        if moment is None and clock is ClockKind.WALL:
            moment = now
        if moment is None:
            found.append(_unavailable(request, f"{said}, and its clock is a replay's"))
        else:
            found.append(FeatureAnswer(moment, stored | features))
    return found


def _unavailable(request: PredictionRequest, said: str) -> Refusal:
    return Refusal(request.request_id, Why.UNAVAILABLE, said)
