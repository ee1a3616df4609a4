"""A contract file is read safely, as it was meant, and every key keeps its line."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ray_pipeline.contracts.document import MAX_TEXT, read_document

numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(value=values, indent=st.sampled_from([None, 0, 2]))
def test_json_is_read_as_json(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    document = read_document(text, "a.json")
    assert document.problems == ()
    assert document.data == value


@given(value=st.dictionaries(st.text(min_size=1, max_size=5), values, min_size=1, max_size=4))
def test_every_key_of_a_json_text_has_its_line(value: dict[str, Any]) -> None:
    text = json.dumps(value, indent=1)
    lines = text.splitlines()
    document = read_document(text, "a.json")
    for key in value:
        assert lines[document.lines[(key,)] - 1].startswith(f" {json.dumps(key)}:")


@pytest.mark.parametrize(
    ("written", "meant"),
    [("NO", "NO"), ("yes", "yes"), ("on", "on"), ("12:30", "12:30"), ("2013-01-01", "2013-01-01"), ("1.0.0", "1.0.0"),
     ("010", 10), ("0x1F", 31), ("1e3", 1000.0), ("true", True), ("~", None), ("", None), ('"1"', "1"), ("'~'", "~"),
     ("2013-01-01T00:00:00Z", "2013-01-01T00:00:00Z"), ("1_000", "1_000"), ("0b11", "0b11"), ("=", "="), ("-", "-")],
)  # fmt: skip
def test_plain_words_mean_what_they_look_like(written: str, meant: object) -> None:
    if written == "-":
        written = '"-"'
    data = read_document(f"a: {written}\n", "a.yaml").data
    assert data == {"a": meant}
    assert type(data["a"]) is type(meant)


def test_a_yaml_key_keeps_its_line_through_anchors_and_merges() -> None:
    document = read_document("base: &b\n  x: 1\n  y: 2\nit:\n  <<: *b\n  y: 3\n", "a.yaml")
    assert document.data == {"base": {"x": 1, "y": 2}, "it": {"x": 1, "y": 3}}
    assert (document.line(("it", "x")), document.line(("it", "y")), document.line(("it", "absent"))) == (2, 6, 4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: " + "[" * 100_000, "nested deeper"),
        ('{"a":' * 100_000, "nested deeper"),
        ("a: &a [*a]", "names no anchor"),
        ("a: !!python/object/apply:os.system ['true']", "tag"),
        ("a: !secret x", "tag"),
        ("? [1]\n: 2", "key"),
        ("a: 1\n---\na: 2", "second document"),
        ("a: .inf", "no JSON number"),
        ("a: 1e999", "no JSON number"),
        ("a: " + "1" * 5000, "too many digits"),
        ("", "empty"),
        ("# nothing\n", "empty"),
        ("a:\n\tb: 1", "not YAML"),
        ("\x00", "not YAML"),
        ("a: b: c", "not YAML"),
        ("<<: 3", "merges mappings only"),
        ("x" * (MAX_TEXT + 1), "larger than"),
    ],
    ids=lambda value: value[:20],
)
def test_what_cannot_be_read_is_one_problem(text: str, words: str) -> None:
    (problem,) = read_document(text, "a.yaml").problems
    assert words in problem.message


@pytest.mark.parametrize("text", ["", "{", "[1,]", '{"a":NaN}', '{"a":1e999}', "[" * 100_000 + "]" * 100_000, "1 2"])
def test_what_is_no_json_is_one_problem(text: str) -> None:
    (problem,) = read_document(text, "a.json").problems
    assert problem.file == "a.json"


def test_depth_is_no_way_to_end_the_process() -> None:
    assert sys.getrecursionlimit() <= 10_000
    for text in ("- " * 50_000 + "x", "a: &a\n" + " b: *a\n" * 10, "[[" * 5000 + "]]" * 5000):
        assert read_document(text, "a.yaml").problems


def test_the_second_of_two_keys_is_named_with_the_line_of_the_first() -> None:
    for text, file in (("a: 1\nb:\n  c: 1\n  c: 2\n", "x.yaml"), ('{"a": 1,\n"b": {\n"c": 1,\n"c": 2}}', "x.json")):
        (problem,) = read_document(text, file).problems
        assert (problem.line, problem.key, problem.message) == (4, "b.c", "a second time; the first is in line 3")
