"""Where the feature definitions are: the ``features`` section of the configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

STORE_FILE = "feature_store.yaml"


def _repository(value: object) -> Path:
    path = Path(os.path.normpath(Path(str(value)).expanduser().absolute()))
    if not (path / STORE_FILE).is_file():
        raise ValueError(
            f"must be a folder with a {STORE_FILE} in it; a relative path counts from the configuration file"
        )
    return path


class FeaturesConfig(BaseModel):
    """A Feast repository whose views this pipeline computes."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    repo: Annotated[Path, BeforeValidator(_repository)] | None = None
    """The folder of ``feature_store.yaml`` and the definitions beside it; in a file, relative to that file. Left out:
    this pipeline has no features."""
    online: bool = True
    """Whether ``ingest`` keeps the online values of stream-fed views."""
