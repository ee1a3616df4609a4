"""Which online store, and by which clock it answers: the ``online_store`` block of ``feature_store.yaml``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray_pipeline.config.nearest import unknown
from ray_pipeline.config.yaml_lines import Document
from ray_pipeline.connectors.feast.pipeline import store_file
from ray_pipeline.errors import ConfigError, Problem
from ray_pipeline.lake.keys import quote

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig

FOLDER = "_features"
FILE = "online.db"
TIMEOUT = 5.0
LONGEST = 1e9
"""Seconds, some thirty years: more is no number that microseconds can be counted in."""
_BLOCK = "online_store"


class Kind(StrEnum):
    """Where the values are."""

    SQLITE = "sqlite"
    REDIS = "redis"


class ClockKind(StrEnum):
    """What "now" means to whoever asks."""

    WALL = "wall"
    REPLAY = "replay"
    """The publication time of the newest event behind the store's states."""


CLASSES = {
    "ray_pipeline.connectors.feast.sqlite.GuardedSqliteOnlineStore": Kind.SQLITE,
    "ray_pipeline.connectors.feast.redis.GuardedRedisOnlineStore": Kind.REDIS,
}
"""What ``online_store.type`` may be, for values that the stream writes."""


@dataclass(frozen=True, slots=True)
class OnlineSettings:
    """What it takes to open one online store. The connection may hold a password; no repr and no error shows it."""

    kind: Kind
    project: str
    """Feast's project: several of them share a store and see nothing of one another."""
    path: Path | None = None
    """Of SQLite: its file."""
    connection: str = field(default="", repr=False)
    """Of Redis: ``redis://…`` or, as Feast writes it, ``host:port,db=0,ssl=true,password=…``."""
    clock: ClockKind = ClockKind.WALL
    retain_seconds: float | None = None
    """How far back a state can be read, behind the newest event; None: as far as the view's events may be late."""
    timeout: float = TIMEOUT
    """Seconds that one call may wait for the store, or for another process that writes."""


def online_settings(repo: Path, config: PipelineConfig) -> OnlineSettings:
    """Return what ``feature_store.yaml`` says of the online store, or raise ``ConfigError`` with every problem.

    Without a path, and where the lake is a folder, SQLite's file is put into the lake.
    """
    document, file = store_file(repo)
    return _Reading(file, document).settings(repo, default_file(config))


def default_file(config: PipelineConfig) -> Path | None:
    """Return where SQLite's file is when nothing else is said; None where the lake is no folder."""
    if config.store.startswith("s3://"):
        return None
    return Path(config.store, quote(config.pipeline), FOLDER, FILE)


def resolved(path: str | Path, repo: Path) -> Path:
    """Return the absolute path of a file that the repository names; a relative one counts from the repository."""
    return Path(os.path.normpath(repo.absolute() / Path(path).expanduser()))


class _Reading:
    """One pass over the block, that finds every problem."""

    def __init__(self, file: Path, document: Document) -> None:
        self._file, self._document = file, document
        self._problems = list(document.problems)

    def settings(self, repo: Path, default: Path | None) -> OnlineSettings:
        tree = self._document.value if isinstance(self._document.value, Mapping) else {}
        project = tree.get("project")
        if not isinstance(project, str) or not project:
            self._problem(("project",), "must be the name of the project, as text")
        block = tree.get(_BLOCK)
        if not isinstance(block, Mapping):
            self._problem((_BLOCK,), f"must be a block with type: {next(iter(CLASSES))}")
            block = {}
        kind = self._kind(block)
        known = {"type", "clock", "retain_seconds", "timeout_seconds"}
        known |= {"path", "pipeline"} if kind is Kind.SQLITE else {"connection_string"}
        for name in block:
            if name not in known:
                self._problem((_BLOCK, name), unknown(str(name), known))
        settings = OnlineSettings(
            kind=kind,
            project=str(project),
            path=self._path(block, repo, default) if kind is Kind.SQLITE else None,
            connection=self._connection(block) if kind is Kind.REDIS else "",
            clock=self._clock(block),
            retain_seconds=self._seconds(
                block, "retain_seconds", None, lambda value: 0 <= value <= LONGEST, "within [0, 1e9]"
            ),
            timeout=self._seconds(block, "timeout_seconds", TIMEOUT, lambda value: 0 < value <= 600, "within (0, 600]")
            or TIMEOUT,
        )
        if self._problems:
            raise ConfigError(tuple(self._problems))
        return settings

    def _kind(self, block: Mapping[str, Any]) -> Kind:
        name = block.get("type")
        if name not in CLASSES:
            self._problem((_BLOCK, "type"), f"must be one of ours: {' or '.join(CLASSES)}")
            return Kind.SQLITE
        return CLASSES[str(name)]

    def _path(self, block: Mapping[str, Any], repo: Path, default: Path | None) -> Path | None:
        written = block.get("path")
        if written is None:
            if default is None:
                self._problem((_BLOCK, "path"), "must name a file, because the lake is no folder that could hold it")
            return default
        if not isinstance(written, str) or not written or "${" in written:
            self._problem((_BLOCK, "path"), "must be the path of a file; is a variable in it not set?")
            return None
        return resolved(written, repo)

    def _connection(self, block: Mapping[str, Any]) -> str:
        written = block.get("connection_string", "localhost:6379")
        if not isinstance(written, str) or not written or "${" in written:
            self._problem((_BLOCK, "connection_string"), "must be host:port or redis://…; is a variable in it not set?")
            return ""
        return written

    def _clock(self, block: Mapping[str, Any]) -> ClockKind:
        written = block.get("clock", ClockKind.WALL)
        if written not in list(ClockKind):
            self._problem((_BLOCK, "clock"), "must be wall or replay")
            return ClockKind.WALL
        return ClockKind(written)

    def _seconds(
        self,
        block: Mapping[str, Any],
        name: str,
        default: float | None,
        good: Callable[[float], bool],
        range_: str,
    ) -> float | None:
        written = block.get(name, default)
        if written is None:
            return None
        if isinstance(written, bool) or not isinstance(written, int | float) or not good(written):
            self._problem((_BLOCK, name), f"must be a number of seconds, {range_}")
            return default
        return float(written)

    def _problem(self, path: tuple[str, ...], message: str) -> None:
        self._problems.append(Problem(str(self._file), self._document.line(path), ".".join(path), message))
