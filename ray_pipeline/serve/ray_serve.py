"""Ray Serve, imported in one place: what its own code warns of while it is imported is no news for whoever uses us."""

from __future__ import annotations

import warnings
from typing import Any

with warnings.catch_warnings():
    # Its settings use pydantic in a way that pydantic deprecates, and so does FastAPI under it.
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    from ray import serve
    from ray.serve.context import _get_global_client
    from ray.serve.exceptions import RayServeException
    from ray.serve.schema import ApplicationStatus, LoggingConfig

__all__ = ["ApplicationStatus", "LoggingConfig", "RayServeException", "client_of", "serve", "shut_down"]


def client_of() -> object | None:
    """Return Serve's client on the cluster that this process is connected to; None where no Serve runs there."""
    return _get_global_client(raise_if_no_controller_running=False)


def shut_down() -> None:
    """End Serve on the cluster: its proxy, its controller, and every application."""
    stop: Any = serve.shutdown  # it carries no types
    stop()
