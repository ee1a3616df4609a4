"""The online store: SQLite for one machine, Redis for many. Nothing here imports Feast, Ray or polars."""

from __future__ import annotations

from ray_pipeline.connectors.online.opening import open_online
from ray_pipeline.connectors.online.settings import OnlineSettings, online_settings

__all__ = ["OnlineSettings", "online_settings", "open_online"]
