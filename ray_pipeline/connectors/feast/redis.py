"""Feast's online store on a Redis server.

::

    online_store:
      type: ray_pipeline.connectors.feast.redis.GuardedRedisOnlineStore
      connection_string: ${REDIS}   # host:6379,password=…,ssl=true, or rediss://user:password@host:6379/0
      clock: wall
"""

from __future__ import annotations

from typing import Literal

from feast.repo_config import FeastConfigBaseModel, RepoConfig
from pydantic import Field, StrictStr

from ray_pipeline.connectors.feast.online_base import GuardedOnlineStore
from ray_pipeline.connectors.online.settings import LONGEST, TIMEOUT, ClockKind, Kind, OnlineSettings


class GuardedRedisOnlineStoreConfig(FeastConfigBaseModel):
    """The ``online_store`` block of ``feature_store.yaml``."""

    type: Literal["ray_pipeline.connectors.feast.redis.GuardedRedisOnlineStore"] = (
        "ray_pipeline.connectors.feast.redis.GuardedRedisOnlineStore"
    )
    connection_string: StrictStr = Field(default="localhost:6379", repr=False)
    """``host:port,db=0,username=…,password=…,ssl=true`` as Feast's own store takes it, or a URL."""
    clock: ClockKind = ClockKind.WALL
    """What "now" is: the machine's clock, or the publication of the newest event that was streamed."""
    retain_seconds: float | None = Field(default=None, ge=0, le=LONGEST)
    """How far back a state can be read; left out: as far as events may be late."""
    timeout_seconds: float = Field(default=TIMEOUT, gt=0, le=600)
    """How long a call may wait for the server."""


class GuardedRedisOnlineStore(GuardedOnlineStore):
    """An online store on a server, for the processes of many machines."""

    def settings(self, config: RepoConfig) -> OnlineSettings:
        mine = config.online_store
        return OnlineSettings(
            Kind.REDIS,
            config.project,
            connection=mine.connection_string,
            clock=mine.clock,
            retain_seconds=mine.retain_seconds,
            timeout=mine.timeout_seconds,
        )
