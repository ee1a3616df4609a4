"""Settings of a pipeline: one YAML file, read once into frozen models."""

from ray_pipeline.config.load import load_config
from ray_pipeline.config.models import CommitConfig, DatasetConfig, IngestConfig, PipelineConfig
from ray_pipeline.config.options import Options

__all__ = ["CommitConfig", "DatasetConfig", "IngestConfig", "Options", "PipelineConfig", "load_config"]
