"""Every example in a docstring of the package says what comes."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import ray_pipeline

ROOT = Path(ray_pipeline.__file__).parent
MODULES = sorted(
    ".".join(("ray_pipeline", *path.relative_to(ROOT).with_suffix("").parts))
    for path in ROOT.rglob("*.py")
    if ">>> " in path.read_text("utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_hold(name: str) -> None:
    module = importlib.import_module(name.removesuffix(".__init__"))
    found = doctest.testmod(module, extraglobs={"np": importlib.import_module("numpy")})
    assert found.attempted > 0
    assert found.failed == 0
