"""A version that answers requests: the predictor, the online store and the policies in one place."""

from __future__ import annotations

import gc
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from ray_pipeline.config.serve import Policy
from ray_pipeline.connectors.online.settings import ClockKind
from ray_pipeline.errors import OnlineStoreUnavailableError
from ray_pipeline.features.shape import Feed, ValueType
from ray_pipeline.runtime.features.remembered import Remembered
from ray_pipeline.runtime.predictions.live import answer
from ray_pipeline.runtime.predictions.policy import Answer, Policies
from ray_pipeline.runtime.predictions.prediction import PredictionRequest
from ray_pipeline.runtime.predictions.request import RequestField, read_request

if TYPE_CHECKING:
    from pathlib import Path

    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.feast.repo import FeatureRepo
    from ray_pipeline.features.ports import OnlineStore
    from ray_pipeline.model.manifest import ModelManifest
    from ray_pipeline.runtime.models.registry import ModelRegistry
    from ray_pipeline.runtime.predictions.predictor import Predictor

logger = logging.getLogger(__name__)

RARELY: Final = (20_000, 20, 20)
"""When the collector looks at what was made since: an answer leaves nothing behind, and each look delays one."""

_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
_DUMMY: Mapping[ValueType, Any] = {
    ValueType.INT64: 0,
    ValueType.FLOAT64: 0.0,
    ValueType.STRING: "-",
    ValueType.BOOL: False,
    ValueType.TIMESTAMP: _MOMENT,
}


@dataclass(frozen=True, slots=True, eq=False)
class Answering:
    """One version, ready. Threads may share it."""

    predictor: Predictor
    online: OnlineStore
    clock: ClockKind
    policies: Policies
    remembered: Remembered = field(default_factory=Remembered)

    @property
    def manifest(self) -> ModelManifest:
        """What is known of the version."""
        return self.predictor.manifest

    @property
    def fields(self) -> tuple[RequestField, ...]:
        """What a request may say."""
        return self.predictor.fields

    @property
    def replay(self) -> bool:
        """Whether the online store's clock is a replay's: then a request may name its moment."""
        return self.clock is ClockKind.REPLAY

    def read(self, document: Mapping[str, Any]) -> PredictionRequest:
        """Return the question that a document asks, or raise ``RequestError``."""
        return read_request(self.fields, document, allow_as_of=self.replay, new_id=_new_id)

    def answer(self, request: PredictionRequest) -> Answer:
        """Return the prediction, or why there is none. Waits for the online store."""
        return answer(
            self.predictor, self.online, [request], self.policies, clock=self.clock, remembered=self.remembered
        )[0]

    def warm(self) -> None:
        """Answer a question about nobody, so that no client pays for what is made at the first one."""
        values = {one.name: _DUMMY[one.type] for one in self.fields if one.kind != "label_key"}
        anything = Policies(Policy.ANSWER, Policy.ANSWER, Policy.ANSWER)
        request = PredictionRequest("warm", values, _MOMENT)
        answer(self.predictor, self.online, [request], anything, clock=self.clock)

    def probe(self) -> None:
        """Ask the store about nobody; raises what the store raises, and where it has nothing of the model's views.

        A store that was moved away is empty as one that was never written: each answer would be without features.
        """
        fed = [self.predictor.shapes[one.view] for one in self.predictor.service.views]
        streamed = {(shape.name, shape.definition) for shape in fed if shape.feed is Feed.STREAM}
        for shape in fed:
            if shape.feed is Feed.STREAM:
                self.online.read_states(shape.name, shape.definition, [""])
            else:
                self.online.read_rows(shape.name, [""])
            break
        if streamed and not any((mark.view, mark.definition) in streamed for mark in self.online.marks()):
            raise OnlineStoreUnavailableError(self.online.shown, "answer", "it holds no view of this model")


class Opener:
    """Opens versions of one pipeline; the feature repository is read again only where its files have changed.

    Importing Feast takes seconds, so this belongs into a thread.
    """

    def __init__(self, config: PipelineConfig, registry: ModelRegistry) -> None:
        self._config, self._registry = config, registry
        self._files: Mapping[Path, tuple[int, int]] | None = None
        self._repo: FeatureRepo | None = None
        self._online: tuple[OnlineStore, ClockKind] | None = None
        self._settled = False

    def __call__(self, manifest: ModelManifest) -> Answering:
        """Load a version, verified, and warm it; raises ``ModelError`` where it cannot answer."""
        from ray_pipeline.runtime.predictions.predictor import open_predictor

        repo, (online, clock) = self._read()
        predictor = open_predictor(self._config, manifest, registry=self._registry, repo=repo)
        opened = Answering(predictor, online, clock, Policies.of(self._config.serve))
        opened.warm()
        if not self._settled:  # what Feast and the others brought stays for good: a collection of it takes 0.2 s
            gc.collect()
            gc.freeze()
            gc.set_threshold(*RARELY)
            self._settled = True
        return opened

    def _read(self) -> tuple[FeatureRepo, tuple[OnlineStore, ClockKind]]:
        from ray_pipeline.connectors.feast.repo import load_repo, repo_folder
        from ray_pipeline.connectors.online import online_settings, open_online

        folder = repo_folder(self._config)
        files = _fingerprint(folder)
        if self._repo is None or self._online is None or files != self._files:
            repo = load_repo(self._config)
            settings = online_settings(folder, self._config)
            # The store before is not closed: requests that began with it finish with it.
            self._repo, self._online, self._files = repo, (open_online(settings), settings.clock), files
        return self._repo, self._online


def _fingerprint(folder: Path) -> Mapping[Path, tuple[int, int]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".yaml", ".yml"):
            facts = path.stat()
            found[path] = (facts.st_mtime_ns, facts.st_size)
    return found


def _new_id() -> str:
    return str(uuid.uuid4())
