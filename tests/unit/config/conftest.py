"""A folder with a sound configuration, to be spoiled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ray_pipeline.config import PipelineConfig, load_config

GOOD = """\
pipeline: flights
kafka:
  bootstrap.servers: 127.0.0.1:9092
store: ./lake
datasets:
  departures:
    contract: ../contracts/departures.yaml
  arrivals:
    contract: ../contracts/arrivals.yaml
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "configs").mkdir()
    (tmp_path / "contracts").mkdir()
    for name in ("departures", "arrivals"):
        (tmp_path / "contracts" / f"{name}.yaml").write_text("kind: DataContract\n")
    (tmp_path / "configs" / "good.yaml").write_text(GOOD)
    return tmp_path


Load = Callable[..., PipelineConfig]


@pytest.fixture
def load(folder: Path) -> Load:
    """``load(text, *overrides, **environ)``"""

    def loaded(text: str = GOOD, *overrides: str, **environ: str) -> PipelineConfig:
        file = folder / "configs" / "test.yaml"
        file.write_text(text)
        return load_config(file, overrides, environ=environ)

    return loaded
