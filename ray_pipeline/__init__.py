"""Contract-driven ingest, gate and features on Ray: Kafka to validated Parquet, curated Iceberg tables and Feast.

What a notebook needs is here by name and imported at its first use, so that ``import ray_pipeline`` costs nothing::

    import ray_pipeline as rp

    contract = rp.load_contract("contracts/flights/departures.odcs.yaml")
    contract.validate([b'{"flight_id": 1}'])

    pipeline = rp.open_pipeline("configs/local.yaml")
    pipeline.read("departures")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig, load_config
    from ray_pipeline.contracts.lint import lint
    from ray_pipeline.contracts.load import load_contract, parse_contract
    from ray_pipeline.contracts.model import DataContract
    from ray_pipeline.contracts.verdicts import Verdicts
    from ray_pipeline.errors import ConfigError, ContractError, Problem, RayPipelineError
    from ray_pipeline.lake.snapshot import Snapshot, take_snapshot
    from ray_pipeline.lake.verify_report import VerifyReport
    from ray_pipeline.runtime.ingest import IngestReport, ingest
    from ray_pipeline.runtime.open import Pipeline, open_pipeline
    from ray_pipeline.types import Violation

    __version__: str

_HOMES = {
    "ConfigError": "errors",
    "ContractError": "errors",
    "DataContract": "contracts.model",
    "IngestReport": "runtime.ingest",
    "Pipeline": "runtime.open",
    "PipelineConfig": "config",
    "Problem": "errors",
    "RayPipelineError": "errors",
    "Snapshot": "lake.snapshot",
    "Verdicts": "contracts.verdicts",
    "VerifyReport": "lake.verify_report",
    "Violation": "types",
    "ingest": "runtime.ingest",
    "lint": "contracts.lint",
    "load_config": "config",
    "load_contract": "contracts.load",
    "open_pipeline": "runtime.open",
    "parse_contract": "contracts.load",
    "take_snapshot": "lake.snapshot",
}

__all__ = [
    "ConfigError",
    "ContractError",
    "DataContract",
    "IngestReport",
    "Pipeline",
    "PipelineConfig",
    "Problem",
    "RayPipelineError",
    "Snapshot",
    "Verdicts",
    "VerifyReport",
    "Violation",
    "__version__",
    "ingest",
    "lint",
    "load_config",
    "load_contract",
    "open_pipeline",
    "parse_contract",
    "take_snapshot",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        value: object = _installed_version()
    elif name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _installed_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("ray-pipeline")
    except PackageNotFoundError:  # a checkout that Ray unpacked as a job's working folder is not installed
        return "0+source"
