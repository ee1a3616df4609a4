"""Starting and ending the application on the Ray that this process is connected to."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ray_pipeline.contracts.load import load_contract
from ray_pipeline.errors import RayPipelineError, SourceError, UsageError
from ray_pipeline.runtime.wiring import ensure_predictions_topic
from ray_pipeline.serve.client import NotServedError, Serving
from ray_pipeline.serve.listening import DIRECT, free_port, is_loopback

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.runtime.stop_signals import Stop

Say = Callable[[str], None]

START_SECONDS: Final = 120.0
"""How long a replica may take to listen; importing everything takes seconds on a quiet machine."""


def application_name(config: PipelineConfig) -> str:
    """Return what the application is called on a cluster."""
    return f"ray-pipeline-{config.pipeline}"


def check_serve(config: PipelineConfig) -> str:
    """Return the model that is to be served, or raise one clear sentence where it cannot be."""
    serve = config.serve
    if serve.model is None:
        raise UsageError("this pipeline serves no model; write serve: {model: NAME} into its configuration")
    if config.features.repo is None:
        raise UsageError("a model answers from features; write features: {repo: ./FOLDER} into the configuration")
    dataset = config.dataset(serve.predictions)
    load_contract(dataset.contract, object_name=dataset.object)
    if serve.token is None and not is_loopback(serve.host):
        raise UsageError(
            f"serve.host {serve.host} is reached from other machines, and no serve.token is set: anybody could ask; "
            "set a token, or listen on 127.0.0.1"
        )
    if serve.token is not None and not serve.token.get_secret_value().strip():
        raise UsageError("serve.token is empty: leave it out, or set one")
    return serve.model


@dataclass(frozen=True, slots=True)
class Started:
    serving: Serving
    owned: bool
    """Whether Serve itself was started by this call."""


class StoppedError(RayPipelineError):
    """Somebody asked for the end before the beginning was over."""


def start(config: PipelineConfig, say: Say, stop: Stop | None = None) -> Started:
    """Start Serve where none runs, deploy, and return once a replica answers on its port."""
    from ray_pipeline.serve.deployment import application, keep_settings
    from ray_pipeline.serve.ray_serve import RayServeException, client_of, serve

    settings, name = config.serve, application_name(config)
    model = check_serve(config)
    _ensure_topic(config, say)
    _quiet_serve()
    client: Any = client_of()
    owned = client is None
    if owned:
        host, port = settings.host, _port(config)
        try:
            _start_serve(config, port)
        except (OSError, RuntimeError, TimeoutError, RayServeException) as error:
            raise NotServedError(url_of(host, port), _first_line(error)) from None
    else:
        host, port = str(client.http_config.host), int(client.http_config.port)
        _check_shared(config, host, port, say)
    before = name in serve.status().applications
    keeper = keep_settings(config, name)
    found = Serving(url_of(host, port), model, settings.token)
    try:
        target = serve.RunTarget(
            application(settings, keeper, port if settings.direct else None), name=name, route_prefix="/"
        )
        serve.run_many([target], wait_for_ingress_deployment_creation=True, wait_for_applications_running=False)
        _wait_listening(name, found, stop)
    except BaseException as error:
        if not before:  # replicas that are up already go on
            end(config, owned=owned)
        if isinstance(error, (RayServeException, RuntimeError)):
            raise NotServedError(found.url, _first_line(error)) from None
        raise
    return Started(found, owned)


def _start_serve(config: PipelineConfig, port: int) -> None:
    from ray_pipeline.serve.ray_serve import LoggingConfig, serve

    settings = config.serve
    direct: dict[str, Any] = {"controller_options": {"runtime_env": {"env_vars": DIRECT}}} if settings.direct else {}
    serve.start(
        proxy_location="HeadOnly",
        http_options={
            "host": settings.host,
            # With serve.direct the proxy runs all the same, out of the way.
            "port": free_port("127.0.0.1", 0) if settings.direct else port,
            # Ours gives 504 with a sentence; Serve's own, a little later, is for a replica that died.
            "request_timeout_s": settings.timeout_seconds * 2 + 5,
            "keep_alive_timeout_s": 90,
        },
        logging_config=LoggingConfig(enable_access_log=False, log_level="WARNING"),
        **direct,
    )


def _port(config: PipelineConfig) -> int:
    settings = config.serve
    try:
        return free_port(settings.host, settings.port)
    except OSError as error:
        raise NotServedError(
            url_of(settings.host, settings.port), f"cannot listen there: {error.strerror}; serve.port says where"
        ) from None


def _check_shared(config: PipelineConfig, host: str, port: int, say: Say) -> None:
    """Look at a Serve that runs already: it listens where whoever started it said."""
    settings = config.serve
    if settings.direct:
        raise UsageError("Serve runs on this cluster already, and with serve.direct it has to be started by this one")
    if settings.token is None and not is_loopback(host):
        raise UsageError(
            f"Serve runs on this cluster already and listens on {host}, and no serve.token is set: anybody could ask"
        )
    if port != settings.port:
        say(f"Serve runs on this cluster already and listens on {host}:{port}; serve.host and serve.port say otherwise")


def _wait_listening(name: str, found: Serving, stop: Stop | None) -> None:
    from ray_pipeline.serve.ray_serve import ApplicationStatus, serve

    deadline = time.monotonic() + START_SECONDS
    while True:
        if stop is not None and stop.drain.is_set():
            raise StoppedError
        status = serve.status().applications.get(name)
        if status is not None and status.status is ApplicationStatus.DEPLOY_FAILED:
            raise NotServedError(found.url, _reason(status))
        if status is not None and status.status is ApplicationStatus.RUNNING and _listens(found):
            return
        if time.monotonic() > deadline:
            said = "" if status is None else f" ({_reason(status)})"
            raise NotServedError(found.url, f"no replica listens after {START_SECONDS:.0f} seconds{said}")
        time.sleep(0.1)


def _listens(found: Serving) -> bool:
    try:
        return found.ready(5.0).body is not None
    except NotServedError:
        return False


def end(config: PipelineConfig, *, owned: bool, at_once: Callable[[], bool] = lambda: False) -> None:
    """End the application, and Serve itself where it is ours; a replica delivers its events before it ends.

    ``at_once`` may say meanwhile that nobody wants to wait for that.
    """
    from ray_pipeline.serve.deployment import forget_settings
    from ray_pipeline.serve.ray_serve import client_of, serve, shut_down

    client: Any = client_of()
    name = application_name(config)
    if client is not None and name in serve.status().applications:
        client.delete_apps([name], blocking=False)
        while not at_once() and name in serve.status().applications:
            time.sleep(0.05)
    forget_settings(name)
    if owned and client is not None and not at_once():
        shut_down()


def _ensure_topic(config: PipelineConfig, say: Say) -> None:
    """Make the topic of predictions where it is missing, as wide as the widest of the pipeline's topics."""
    from ray_pipeline.connectors.kafka.admin import KafkaAdmin

    admin = KafkaAdmin(config.kafka, timeout=10.0)
    try:
        ensure_predictions_topic(config, admin, say)
    except SourceError as error:
        say(f"requests are refused until the brokers answer: {error}")
    finally:
        admin.close()


def _reason(status: Any) -> str:
    said = [one.message for one in status.deployments.values() if one.message] or [status.message]
    lines = [line.strip() for line in "\n".join(said).splitlines() if line.strip()]
    # A replica's error is the last line of a traceback.
    return lines[-1][:500] if lines else str(status.status)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:500]


def url_of(host: str, port: int) -> str:
    shown = "127.0.0.1" if host in ("0.0.0.0", "::", "localhost") else host  # noqa: S104  what is asked, not bound
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _quiet_serve() -> None:
    """Let Serve tell the person about trouble alone."""
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
