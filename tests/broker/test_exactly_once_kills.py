"""kill -9 at every named point of the protocol: nothing is lost, nothing is doubled, anywhere."""

from __future__ import annotations

import signal

import pytest

from ray_pipeline.runtime.failpoints import NAMES
from tests.broker.solo import run_solo
from tests.broker.support import mixed

pytestmark = pytest.mark.broker


@pytest.mark.parametrize("name", NAMES)
def test_killed_at(name, site):
    site.ingest = {"commit_every": {"records": 40, "seconds": 0.5}}
    site.write_config()
    site.produce(mixed(60))
    run_solo(site.pipeline.config)
    site.produce(mixed(60, first=60))
    killed = site.solo("--hold", RAY_PIPELINE_FAILPOINT=f"{name}:1").wait(30)
    assert killed.code == -signal.SIGKILL, killed.err
    run_solo(site.pipeline.config)
    site.check()
