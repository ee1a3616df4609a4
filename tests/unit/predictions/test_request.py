"""What a request may say, and how it is refused: by field, and without a word of what was sent."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from ray_pipeline.errors import UsageError
from ray_pipeline.features.shape import ValueType
from ray_pipeline.runtime.predictions.request import RequestError, RequestField, read_request, request_text

FIELDS = (
    RequestField("origin", ValueType.STRING, "key", required=True),
    RequestField("seats", ValueType.INT64, "key", required=True),
    RequestField("weight", ValueType.FLOAT64, "request", required=True),
    RequestField("holiday", ValueType.BOOL, "request", required=True),
    RequestField("due", ValueType.TIMESTAMP, "request", required=True),
    RequestField("flight_id", ValueType.STRING, "label_key", required=False),
)
GOOD: dict[str, Any] = {
    "origin": "EWR",
    "seats": 180,
    "weight": 70,
    "holiday": False,
    "due": "2013-02-23T10:15:00-05:00",
    "flight_id": "f1",
}


def read(document: Any, *, allow_as_of: bool = True) -> Any:
    return read_request(FIELDS, document, allow_as_of=allow_as_of, new_id=lambda: "made")


def test_a_request_is_read_by_the_types_of_its_fields() -> None:
    found = read({**GOOD, "request_id": "r:1", "as_of": "2013-02-23T14:15:00.000001Z"})
    due = datetime(2013, 2, 23, 15, 15, tzinfo=UTC)
    assert found.values == {"origin": "EWR", "seats": 180, "weight": 70.0, "holiday": False, "due": due}
    assert type(found.values["weight"]) is float
    assert found.values["due"].tzinfo is UTC
    assert (found.request_id, found.label_key) == ("r:1", "f1")
    assert found.as_of == datetime(2013, 2, 23, 14, 15, 0, 1, tzinfo=UTC)


def test_what_is_optional_may_be_left_out_and_null_says_that_it_is_not_known() -> None:
    found = read({name: None for name in GOOD if name != "flight_id"} | {"request_id": None, "as_of": None})
    assert set(found.values.values()) == {None}
    assert (found.request_id, found.label_key, found.as_of) == ("made", None, None)


def test_a_label_key_of_a_number_is_its_digits_and_a_moment_may_be_one() -> None:
    moment = datetime(2013, 2, 23, 20, tzinfo=timezone(timedelta(hours=5)))
    found = read({**GOOD, "flight_id": 17, "due": moment, "as_of": moment})
    assert found.label_key == "17"
    assert found.as_of == found.values["due"] == datetime(2013, 2, 23, 15, tzinfo=UTC)


SECRET = "s3cr3t"
WRONG: list[tuple[dict[str, Any], str, str | None, str]] = [
    ({"orgin": SECRET}, "unknown_field", "orgin", "did you mean origin"),
    ({"ori\ngin\x00": SECRET}, "unknown_field", None, "unknown field"),
    ({"x" * 500: SECRET}, "unknown_field", None, "unknown field"),
    ({"origin": 7}, "wrong_type", "origin", "must be text, not a whole number"),
    ({"origin": [SECRET]}, "wrong_type", "origin", "not a list"),
    ({"origin": {"a": SECRET}}, "wrong_type", "origin", "not an object"),
    ({"origin": "\ud800"}, "wrong_type", "origin", "surrogate"),
    ({"origin": SECRET * 200}, "too_long", "origin", "1,000 characters"),
    ({"seats": True}, "wrong_type", "seats", "must be a whole number, not true or false"),
    ({"seats": 180.0}, "wrong_type", "seats", "not a number with a fraction"),
    ({"seats": "180"}, "wrong_type", "seats", "not text"),
    ({"seats": 1 << 63}, "out_of_range", "seats", "beyond 64 bits"),
    ({"weight": False}, "wrong_type", "weight", "must be a number"),
    ({"weight": math.inf}, "out_of_range", "weight", "not a finite number"),
    ({"weight": math.nan}, "out_of_range", "weight", "not a finite number"),
    ({"weight": (1 << 53) + 1}, "out_of_range", "weight", "beyond the whole numbers"),
    ({"holiday": 1}, "wrong_type", "holiday", "must be true or false"),
    ({"due": "yesterday"}, "wrong_type", "due", "must be a moment"),
    ({"due": 1361632500}, "wrong_type", "due", "must be a moment"),
    ({"due": "2013-02-23T10:15:00"}, "no_zone", "due", "no time zone"),
    ({"due": datetime(2013, 2, 23)}, "no_zone", "due", "no time zone"),
    ({"due": "2013-02-23T10:15:00.0000001Z"}, "out_of_range", "due", "finer than microseconds"),
    ({"due": "0001-01-01T00:00:00+05:00"}, "out_of_range", "due", "years"),
    ({"due": "9999-12-31T23:59:59Z"}, "out_of_range", "due", "years"),
    ({"as_of": "2013-02-23"}, "no_zone", "as_of", "no time zone"),
    ({"as_of": 7}, "wrong_type", "as_of", "must be a moment"),
    ({"flight_id": ""}, "out_of_range", "flight_id", "empty"),
    ({"flight_id": "f" * 201}, "too_long", "flight_id", "200 characters"),
    ({"flight_id": 1.5}, "wrong_type", "flight_id", "must be text"),
    ({"request_id": ""}, "bad_request_id", "request_id", "1 to 100"),
    ({"request_id": "a b"}, "bad_request_id", "request_id", "1 to 100"),
    ({"request_id": "a\n"}, "bad_request_id", "request_id", "1 to 100"),
    ({"request_id": "-a"}, "bad_request_id", "request_id", "begin with a letter"),
    ({"request_id": "a" * 101}, "bad_request_id", "request_id", "1 to 100"),
    ({"request_id": 7}, "bad_request_id", "request_id", "1 to 100"),
]


@pytest.mark.parametrize(("change", "code", "field", "sentence"), WRONG, ids=lambda one: str(one)[:40])
def test_what_is_wrong_is_named_and_never_quoted(
    change: dict[str, Any], code: str, field: str | None, sentence: str
) -> None:
    with pytest.raises(RequestError, match=sentence) as caught:
        read({**GOOD, **change})
    assert (caught.value.code, caught.value.field) == (code, field)
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)
    assert isinstance(caught.value, UsageError)  # the command line exits with 2


def test_what_is_missing_is_named() -> None:
    with pytest.raises(RequestError, match=r"due is missing: a moment") as caught:
        read({name: value for name, value in GOOD.items() if name != "due"})
    assert (caught.value.code, caught.value.field) == ("missing_field", "due")


def test_a_moment_may_be_named_only_where_the_clock_is_a_replays() -> None:
    with pytest.raises(RequestError, match="clock is a replay's") as caught:
        read({**GOOD, "as_of": "2013-02-23T14:15:00Z"}, allow_as_of=False)
    assert (caught.value.code, caught.value.field) == ("as_of_refused", "as_of")


@pytest.mark.parametrize("document", [None, [], "x", 7, [GOOD]])
def test_a_request_is_an_object(document: Any) -> None:
    with pytest.raises(RequestError, match="JSON object") as caught:
        read(document)
    assert caught.value.code == "not_an_object"


def test_a_request_is_no_longer_than_an_event_can_keep() -> None:
    fields = [RequestField(f"k{n}", ValueType.STRING, "key", required=True) for n in range(20)]
    document = {field.name: "x" * 1_000 for field in fields}
    with pytest.raises(RequestError, match="16,000 characters in all"):
        read_request(fields, document, allow_as_of=False, new_id=str)
    found = read_request(fields[:15], {field.name: "x" * 1_000 for field in fields[:15]}, allow_as_of=False, new_id=str)
    assert len(request_text(found.values)) < 16_000


def test_a_key_that_is_the_labels_too_is_both() -> None:
    fields = (
        RequestField("flight", ValueType.INT64, "key", required=True),
        RequestField("flight", ValueType.STRING, "label_key", required=False),
    )
    found = read_request(fields, {"flight": 9}, allow_as_of=False, new_id=lambda: "r")
    assert (found.values, found.label_key) == ({"flight": 9}, "9")
