"""The plain part of YAML, with lines."""

from __future__ import annotations

import json
import time

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.config.interpolate import interpolate
from ray_pipeline.config.yaml_lines import MAX_DEPTH, parse

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), max_size=8)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=10,
)


@given(TREES)
def test_json_reads_as_json(tree: object) -> None:
    assert parse(json.dumps(tree, ensure_ascii=False), "x").value == tree


@given(st.text(max_size=200))
def test_any_text_gives_a_value_or_problems_and_no_exception(text: str) -> None:
    document = parse(text, "x")
    assert document.value is not None or document.problems or isinstance(yaml.safe_load(text), str | None)


def test_each_key_knows_its_line() -> None:
    document = parse("a:\n  b.c: 1\n\n  d:\n  - x\n  - e: 2\n", "x")
    assert document.lines == {
        (): 1, ("a",): 1, ("a", "b.c"): 2, ("a", "d"): 4, ("a", "d", 0): 5, ("a", "d", 1): 6, ("a", "d", 1, "e"): 6,
    }  # fmt: skip


def test_a_bomb_of_aliases_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    began = time.monotonic()
    assert "anchors" in parse("\n".join(lines), "x").problems[0].message
    assert time.monotonic() - began < 1


def test_a_deep_file_is_refused() -> None:
    for text in ("[" * 100_000, "{a: " * 5_000, "- " * (MAX_DEPTH + 1) + "x"):
        assert "deeper" in parse(text, "x").problems[0].message


@settings(deadline=None)
@given(value=st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=30))
def test_a_value_of_the_environment_is_text_whatever_it_holds(value: str) -> None:
    document = parse("a: x${V:-}y\nb: ['${V:-d}']\n", "x")
    tree, problems = interpolate(document.value, {"V": value})
    assert problems == []
    assert tree == {"a": f"x{value}y", "b": [value or "d"]}


@given(st.text("${}:-aA_", max_size=12))
def test_a_text_comes_out_whole_or_has_a_problem(text: str) -> None:
    tree, problems = interpolate({"k": text}, {})
    if "${" not in text:
        assert (tree, problems) == ({"k": text}, [])
    assert all(path == ("k",) for path, _ in problems)
