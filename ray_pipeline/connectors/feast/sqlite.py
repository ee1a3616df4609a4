"""Feast's online store in one SQLite file.

::

    online_store:
      type: ray_pipeline.connectors.feast.sqlite.GuardedSqliteOnlineStore
      path: data/online.db   # from the repository's folder
      clock: wall            # replay: now is the newest event's publication

Without a path the file is in the pipeline's lake, where it is when nothing else is said: the pipeline is the one that
this block names (``pipeline: ../local.yaml``), or else the block of the offline store.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

from feast.repo_config import FeastConfigBaseModel, RepoConfig
from pydantic import Field, StrictStr

from ray_pipeline.connectors.feast.online_base import GuardedOnlineStore
from ray_pipeline.connectors.feast.pipeline import pipeline_at
from ray_pipeline.connectors.online.settings import (
    LONGEST,
    TIMEOUT,
    ClockKind,
    Kind,
    OnlineSettings,
    default_file,
    resolved,
)
from ray_pipeline.errors import UsageError


class GuardedSqliteOnlineStoreConfig(FeastConfigBaseModel):
    """The ``online_store`` block of ``feature_store.yaml``."""

    type: Literal["ray_pipeline.connectors.feast.sqlite.GuardedSqliteOnlineStore"] = (
        "ray_pipeline.connectors.feast.sqlite.GuardedSqliteOnlineStore"
    )
    path: StrictStr | None = None
    """The file; a relative path counts from the repository's folder."""
    pipeline: StrictStr | None = None
    """Instead of a path: the pipeline's configuration file, whose lake holds the file."""
    clock: ClockKind = ClockKind.WALL
    """What "now" is: the machine's clock, or the publication of the newest event that was streamed."""
    retain_seconds: float | None = Field(default=None, ge=0, le=LONGEST)
    """How far back a state can be read; left out: as far as events may be late."""
    timeout_seconds: float = Field(default=TIMEOUT, gt=0, le=600)
    """How long a call may wait for another process that writes."""


class GuardedSqliteOnlineStore(GuardedOnlineStore):
    """An online store in one file, for the processes of one machine."""

    def settings(self, config: RepoConfig) -> OnlineSettings:
        mine = config.online_store
        repo = Path(config.repo_path) if config.repo_path else Path.cwd()
        pipeline = mine.pipeline or (None if mine.path else getattr(config.offline_store, "pipeline", None))
        return OnlineSettings(
            Kind.SQLITE,
            config.project,
            path=resolved(mine.path, repo) if mine.path else _in_lake(pipeline, repo),
            clock=mine.clock,
            retain_seconds=mine.retain_seconds,
            timeout=mine.timeout_seconds,
        )


@lru_cache(maxsize=64)
def _in_lake(pipeline: str | None, repo: Path) -> Path:
    file = default_file(pipeline_at(repo, pipeline)) if pipeline else None
    if file is None:
        raise UsageError("online_store needs path: FILE, or pipeline: the configuration of one whose store is a folder")
    return file
