"""Local folders and S3 as one interface with put-if-absent."""

from ray_pipeline.connectors.object_store.opening import filesystem, open_store
from ray_pipeline.connectors.object_store.probe import ProbeReport, probe, require_put_if_absent

__all__ = ["ProbeReport", "filesystem", "open_store", "probe", "require_put_if_absent"]
