"""From the settings to a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ray_pipeline.connectors.online.settings import Kind, OnlineSettings
from ray_pipeline.connectors.online.sqlite import SqliteStore

if TYPE_CHECKING:
    from ray_pipeline.connectors.online.redis_store import RedisStore


def open_online(settings: OnlineSettings) -> SqliteStore | RedisStore:
    """Return the store; nothing is contacted, and no file is made, before its first call."""
    if settings.kind is Kind.SQLITE:
        return SqliteStore(settings)
    from ray_pipeline.connectors.online.redis_store import RedisStore  # half a second less for who has none

    return RedisStore(settings)
