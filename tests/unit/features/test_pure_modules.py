"""What a store or a Feast client imports of the features loads neither polars nor an engine."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PURE = ("shape", "hops", "aggregates", "reading", "entity", "ports", "accumulators", "state")
HEAVY = {"polars", "pyarrow", "numpy", "pandas", "ray", "feast", "redis", "pyiceberg", "duckdb"}


@pytest.mark.parametrize("modules", [(), PURE], ids=["the package", "what a store needs"])
def test_it_loads_nothing_heavy(modules: tuple[str, ...]) -> None:
    imports = "\n".join(["import ray_pipeline.features", *(f"import ray_pipeline.features.{name}" for name in modules)])
    program = f"import json, sys\n{imports}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {name.split(".")[0] for name in json.loads(done.stdout)} & HEAVY
