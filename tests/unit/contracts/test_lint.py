"""Lint answers for whatever a file holds: problems, never an exception."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ray_pipeline.contracts.document import read_document
from ray_pipeline.contracts.lint import lint_text
from ray_pipeline.errors import Problem

GOOD = Path(__file__).parents[2] / "golden" / "contracts" / "good"
CONTRACTS = [file for file in sorted(GOOD.iterdir()) if not file.name.endswith(".expected.json")]
DATA: list[Any] = [read_document(file.read_text(), file.name).data for file in CONTRACTS]

words = st.sampled_from(
    [
        "string",
        "timestamp",
        "object",
        "array",
        "map",
        "vector",
        "required",
        "v3.2.0",
        "",
        "x",
        "#",
        "#/$defs/price",
        "[",
    ]
)
junk = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)


slips = st.text(max_size=4) | st.sampled_from([":", "\n", "- ", "[", "{", "&a", "*a", '"', "<<: "])


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, member in members:
        found += places(member, (*path, step))
    return found


@given(data=st.data())
def test_a_contract_with_anything_in_any_place_is_judged(data: st.DataObject) -> None:
    value = copy.deepcopy(data.draw(st.sampled_from([value for value in DATA if isinstance(value, dict)])))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(value)))
        holder = value
        for step in path[:-1]:
            holder = holder[step]
        if data.draw(st.booleans()):
            holder[path[-1]] = data.draw(junk)
        else:
            del holder[path[-1]]
        if not places(value):
            break
    problems = lint_text(json.dumps(value), "a.yaml")
    assert all(isinstance(problem, Problem) and problem.message for problem in problems)


@given(data=st.data())
def test_a_text_with_anything_in_any_place_is_judged(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(CONTRACTS)).read_text()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        end = min(len(text), at + data.draw(st.integers(0, 20)))
        text = text[:at] + data.draw(slips) + text[end:]
    assert isinstance(lint_text(text, data.draw(st.sampled_from(["a.yaml", "a.json"]))), tuple)


@pytest.mark.parametrize(
    "data", [None, 3, "x", [], [3], {}, {"kind": 3}, {"apiVersion": []}, {"schema": [{"name": 1}]}]
)
@pytest.mark.parametrize("marks", [{}, {"apiVersion": "v3.2.0", "kind": "DataContract"}])
def test_a_file_of_any_shape_is_judged(data: Any, marks: dict[str, str]) -> None:
    value = data | marks if isinstance(data, dict) else data
    assert isinstance(lint_text(json.dumps(value), "a.yaml"), tuple)
