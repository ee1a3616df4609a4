"""Where a pipeline tells what ran, from what, to what: the ``lineage`` section of the configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator


def _absolute(value: object) -> Path:
    # normpath and not resolve(): a link in the path stays as the person wrote it.
    if not str(value) or "://" in str(value):
        raise ValueError("must be a file's path")
    return Path(os.path.normpath(Path(str(value)).expanduser().absolute()))


def _existing(value: object) -> Path:
    path = _absolute(value)
    if not path.is_file():
        raise ValueError("there is no such file; a relative path counts from the configuration file")
    return path


def _address(value: str) -> str:
    try:
        parts = urlsplit(value)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or any(character.isspace() or ord(character) < 33 for character in value):
        raise ValueError("must be http://host:port or https://host")
    if parts.username or parts.password:
        raise ValueError("must not hold a credential: use token")
    if parts.query or parts.fragment:
        raise ValueError("must not have a query")
    return value


def _bearer(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text or not all(32 < ord(character) < 127 for character in text):
        raise ValueError("must be letters, digits and signs of ASCII, without a space")
    return value


class LineageConfig(BaseModel):
    """OpenLineage events. Nothing else counts: no OPENLINEAGE_* variable and no openlineage.yml is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    transport: Literal["none", "file", "http"] = "none"
    """none: tell nobody; file: append to ``path``, one event a line; http: send to ``url``."""
    path: Annotated[Path, BeforeValidator(_absolute)] | None = None
    """Of the file; in a configuration file, relative to that file."""
    url: Annotated[str, AfterValidator(_address)] | None = None
    """Of the receiver: ``/api/v1/lineage`` is added where it does not end so. It must answer there itself, no redirect
    is followed."""
    token: Annotated[SecretStr, AfterValidator(_bearer)] | None = None
    """Sent as ``Authorization: Bearer``."""
    ca_file: Annotated[Path, BeforeValidator(_existing)] | None = None
    """Certificates of an authority of your own, PEM; in a configuration file, relative to that file."""
    timeout: float = Field(default=5.0, gt=0, le=60)
    """Seconds: how long one attempt may take to connect, and then to answer; and how long the end of a run waits for
    what is not delivered yet."""
    namespace: str | None = Field(default=None, min_length=1, max_length=200)
    """Of the jobs; the pipeline's name when left out. Name the environment where two share a receiver."""

    @model_validator(mode="after")
    def _consistent(self) -> LineageConfig:
        needed = {"file": ("path",), "http": ("url",)}.get(self.transport, ())
        taken = {"file": ("path",), "http": ("url", "token", "ca_file")}.get(self.transport, ())
        missing = [name for name in needed if getattr(self, name) is None]
        surplus = [n for n in ("path", "url", "token", "ca_file") if n not in taken and getattr(self, n) is not None]
        if missing:
            raise ValueError(f"transport {self.transport} needs {missing[0]}")
        if surplus:
            raise ValueError(f"transport {self.transport} takes no {surplus[0]}")
        return self
