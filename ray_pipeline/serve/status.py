"""What is served now, here or on a cluster; and ending it."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from ray_pipeline.serve.client import NotServedError, Serving, in_words
from ray_pipeline.serve.run_file import end_running, find_running
from ray_pipeline.serve.starting import application_name, check_serve, url_of
from ray_pipeline.types import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ray_pipeline.config import PipelineConfig


@dataclass(frozen=True, slots=True)
class ServeStatus:
    """Where a pipeline's model is served, and whether it answers."""

    url: str
    model: str
    up: bool
    """Whether somebody answers over HTTP."""
    ready: bool = False
    """Whether requests are answered."""
    version: int | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why requests are not answered, by name."""
    warnings: Mapping[str, str] = field(default_factory=dict)
    pid: int | None = None
    """Of the process on this machine that serves in the foreground."""
    replicas: Mapping[str, int] | None = None
    """On a cluster: replicas by their state; None where no cluster was asked."""

    @property
    def outcome(self) -> Outcome:
        """0: requests are answered; 3: they are not."""
        return Outcome.HELD if self.ready else Outcome.UNKNOWN

    def to_json(self) -> dict[str, Any]:
        """Return what the command prints."""
        return asdict(self)


def serve_status(config: PipelineConfig, *, ray_address: str | None = None) -> ServeStatus:
    """Return what is served: asked over HTTP, and of Serve where a cluster is named."""
    model = check_serve(config)
    here = find_running(config)
    url, replicas = url_of(config.serve.host, config.serve.port), None
    address = ray_address or os.environ.get("RAY_ADDRESS")
    if here is not None and here.url:
        url = here.url
    elif address and address != "local":
        url, replicas = _on_cluster(config, address, url)
    pid = None if here is None else here.pid
    try:
        reply = Serving(url, model, config.serve.token).ready()
    except NotServedError as error:
        return ServeStatus(url, model, up=False, reasons={"process": error.reason}, pid=pid, replicas=replicas)
    if not isinstance(reply.body, dict) or "ready" not in reply.body:
        return ServeStatus(url, model, up=False, reasons={"process": in_words(reply)}, pid=pid, replicas=replicas)
    body = reply.body
    if body.get("pipeline") not in (None, config.pipeline):
        wrong = {"process": f"pipeline {body['pipeline']} is served there"}
        return ServeStatus(url, model, up=False, reasons=wrong, pid=pid, replicas=replicas)
    return ServeStatus(
        url,
        model,
        up=True,
        ready=bool(body["ready"]),
        version=None if body["model"] is None else int(body["model"]["version"]),
        reasons=_by_name(body["reasons"]),
        warnings=_by_name(body["warnings"]),
        pid=pid,
        replicas=replicas,
    )


def serve_down(config: PipelineConfig, *, ray_address: str | None = None) -> bool:
    """End what is served, here and on a cluster that is named; return whether anything was.

    Requests in flight are answered, and their events delivered. Raises ``NotServedError`` where it does not end.
    """
    ended = False
    here = find_running(config)
    if here is not None:
        if not end_running(config):
            raise NotServedError(here.url, f"process {here.pid} was asked to end, and has not within a minute")
        ended = True
    address = ray_address or os.environ.get("RAY_ADDRESS")
    if address and address != "local":
        ended = _down_on_cluster(config, address) or ended
    return ended


def _on_cluster(config: PipelineConfig, address: str, otherwise: str) -> tuple[str, Mapping[str, int]]:
    from ray_pipeline.runtime.ray_session import ray_session
    from ray_pipeline.serve.ray_serve import client_of, serve

    with ray_session(address):
        client: Any = client_of()
        if client is None:
            return otherwise, {}
        found = serve.status().applications.get(application_name(config))
        states: dict[str, int] = {}
        for deployment in found.deployments.values() if found is not None else ():
            for state, number in deployment.replica_states.items():
                states[str(getattr(state, "value", state))] = number
        url = otherwise if config.serve.direct else url_of(str(client.http_config.host), int(client.http_config.port))
        return url, states


def _down_on_cluster(config: PipelineConfig, address: str) -> bool:
    from ray_pipeline.runtime.ray_session import ray_session
    from ray_pipeline.serve.deployment import forget_settings
    from ray_pipeline.serve.ray_serve import client_of, serve, shut_down

    name = application_name(config)
    with ray_session(address):
        if client_of() is None or name not in serve.status().applications:
            return False
        serve.delete(name)
        forget_settings(name)
        if not serve.status().applications:
            shut_down()  # the next one may want to listen elsewhere
        return True


def _by_name(found: Any) -> dict[str, str]:
    return dict(found) if isinstance(found, dict) else dict.fromkeys(found, "")
