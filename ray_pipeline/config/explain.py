"""pydantic's findings in the words of a configuration file: what is wrong, and what would be right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from ray_pipeline.config.lineage import LineageConfig
from ray_pipeline.config.models import CommitConfig, DatasetConfig, IngestConfig, PipelineConfig
from ray_pipeline.config.nearest import unknown
from ray_pipeline.config.options import is_secret
from ray_pipeline.config.yaml_lines import KeyPath

_MUST_BE = {
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "model_type": "must be a mapping of keys to values",
    "mapping_type": "must be a mapping of keys to values",
    "dict_type": "must be a mapping of keys to values",
    "too_short": "must name at least one dataset",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}",
    "literal_error": "must be {expected}",
    "less_than_equal": "must be at most {le:g}",
}
_REQUIRED = {
    "pipeline": "is required: a name for the log and the metrics",
    "kafka": "is required: librdkafka's options, bootstrap.servers at least",
    "store": "is required: a folder, or s3://bucket/prefix",
    "datasets": "is required: one entry per topic, NAME: {contract: FILE}",
    "contract": "is required: a file with the data contract",
}


def explain(error: ValidationError, shown: Callable[[KeyPath], object]) -> Iterator[tuple[KeyPath, str]]:
    """Yield (path, sentence) per finding; ``shown`` gives a value as the file has it.

    Findings about the configuration as a whole, or about options, are left out: ``check_tree`` says them with keys.
    """
    for finding in error.errors(include_url=False, include_input=False):
        path = tuple(step for step in finding["loc"] if step != "[key]")
        about_an_option = path in (("kafka",), ("store_options",), ("catalog",)) and isinstance(shown(path), dict)
        made_from_a_wrong_key = finding["type"] == "default_factory_not_called"
        if path and not about_an_option and not made_from_a_wrong_key:
            yield path, _sentence(finding["type"], path, finding.get("ctx", {}), finding["msg"], shown)


def _sentence(
    kind: str, path: KeyPath, context: dict[str, Any], message: str, shown: Callable[[KeyPath], object]
) -> str:
    name = str(path[-1])
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if kind == "missing":
        return _REQUIRED.get(name, "is required")
    if kind == "value_error":
        what = str(context.get("error", message))
    else:
        what = _MUST_BE.get(kind, message[:1].lower() + message[1:]).format(**context)
    return what + _got(path, shown(path))


def _got(path: KeyPath, value: object) -> str:
    """The value, where showing it helps and cannot hurt."""
    if path[0] in ("kafka", "store_options", "catalog", "store") or any(is_secret(str(step)) for step in path):
        return ""
    if path == ("lineage", "url") or not isinstance(value, str | int | float) or value == path[-1]:
        return ""
    text = str(value)
    return f", got {text if len(text) <= 60 else text[:57] + '…'}"


def _unknown_key(path: KeyPath) -> str:
    name = str(path[-1])
    sections: dict[str, type[BaseModel]] = {
        "": PipelineConfig,
        "datasets.NAME": DatasetConfig,
        "ingest": IngestConfig,
        "ingest.commit_every": CommitConfig,
        "lineage": LineageConfig,
    }
    for section, model in sections.items():
        if name in model.model_fields and model is not _model_at(path[:-1]):
            return f"unknown key here; it belongs {f'below {section}' if section else 'at the top'}"
    return unknown(name, _model_at(path[:-1]).model_fields)


def _model_at(path: KeyPath) -> type[BaseModel]:
    if path[:1] == ("datasets",):
        return DatasetConfig
    if path[:1] == ("ingest",):
        return IngestConfig if len(path) == 1 else CommitConfig
    if path[:1] == ("lineage",):
        return LineageConfig
    return PipelineConfig
