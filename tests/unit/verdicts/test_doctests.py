"""The examples in the docstrings of the judge run."""

from __future__ import annotations

import doctest
import importlib

import pytest

_MODULES = [
    "arrow",
    "json_schema_shape",
    "verdicts.duplicate_keys",
    "verdicts.exact",
    "verdicts.names",
    "verdicts.prescan",
    "verdicts.times",
]


@pytest.mark.parametrize("name", _MODULES)
def test_an_example_says_what_happens(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"ray_pipeline.contracts.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
