"""The Ray Serve deployment: a thin shell around the application, and the actor that its replicas get settings from."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import ray

from ray_pipeline.errors import RayPipelineError
from ray_pipeline.serve.listening import DIRECT, listen_as_told
from ray_pipeline.serve.ray_serve import LoggingConfig, serve

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.config.serve import ServeConfig
    from ray_pipeline.serve.app import App
    from ray_pipeline.serve.desk import Desk

NAMESPACE: Final = "ray_pipeline"
HEADROOM: Final = 1000
"""Requests beyond the configured ones that reach a replica: health and metrics, bodies that come slowly, and refusals
with a sentence of ours. As many may wait in front of it before Serve itself refuses, health included, in plain text."""
_THREADS: Final = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""One request is one row: threads would only wait for one another."""
_IN_LOOP: Final = {"RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0"}
"""Our code never blocks the loop, so it may share the one that Serve's server has: a fifth of a millisecond less."""


class SettingsGoneError(RayPipelineError):
    """A replica was started, and nobody has its settings."""

    def __init__(self, keeper: str) -> None:
        super().__init__(keeper)
        self.keeper = keeper

    def __str__(self) -> str:
        return f"actor {self.keeper}, which keeps the settings of replicas, is gone; run `ray-pipeline serve up` again"


class Keeper:
    """Has the configuration in its memory, for replicas that start.

    What a deployment is made with lies in Ray's control store, and a configuration holds passwords. A call's arguments
    go from process to process alone.
    """

    def __init__(self) -> None:
        self._config: PipelineConfig | None = None

    def keep(self, config: PipelineConfig) -> None:
        """Take the configuration of the replicas that start from now on."""
        self._config = config

    def config(self) -> PipelineConfig | None:
        """Return it."""
        return self._config


class Replica:
    """One process that answers."""

    def __init__(self, keeper: str, port: int | None) -> None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        listen_as_told(port)
        from ray_pipeline.serve.desk import open_desk

        self._desk: Desk = open_desk(_settings(keeper), replica=serve.get_replica_context().replica_id.unique_id)

    def __serve_build_asgi_app__(self) -> App:
        from ray_pipeline.serve.app import make_app

        return _leaving(make_app(self._desk))


def _leaving(app: App) -> App:
    """Return the application with a client's leaving told as ASGI tells it; Serve's proxy raises an error of Ray's."""

    async def told(scope: Any, receive: Any, send: Any) -> None:
        async def heard() -> Any:
            try:
                return await receive()
            except ray.exceptions.TaskCancelledError:
                return {"type": "http.disconnect"}

        await app(scope, heard, send)

    return told


def keep_settings(config: PipelineConfig, name: str) -> str:
    """Have an actor keep the configuration for the replicas of an application, and return the actor's name."""
    keeper = f"{name}-settings"
    options: dict[str, Any] = {"name": keeper, "namespace": NAMESPACE, "lifetime": "detached", "get_if_exists": True}
    actor: Any = ray.remote(Keeper).options(**options, num_cpus=0).remote()
    ray.get(actor.keep.remote(config))
    return keeper


def forget_settings(name: str) -> None:
    """End the actor that keeps an application's configuration, where there is one."""
    try:
        ray.kill(ray.get_actor(f"{name}-settings", namespace=NAMESPACE))
    except ValueError:
        return


def application(config: ServeConfig, keeper: str, port: int | None) -> Any:
    """Return what ``serve.run`` takes. ``port`` is where replicas listen themselves; None: behind Serve's proxy.

    Serve's own limits are an outer wall: inside it the replica counts, and refuses with a sentence.
    """
    variables = _THREADS | (DIRECT | _IN_LOOP if config.direct else {})
    deployment: Any = serve.deployment(
        serve.ingress()(Replica),
        name="predictions",
        num_replicas=config.replicas,
        max_ongoing_requests=config.max_ongoing + config.max_queued + HEADROOM,
        max_queued_requests=HEADROOM,
        ray_actor_options={"num_cpus": 1, "runtime_env": {"env_vars": variables}},
        graceful_shutdown_wait_loop_s=0.2,
        graceful_shutdown_timeout_s=config.timeout_seconds + 15.0,
        logging_config=LoggingConfig(enable_access_log=False, log_level="WARNING"),
    )
    return deployment.bind(keeper, port)


def _settings(keeper: str) -> PipelineConfig:
    try:
        actor: Any = ray.get_actor(keeper, namespace=NAMESPACE)
        found: PipelineConfig | None = ray.get(actor.config.remote(), timeout=30)
    except (ValueError, ray.exceptions.RayError):
        found = None
    if found is None:
        raise SettingsGoneError(keeper)
    return found
