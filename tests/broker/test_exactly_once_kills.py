"""kill -9 at every named point of the protocol: nothing is lost, nothing is doubled, anywhere."""

from __future__ import annotations

import signal

import pytest

from ray_pipeline.runtime.failpoints import NAMES
from tests.broker.solo import run_solo
from tests.broker.support import mixed

pytestmark = pytest.mark.broker


def test_killed_at_every_point_one_after_the_other(site):
    """Each process takes over from a killed one, reads what was published since, and is killed at the next point."""
    site.ingest = {"commit_every": {"records": 40, "seconds": 0.3}}
    site.write_config()
    for round_, name in enumerate(NAMES):
        site.produce(mixed(60, first=60 * round_))
        killed = site.solo("--hold", RAY_PIPELINE_FAILPOINT=f"{name}:1").wait(30)
        assert killed.code == -signal.SIGKILL, f"{name}: {killed.err}"
    run_solo(site.pipeline.config)
    site.check()
    assert len(site.landed()) + len(site.refused()) == 60 * len(NAMES)
