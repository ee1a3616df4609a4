"""An answer as an event under the contract of predictions, and back.

A feature's value is in the field of its kind: ``number``, ``text``, ``flag`` or ``moment``; null is in none of them. A
whole number beyond 2^53 is in ``text`` digit for digit, and beside it in ``number`` as near as a double comes: that is
how it is told from a text of digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from ray_pipeline.features.reading import OffsetRange, Status
from ray_pipeline.runtime.features.answers import FeatureValue
from ray_pipeline.runtime.predictions.prediction import Prediction, PredictionRequest
from ray_pipeline.runtime.predictions.request import (
    AS_OF,
    LONGEST_REQUEST,
    REQUEST_ID,
    RequestError,
    RequestField,
    read_request,
    request_text,
)

_EXACT = 1 << 53


def event_of(prediction: Prediction) -> dict[str, Any]:
    """Return the event of an answer; every value is one that JSON has."""
    request = prediction.request
    text = request_text(request.values)
    if len(text) > LONGEST_REQUEST:  # a request that was made by hand: `read_request` lets none such through
        raise RequestError("too_long", f"a request has at most {LONGEST_REQUEST:,} characters in all")
    event: dict[str, Any] = {
        "request_id": request.request_id,
        "occurred_at": moment_text(prediction.as_of),
        "model": {
            "name": prediction.model,
            "version": prediction.version,
            "file": prediction.file_sha256,
            "training_set": prediction.training_set,
        },
    }
    if request.label_key is not None:
        event["label_key"] = request.label_key
    event |= {
        "request": text,
        "probability": prediction.probability,
        "complete": prediction.is_complete,
        "source": prediction.source.value,
        "features": [_feature(name, found) for name, found in prediction.features.items()],
        "views": [_view(name, dataset, prediction.features) for name, dataset in prediction.views.items()],
    }
    return event


def event_bytes(prediction: Prediction) -> bytes:
    """Return the event as the topic has it."""
    return orjson.dumps(event_of(prediction))


def values_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of each feature, exactly; from an event as JSON, or from its landed row.

    A landed row has all numbers in double precision: there a whole number comes back as the float that equals it.
    """
    return {one["name"]: _value(one) for one in event["features"]}


def statuses_of(event: Mapping[str, Any]) -> dict[str, Status]:
    """Return the status of each feature."""
    return {one["name"]: Status(one.get("status") or Status.PRESENT) for one in event["features"]}


def offsets_of(event: Mapping[str, Any]) -> dict[str, tuple[OffsetRange, ...]]:
    """Return by view the events that its values rest on."""
    return {
        one["name"]: tuple(OffsetRange(part["partition"], part["first"], part["last"]) for part in one["offsets"])
        for one in event["views"]
    }


def datasets_of(event: Mapping[str, Any]) -> dict[str, str]:
    """Return by view the dataset of its events."""
    return {one["name"]: one["dataset"] for one in event["views"]}


def request_of(event: Mapping[str, Any], fields: Sequence[RequestField]) -> PredictionRequest:
    """Return the question of an event, with the moment that it was answered for.

    Raises :class:`~ray_pipeline.runtime.predictions.request.RequestError` where these are not the fields that it was
    asked with.
    """
    document: dict[str, Any] = orjson.loads(event["request"])
    # A key of the label may be a key of a view as well: then it is among the values already.
    for field in fields:
        if field.kind == "label_key" and field.name not in document and event.get("label_key") is not None:
            document[field.name] = event["label_key"]
    document |= {REQUEST_ID: event["request_id"], AS_OF: event["occurred_at"]}
    return read_request(fields, document, allow_as_of=True, new_id=str)


def view_of(feature: str, views: Iterable[str]) -> str | None:
    """Return the view that a feature's name begins with; None: it is one of the request.

    >>> view_of("origin_last_2h__departures", ["origin_last_2h", "origin"])
    'origin_last_2h'
    """
    found = [view for view in views if feature.startswith(f"{view}__")]
    return max(found, key=len, default=None)


def moment_text(moment: datetime) -> str:
    """Return a moment as events have it.

    >>> moment_text(datetime(2013, 2, 23, 14, 15, tzinfo=UTC))
    '2013-02-23T14:15:00Z'
    """
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _feature(name: str, found: FeatureValue) -> dict[str, Any]:
    said: dict[str, Any] = {"name": name}
    value = found.value
    if isinstance(value, bool):
        said["flag"] = value
    elif isinstance(value, int):
        exact = -_EXACT <= value <= _EXACT
        said |= {"number": value} if exact else {"number": float(value), "text": str(value)}
    elif isinstance(value, float):
        said["number"] = value
    elif isinstance(value, str):
        said["text"] = value
    elif isinstance(value, datetime):
        said["moment"] = moment_text(value)
    elif value is not None:
        raise TypeError(f"feature {name} is {type(value).__name__}, and events have no field for that")
    if found.status is not Status.PRESENT:
        said["status"] = found.status.value
    return said


def _value(said: Mapping[str, Any]) -> Any:
    number, text, flag, moment = (said.get(kind) for kind in ("number", "text", "flag", "moment"))
    if number is not None:
        return number if text is None else int(text)
    if text is not None:
        return text
    if flag is not None:
        return flag
    return datetime.fromisoformat(moment).astimezone(UTC) if isinstance(moment, str) else moment


def _view(name: str, dataset: str, features: Mapping[str, FeatureValue]) -> dict[str, Any]:
    said: dict[str, Any] = {"name": name, "dataset": dataset}
    # The features of a view are read together, so that any of them says it for all.
    found = next((found for feature, found in features.items() if feature.startswith(f"{name}__")), None)
    if found is not None and found.event_time is not None:
        said["changed_at"] = moment_text(found.event_time)
    offsets = () if found is None else found.offsets
    said["offsets"] = [{"partition": one.partition, "first": one.first, "last": one.last} for one in offsets]
    return said
