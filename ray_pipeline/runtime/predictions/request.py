"""From a JSON object to a question for a model: over HTTP and from the lines of a file alike."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from ray_pipeline.config.nearest import unknown
from ray_pipeline.errors import UsageError
from ray_pipeline.features.shape import ValueType
from ray_pipeline.runtime.predictions.prediction import PredictionRequest

REQUEST_ID, AS_OF = "request_id", "as_of"
"""What a document may hold beside the fields of the model."""
LONGEST_TEXT = 1_000
LONGEST_LABEL_KEY = 200
LONGEST_REQUEST = 16_000
"""Characters: what the contract of predictions takes."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")
_FINER = re.compile(r"[.,]\d{7}")
_EXACT = 1 << 53
_NO_MOMENT = datetime(1, 1, 1, tzinfo=UTC)
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z
_NAMES: Mapping[ValueType, str] = {
    ValueType.INT64: "a whole number",
    ValueType.FLOAT64: "a number",
    ValueType.STRING: "text",
    ValueType.BOOL: "true or false",
    ValueType.TIMESTAMP: "a moment as text, as in 2013-02-23T14:15:00Z",
}


@dataclass(frozen=True, slots=True)
class RequestField:
    """One thing that whoever asks may say."""

    name: str
    type: ValueType
    kind: Literal["key", "request", "label_key"]
    """A part of an entity, a value that features of the request are computed from, or what the outcome is found by."""
    required: bool
    """It must be there. Null says that it is not known: then what rests on it is NOT_FOUND."""


class RequestError(UsageError):
    """A request that is none. ``code`` is for programs, ``field`` names the culprit; no message repeats a value."""

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super(UsageError, self).__init__(code, message, field)
        self.code, self.message, self.field = code, message, field

    def __str__(self) -> str:
        return self.message


def read_request(
    fields: Sequence[RequestField],
    document: Mapping[str, Any],
    *,
    allow_as_of: bool,
    new_id: Callable[[], str],
) -> PredictionRequest:
    """Return the question that a document asks, or raise :class:`RequestError` with the first thing that is wrong.

    ``allow_as_of``: whether it may name its moment. A moment may also be an aware ``datetime``, as a Parquet file has
    it. ``new_id`` is asked where the document brings no ``request_id``.

    >>> fields = [RequestField("origin", ValueType.STRING, "key", True)]
    >>> read_request(fields, {"origin": "EWR"}, allow_as_of=False, new_id=lambda: "r1").values
    {'origin': 'EWR'}
    """
    if not isinstance(document, Mapping):
        raise RequestError("not_an_object", "a request is a JSON object of the model's fields")
    names = {field.name for field in fields}
    for name in document:
        if name not in names and name != REQUEST_ID and not (name == AS_OF and allow_as_of):
            _refuse_name(name, names, allow_as_of)
    values: dict[str, Any] = {}
    label_key: str | None = None
    for field in fields:
        if field.name not in document:
            if field.required:
                raise RequestError("missing_field", f"{field.name} is missing: {_NAMES[field.type]}", field.name)
            continue
        value = document[field.name]
        if field.kind == "label_key":
            label_key = None if value is None else _label_key(field.name, value)
        else:
            values[field.name] = None if value is None else _value(field, value)
    moment = document.get(AS_OF)
    as_of = None if moment is None else _moment(AS_OF, moment)
    if len(request_text(values)) > LONGEST_REQUEST:
        raise RequestError("too_long", f"a request has at most {LONGEST_REQUEST:,} characters in all")
    return PredictionRequest(_request_id(document.get(REQUEST_ID), new_id), values, as_of, label_key)


def request_text(values: Mapping[str, Any]) -> str:
    """Return the values as JSON with sorted keys; moments as ISO text. This is what an event keeps of a request."""
    return orjson.dumps(dict(values), option=_OPTIONS).decode()


def is_request_id(text: str) -> bool:
    """Return whether a text may be the id of a request."""
    return _ID.fullmatch(text) is not None


