"""Each rule of ``features lint``: what is wrong is said at the line where it is written, and all of it at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ray_pipeline.contracts.load import load_contract, parse_contract
from ray_pipeline.errors import FeatureDefinitionError, Problem
from ray_pipeline.features import (
    count,
    count_distinct,
    field,
    label_set,
    last,
    max_,
    mean,
    request_features,
    share,
    sum_,
)
from ray_pipeline.features.compile import compile_view
from ray_pipeline.features.definition import LabelDefinition, ViewDefinition
from ray_pipeline.features.lines import Places, line_of
from ray_pipeline.features.lint import lint_entity, lint_labels, lint_request, lint_twice, lint_views

ROOT = Path(__file__).parents[3]
CONTRACTS = {name: load_contract(ROOT / f"contracts/flights/{name}.odcs.yaml") for name in ("departures", "arrivals")}
DELAY = "departure_delay_minutes"


def window(**changes: Any) -> ViewDefinition:
    view = ViewDefinition(
        "by_origin", "departures", {"origin": "origin"}, {"n": count()}, window=timedelta(hours=2), file="f.py", line=3
    )
    return replace(view, **changes)


def newest(features: dict[str, Any], **changes: Any) -> ViewDefinition:
    return replace(window(window=None, ttl=timedelta(hours=1), features=features), **changes)


def said(view: ViewDefinition) -> list[tuple[str, str]]:
    _, problems = lint_views([view], CONTRACTS)
    assert all((one.file, one.line) == ("f.py", 3) for one in problems)
    return [(one.key.removeprefix("by_origin."), one.message) for one in problems]


@pytest.mark.parametrize(
    ("view", "key", "words"),
    [
        (window(dataset="departure"), "dataset", "unknown dataset; did you mean departures?"),
        (window(keys={"origin": "orgin"}), "keys.origin", "no column orgin: unknown column; did you mean origin?"),
        (window(keys={"carrier": "carrier.cod"}), "keys.carrier", "did you mean carrier.code?"),
        (window(keys={"late": "cancelled"}), "keys.late", "a key is a whole number or text; this is bool"),
        (window(keys={"x": field(DELAY) / 2}), "keys.x", "this is float"),
        (window(keys={"x": "carrier"}), "keys.x", "this is a record"),
        (window(keys={}), "keys", "needs the keys of its entity"),
        (window(features={}), "features", "at least one feature"),
        (window(features={"n": mean("departure_delay_minute")}), "features.n", f"did you mean {DELAY}?"),
        (window(features={"n": last(field("carrier").struct.field("cod"))}), "features.n", "carrier.cod"),
        (window(features={"n": last("carrier")}), "features.n", "no store can hold a record"),
        (window(features={"n": last(field("occurred_at") - field("departed_at"))}), "features.n", "a duration"),
        (window(features={"n": last(field("occurred_at").dt.date())}), "features.n", "a date"),
        (window(features={"n": last(field("occurred_at").dt.replace_time_zone(None))}), "features.n", "without zone"),
        (window(features={"n": share(DELAY)}), "features.n", "share needs a condition"),
        (window(features={"n": mean("origin")}), "features.n", "mean needs numbers, this is string"),
        (window(features={"n": sum_("cancelled")}), "features.n", "share() counts a condition"),
        (window(features={"n": max_("origin")}), "features.n", "max needs numbers or moments"),
        (window(features={"n": field(DELAY)}), "features.n", "cannot be merged"),
        (window(features={"n": field(DELAY).sum()}), "features.n", "cannot be merged"),
        (window(features={"n": sum_(field(DELAY).sum())}), "features.n", "cannot be merged: sum looks at other events"),
        (window(features={"n": last(pl.lit(1))}), "features.n", "reads no column"),
        (window(features={"n": last(pl.all())}), "features.n", "several columns"),
        (window(features={"n": last(field(DELAY).str.len_bytes())}), "features.n", "does not work on the contract"),
        (
            window(features={"n": count_distinct("origin", 0)}),
            "features.n",
            "cap must be a whole number from 1 to 1000",
        ),
        (window(features={"n": count_distinct("origin", 1001)}), "features.n", "cap must be"),
        (window(features={"n": 7}), "features.n", "cannot be merged"),
        (window(features={"origin": count()}), "features.origin", "is the name of a join key too"),
        (window(features={"event_timestamp": count()}), "features.event_timestamp", "offline table itself uses"),
        (window(features={"created_timestamp": count()}), "features.created_timestamp", "offline table itself uses"),
        (window(features={"_n": count()}), "features._n", "offline table itself uses"),
        (window(features={"n-1": count()}), "features.n-1", "letters, digits and _"),
        (window(where=field("origin")), "where", "must be a condition, this is String"),
        (window(where=field("cancelld")), "where", "did you mean cancelled?"),
        (window(window=timedelta(seconds=90)), "window", "whole minutes"),
        (window(window=timedelta(0)), "window", "longer than nothing"),
        (window(window=timedelta(days=400)), "window", "at most 366 days"),
        (window(window=120), "window", "must be a timedelta"),
        (window(ttl=timedelta(hours=2)), "ttl", "must be longer than the window"),
        (window(ttl=timedelta(0)), "ttl", "longer than nothing"),
        (window(feed="batch"), "feed", "must be stream or materialized"),
        (newest({"d": DELAY}, ttl=None), "ttl", "its state must be bounded"),
        (newest({"d": mean(DELAY)}), "features.d", "mean needs a window"),
        (newest({"d": field(DELAY).max()}), "features.d", "cannot be merged: max"),
        (newest({"d": "carrier"}), "features.d", "no store can hold a record"),
        (newest({"d": field(DELAY).map_elements(abs, return_dtype=pl.Int64)}), "features.d", "a Python function"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_with_a_view(view: ViewDefinition, key: str, words: str) -> None:
    problems = said(view)
    assert [found for found, _ in problems] == [key]
    assert words in problems[0][1]


def test_a_view_without_faults_has_none() -> None:
    assert said(window()) == []
    assert said(newest({"d": DELAY})) == []
    assert said(newest({"d": DELAY}, ttl=None, feed="materialized")) == []


def test_every_problem_of_a_view_is_said_at_once() -> None:
    view = window(window=timedelta(seconds=90), keys={"x": "nothing"}, features={"a": mean("no"), "b": share(DELAY)})
    with pytest.raises(FeatureDefinitionError) as raised:
        compile_view(view, CONTRACTS["departures"])
    assert [one.key for one in raised.value.problems] == [
        "by_origin.window",
        "by_origin.keys.x",
        "by_origin.features.a",
        "by_origin.features.b",
    ]


def test_one_view_that_is_wrong_does_not_hide_another_that_is_sound() -> None:
    compiled, problems = lint_views([window(keys={"x": "nothing"}), window(name="other")], CONTRACTS)
    assert [view.name for view in compiled] == ["other"]
    assert [one.key for one in problems] == ["by_origin.keys.x"]


def test_a_contract_without_an_event_time_has_no_features() -> None:
    bare = parse_contract('{"type": "object", "properties": {"origin": {"type": "string"}}}', "bare.json")
    _, problems = lint_views([window()], {"departures": bare})
    assert "names no event time" in problems[0].message


def test_a_problem_is_shown_at_the_line_of_its_part(tmp_path: Path) -> None:
    file = tmp_path / "features.py"
    lines = [
        "view = feature_view(",
        '    "by_origin",',
        "    features={",
        '        "n": count(),',
        '        "m": mean("no"),',
        "    },",
        "    window=timedelta(hours=2),",
        ")",
        'plain = FeatureService(name="service", features=[view])',
    ]
    file.write_text("\n".join(lines))
    name = str(file)
    assert line_of(name, 1, ("features", "m")) == 5
    assert line_of(name, 1, ("features", "absent")) == 3
    assert line_of(name, 1, ("window",)) == 7
    assert line_of(name, 1, ("ttl",)) == 1
    assert line_of("no such file.py", 4, ("ttl",)) == 4
    places = Places([name])
    assert places.find("service") == (name, 9)
    assert places.find("service") == places.find("another") == (name, None)


def test_the_entitys_join_keys_are_the_views_keys() -> None:
    (problem,) = lint_entity(window(), ["origin", "destination"])
    assert problem.key == "by_origin.keys"
    assert "join keys are destination, origin, the view's keys are origin" in problem.message
    assert lint_entity(window(), ["origin"]) == ()


def test_a_name_is_used_once_whatever_its_case() -> None:
    (problem,) = lint_twice("view", [window(), window(name="By_Origin", line=9)])
    assert (problem.line, problem.message) == (9, "another view is called by_origin already (f.py:3)")
    assert lint_twice("view", [window(), window(name="other")]) == ()


def request(**inputs: str) -> Callable[..., tuple[Problem, ...]]:
    return lambda **features: lint_request(request_features("calendar", inputs=inputs, features=features))


def test_what_is_wrong_with_request_features() -> None:
    at = field("at").dt.hour()
    assert request(at="timestamp")(hour=at) == ()
    line = problem_line(request(at="timestamp")(hour=at, other=field("no")), "the request has no column no")
    assert line
    assert problem_line(request(at="datetime")(hour=at), "unknown type; known are")
    assert problem_line(request(at="timestamp")(at=at), "the name of a request value too")
    assert problem_line(request(at="timestamp")(hour=field("at").max()), "cannot be merged")
    assert problem_line(request(at="string")(hour=at), "does not work")


def problem_line(problems: tuple[Problem, ...], words: str) -> int | None:
    (problem,) = problems
    assert words in problem.message
    assert Path(problem.file).samefile(__file__)
    return problem.line


def late(**changes: Any) -> LabelDefinition:
    labels = label_set(
        "late",
        requests="departures",
        keys={"origin": "origin"},
        asked_at=field("scheduled_departure_at").dt.offset_by("-1h"),
        outcomes="arrivals",
        on="flight_id",
        label=field("arrival_delay_minutes") > 15,
        without={"cancelled": field("cancelled"), "diverted": field("diverted")},
    )
    return replace(labels, **changes)


@pytest.mark.parametrize(
    ("change", "key", "words"),
    [
        ({"requests": "departure"}, "requests", "did you mean departures?"),
        ({"outcomes": "landings"}, "outcomes", "unknown dataset"),
        ({"keys": {"origin": "orgin"}}, "keys.origin", "did you mean origin?"),
        ({"keys": {"x": "carrier"}}, "keys.x", "a record"),
        ({"asked_at": field("origin")}, "asked_at", "must be a moment, this is String"),
        ({"asked_at": field("scheduled_departure_at").dt.replace_time_zone(None)}, "asked_at", "without zone"),
        ({"on": "flight"}, "on", "did you mean flight_id?"),
        ({"on": "scheduled_arrival_at"}, "on", "must be a whole number or text in both datasets"),
        ({"label": field(DELAY) > 15}, "label", f"no column {DELAY}"),
        ({"label": field("aircraft")}, "label", "a record"),
        ({"without": {"gone": field("gone")}}, "without.gone", "no column gone"),
        ({"without": {"gone": field("air_time_minutes")}}, "without.gone", "must be a condition"),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(value),  # an expression's text has its address
)
def test_what_is_wrong_with_labels(change: dict[str, Any], key: str, words: str) -> None:
    (problem,) = lint_labels(late(**change), CONTRACTS)
    assert problem.key == f"late.{key}"
    assert words in problem.message
    assert problem.line


def test_a_condition_sees_the_columns_of_both_rows() -> None:
    both = {"moved": field("origin") != field("origin_outcome")}
    assert lint_labels(late(without=both), CONTRACTS) == ()
    assert lint_labels(late(), CONTRACTS) == ()
