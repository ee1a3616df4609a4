"""The examples in the docstrings of the contracts package run."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = ["document", "describe", "engine", "instants", "schema_errors"]


@pytest.mark.parametrize("name", MODULES)
def test_an_example_says_what_happens(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"ray_pipeline.contracts.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
