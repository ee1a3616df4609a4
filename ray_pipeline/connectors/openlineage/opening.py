"""From the configuration to an emitter."""

from __future__ import annotations

from ray_pipeline.config.lineage import LineageConfig

from .delivery import Delivery
from .emitter import LineageEmitter
from .file import FileDelivery
from .http import HttpDelivery


def open_emitter(config: LineageConfig) -> LineageEmitter:
    """Return an emitter to where the configuration says, and to nowhere with transport ``none``; nothing is opened yet.

    The client's transports are made here, one by one: it never looks for ``OPENLINEAGE_*`` or ``openlineage.yml``.
    """

    def opening() -> Delivery:
        return FileDelivery(config.path) if config.path is not None else HttpDelivery(config)

    return LineageEmitter(None if config.transport == "none" else opening)
