"""Settings of a pipeline: one YAML file, read once into frozen models."""
