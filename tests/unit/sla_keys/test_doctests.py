"""Examples in the documentation run."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["canonical", "hashing", "key_files", "packed"])
def test_the_examples_in_the_documentation_run(name):
    found = doctest.testmod(importlib.import_module(f"ray_pipeline.sla.keys.{name}"))
    assert found.attempted > 0
    assert found.failed == 0
