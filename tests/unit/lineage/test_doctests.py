"""The examples in the docstrings run."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module

import pytest

import ray_pipeline.lineage


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(ray_pipeline.lineage.__path__)])
def test_every_example_runs(name: str) -> None:
    assert doctest.testmod(import_module(f"ray_pipeline.lineage.{name}")).failed == 0
