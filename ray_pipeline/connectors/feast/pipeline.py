"""Which pipeline a Feast repository belongs to: Feast opens our stores by dotted path and knows none of it.

``feature_store.yaml`` names the pipeline's configuration, ``offline_store: {type: …, pipeline: ../local.yaml}``. Where
a program has the configuration already, with what ``--set`` changed in it, that one is meant instead.
"""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ray_pipeline.config.features import STORE_FILE
from ray_pipeline.config.yaml_lines import Document, parse
from ray_pipeline.errors import ConfigError, Problem, UsageError

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig

YAML_VARIABLE = "FEAST_FS_YAML_FILE_PATH"
"""Feast's own: another file in place of ``feature_store.yaml``, as ``feast -f`` names it."""
_GIVEN = "given:"
_given: dict[str, PipelineConfig] = {}
_numbers = count(1)


def given(config: PipelineConfig) -> str:
    """Return a name for a configuration that this process has; :func:`pipeline_at` knows it, here and nowhere else."""
    for name, known in _given.items():
        if known == config:
            return name
    name = f"{_GIVEN}{next(_numbers)}"
    _given[name] = config
    return name


def pipeline_at(folder: Path, named: str | Path | None = None) -> PipelineConfig:
    """Return the configuration that ``named`` means in a repository's folder; else what its file names."""
    from ray_pipeline.config import load_config

    name = str(named or named_pipeline(folder))
    if name.startswith(_GIVEN):
        if name not in _given:
            raise UsageError(f"pipeline {name} is of another process; name a file: pipeline: ../local.yaml")
        return _given[name]
    return load_config(folder / Path(name).expanduser())


def named_pipeline(folder: Path) -> str:
    """Return which configuration the repository's file names; ``ConfigError`` says what to write where it is none."""
    document, file = store_file(folder)
    block = document.value.get("offline_store") if isinstance(document.value, dict) else None
    name = block.get("pipeline") if isinstance(block, dict) else None
    if isinstance(name, str) and name:
        return name
    what = "must name the pipeline's configuration, relative to this file: pipeline: ../local.yaml"
    raise ConfigError((Problem(str(file), document.line(("offline_store",)), "offline_store.pipeline", what),))


def store_file(folder: Path) -> tuple[Document, Path]:
    """Return ``feature_store.yaml`` as Feast reads it, variables in place, and where it is."""
    file = folder / STORE_FILE
    if not file.is_file() and YAML_VARIABLE in os.environ:
        file = Path(os.environ[YAML_VARIABLE])
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError((Problem(str(file), None, "", f"cannot be read ({type(error).__name__})"),)) from None
    document = parse(os.path.expandvars(text), str(file))
    if document.problems:
        raise ConfigError(document.problems)
    return document, file