def _refuse_name(name: object, names: set[str], allow_as_of: bool) -> None:
    if name == AS_OF:
        raise RequestError(
            "as_of_refused", "as_of can be said only to a store whose clock is a replay's: leave it out", AS_OF
        )
    known = {*names, REQUEST_ID, *([AS_OF] if allow_as_of else [])}
    shown = name if isinstance(name, str) and name.isprintable() and len(name) <= 100 else None
    said = unknown(shown or "", known, "field")
    raise RequestError("unknown_field", said if shown is None else f"{shown}: {said}", shown)


def _value(field: RequestField, value: Any) -> Any:
    name, kind = field.name, field.type
    if kind is ValueType.STRING and type(value) is str:
        return _text(name, value, LONGEST_TEXT)
    if kind is ValueType.INT64 and type(value) is int:
        if not -(1 << 63) <= value < 1 << 63:
            raise RequestError("out_of_range", f"{name} is beyond 64 bits", name)
        return value
    if kind is ValueType.FLOAT64 and type(value) in (int, float):
        return _number(name, value)
    if kind is ValueType.BOOL and type(value) is bool:
        return value
    if kind is ValueType.TIMESTAMP and isinstance(value, str | datetime):
        return _moment(name, value)
    raise RequestError("wrong_type", f"{name} must be {_NAMES[kind]}, not {_told(value)}", name)


def _number(name: str, value: float) -> float:
    if isinstance(value, int) and not -_EXACT <= value <= _EXACT:
        raise RequestError("out_of_range", f"{name} is beyond the whole numbers that a float holds exactly", name)
    if not math.isfinite(value):
        raise RequestError("out_of_range", f"{name} is not a finite number", name)
    return float(value)


def _text(name: str, value: str, longest: int) -> str:
    if len(value) > longest:
        raise RequestError("too_long", f"{name} has more than {longest:,} characters", name)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise RequestError("wrong_type", f"{name} is no text: half a surrogate pair is in it", name) from None
    return value


def _label_key(name: str, value: Any) -> str:
    if type(value) is int and -(1 << 63) <= value < 1 << 63:
        return str(value)
    if type(value) is not str:
        raise RequestError("wrong_type", f"{name} must be text, not {_told(value)}", name)
    if not value:
        raise RequestError("out_of_range", f"{name} is empty: leave it out where there is none", name)
    return _text(name, value, LONGEST_LABEL_KEY)


def _moment(name: str, value: Any) -> datetime:
    if isinstance(value, str):
        if _FINER.search(value):
            raise RequestError("out_of_range", f"{name} is finer than microseconds", name)
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise RequestError("wrong_type", f"{name} must be {_NAMES[ValueType.TIMESTAMP]}", name) from None
    if not isinstance(value, datetime):
        raise RequestError("wrong_type", f"{name} must be {_NAMES[ValueType.TIMESTAMP]}, not {_told(value)}", name)
    if value.tzinfo is None:
        raise RequestError("no_zone", f"{name} has no time zone: write Z or an offset from UTC", name)
    try:
        found = value.astimezone(UTC)
    except OverflowError:
        found = _NO_MOMENT
    if not 2 <= found.year <= 9998:  # in any zone it must still be a moment
        raise RequestError("out_of_range", f"{name} is beyond the years 2 to 9998", name)
    return found


def _request_id(given: Any, new_id: Callable[[], str]) -> str:
    if given is None:
        return new_id()
    if not (isinstance(given, str) and is_request_id(given)):
        raise RequestError(
            "bad_request_id",
            "request_id must be 1 to 100 letters, digits, '.', '_', ':' and '-', and begin with a letter or digit",
            REQUEST_ID,
        )
    return given


def _told(value: object) -> str:
    """Say of which type a value is, never the value."""
    if value is None:
        return "null"
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "true or false"),
        (int, "a whole number"),
        (float, "a number with a fraction"),
        (str, "text"),
        (datetime, "a moment"),
        (Mapping, "an object"),
        ((list, tuple), "a list"),
    )
    return next((said for kind, said in kinds if isinstance(value, kind)), type(value).__name__)
