"""What one replica works with: limits, the version that answers, the topic of its answers, and what it counts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from ray_pipeline.config.serve import ServeConfig
from ray_pipeline.serve.champion import Champion, Told
from ray_pipeline.serve.health import Check, Health
from ray_pipeline.serve.limits import Turns
from ray_pipeline.serve.metrics import ServeMetrics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.model.manifest import ModelManifest
    from ray_pipeline.runtime.predictions.policy import Answer
    from ray_pipeline.runtime.predictions.prediction import PredictionRequest
    from ray_pipeline.runtime.predictions.request import RequestField
    from ray_pipeline.serve.champion import Versions
    from ray_pipeline.serve.handoff import EventLog


class Version(Protocol):
    """A version that answers; :class:`ray_pipeline.serve.answering.Answering` is one."""

    @property
    def manifest(self) -> ModelManifest: ...
    @property
    def fields(self) -> Sequence[RequestField]: ...
    @property
    def replay(self) -> bool:
        """Whether a request may name its moment, and whether its event is published as of then."""
        ...

    def read(self, document: Mapping[str, Any]) -> PredictionRequest: ...
    def answer(self, request: PredictionRequest) -> Answer: ...
    def probe(self) -> None: ...


class Desk:
    """Everything behind the HTTP application of one replica; it knows neither Ray nor Kafka."""

    def __init__(
        self,
        config: ServeConfig,
        *,
        pipeline: str,
        registry: Versions,
        open_version: Callable[[ModelManifest], Version],
        log: EventLog,
        replica: str = "",
    ) -> None:
        if config.model is None:
            raise ValueError("serve.model is not set")
        self.config, self.pipeline, self.log, self.replica = config, pipeline, log, replica
        self.token = None if config.token is None else config.token.get_secret_value().encode()
        self.metrics = ServeMetrics(config.model)
        self.turns = Turns(config.max_ongoing, config.max_queued)
        # One thread for each turn: what waits for the online store must not wait for a thread as well.
        self.threads = ThreadPoolExecutor(config.max_ongoing, thread_name_prefix="answer")
        self.champion: Champion[Version] = Champion(
            registry,
            config.model,
            open_version,
            Told(lambda version: self.metrics.swapped(version.manifest.number), lambda _: self.metrics.load_failed()),
            every=config.refresh_seconds,
        )
        checks: dict[str, Check] = {"online_store": self._ask_store, "topic": log.probe}
        every = min(2.0, config.refresh_seconds)
        self.health = Health(checks, every=every, patience=every + config.timeout_seconds + 5.0)
        self.ending = False
        self.metrics.watch_events(lambda: log.counts)
        self.metrics.watch_turns(lambda: self.turns.ongoing, lambda: self.turns.waiting)

    def start(self) -> None:
        """Look for the champion, and begin to check."""
        self.champion.start()
        self.health.start()

    def close(self) -> None:
        """End what :meth:`start` began, and deliver the events that wait. Blocks for some seconds at most."""
        self.ending = True
        self.champion.stop()
        self.health.stop()
        self.threads.shutdown(wait=False, cancel_futures=True)
        self.log.close()

    def reasons(self) -> dict[str, str]:
        """Return why requests cannot be answered, by name; empty where they can."""
        found: dict[str, str] = {}
        if self.ending:
            found["process"] = "it ends"
        if self.champion.current is None:
            found["champion"] = self.champion.trouble or "no version answers"
        found |= self.health.troubles()
        if "topic" not in found and (trouble := self.log.trouble) is not None:
            found["topic"] = trouble
        self.metrics.ready(not found)
        return found

    def warnings(self) -> dict[str, str]:
        """Return what a person should look at, though requests are answered."""
        trouble = self.champion.trouble
        return {} if trouble is None or self.champion.current is None else {"champion": trouble}

    def _ask_store(self) -> str | None:
        version = self.champion.current
        if version is not None:
            version.probe()
        return None


def open_desk(config: PipelineConfig, *, replica: str = "") -> Desk:
    """Return the desk of a pipeline; its parts are made, and nothing is contacted yet."""
    from ray_pipeline.config.serve import HandOff
    from ray_pipeline.connectors.kafka.prediction_log import PredictionLog
    from ray_pipeline.runtime.models.promotion import open_registry
    from ray_pipeline.serve.answering import Opener

    registry = open_registry(config)
    settings = config.serve
    acknowledged = settings.hand_off is HandOff.ACKNOWLEDGED
    log = PredictionLog(
        config.kafka,
        config.dataset(settings.predictions).topic,
        linger_ms=0 if acknowledged else 5,
        give_up_after=settings.timeout_seconds if acknowledged else None,
    )
    return Desk(
        settings,
        pipeline=config.pipeline,
        registry=registry,
        open_version=Opener(config, registry),
        log=log,
        replica=replica,
    )
