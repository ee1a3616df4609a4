"""Private Rays, one after the other in one process, as a notebook has them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import ray
from ray_pipeline.runtime.ray_session import ray_session
for number in range(3):
    with ray_session():
        assert ray.get(ray.remote(lambda: number).remote()) == number
"""


@pytest.mark.ray
def test_a_process_may_start_one_private_ray_after_the_other():
    """Each has a token of its own, and Ray remembers the first one that a process used."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    ran = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr[-2000:]
