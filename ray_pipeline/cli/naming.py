"""What a person calls a contract: its file, or the dataset that the configuration gives it to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ray_pipeline.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ray_pipeline.contracts.model import DataContract, Formats

SUFFIXES = (".yaml", ".yml", ".json")


def open_contract(
    name: str, config: Path | None, sets: Sequence[str] | None, *, formats: Formats = "assert", object_name: str | None
) -> DataContract:
    """Load the contract in the file ``name``, or that of the dataset ``name``."""
    from ray_pipeline.contracts.load import load_contract

    path = Path(name)
    if not path.exists() and path.suffix not in SUFFIXES and "/" not in name:
        path, object_name = _of_dataset(name, config, sets, object_name)
    return load_contract(path, formats=formats, object_name=object_name)


def contract_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files to look at: those named, and all contracts below the folders named. Missing ones stay in."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        below = sorted(
            file
            for file in path.rglob("*")
            if file.suffix in SUFFIXES and file.is_file() and not _is_hidden(file.relative_to(path))
        )
        if not below:
            raise UsageError(f"no contract below {path}: none of its files ends in {', '.join(SUFFIXES)}")
        found += below
    return list(dict.fromkeys(found))


def _of_dataset(
    name: str, config: Path | None, sets: Sequence[str] | None, object_name: str | None
) -> tuple[Path, str | None]:
    from ray_pipeline.config import load_config

    try:
        dataset = load_config(config, sets or ()).dataset(name)
    except ConfigError:
        if config is not None:
            raise
        raise UsageError(f"no contract at {name}, and no configuration that would name a dataset so") from None
    except UsageError as error:
        raise UsageError(f"no file {name}, and no dataset: {error}") from None
    return dataset.contract, object_name or dataset.object


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
