"""OpenLineage events to a file or a receiver, by the standard client, never in the way of the data."""

from ray_pipeline.connectors.openlineage.emitter import LineageEmitter
from ray_pipeline.connectors.openlineage.opening import open_emitter

__all__ = ["LineageEmitter", "open_emitter"]
