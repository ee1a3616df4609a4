"""Whether the models saw in use what they would have been trained on: logged features, rebuilt from offline tables."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from ray_pipeline.errors import ModelError, UsageError
from ray_pipeline.features.shape import Feed
from ray_pipeline.runtime.features.answers import FeatureAnswer
from ray_pipeline.runtime.predictions.event import request_of
from ray_pipeline.runtime.predictions.kept_back import kept_back
from ray_pipeline.runtime.predictions.landed import Moment, landed_predictions, predictions_dataset, read_landed
from ray_pipeline.runtime.predictions.policy import Refusal, Why
from ray_pipeline.runtime.predictions.prediction import PredictionRequest, Source
from ray_pipeline.runtime.predictions.request import RequestError
from ray_pipeline.runtime.predictions.same import Rebuilt, SameReport, compare
from ray_pipeline.text import count
from ray_pipeline.types import Outcome

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.feast.repo import FeatureRepo
    from ray_pipeline.runtime.models.registry import ModelRegistry

COLUMNS = ("request_id", "occurred_at", "model", "label_key", "request", "features", "views", "source",
           "_partition", "_offset")  # fmt: skip
NOT_KNOWN_YET = "asked later than the offline tables know; build the features first"


@dataclass(frozen=True, slots=True)
class VersionSame:
    """The predictions of one version."""

    version: str
    """``name/number``."""
    predictions: int
    same: SameReport
    not_rebuilt: Mapping[str, int] = field(default_factory=dict)
    """Why a prediction's features could not be rebuilt → how many."""
    online: int = 0
    """Predictions whose features were read online …"""
    online_rebuilt: int = 0
    """… and how many of them could be rebuilt: the others are offline tables compared with themselves."""

    def to_json(self) -> dict[str, Any]:
        """Return what ``predictions verify --output json`` prints of it."""
        return {
            "version": self.version,
            "predictions": self.predictions,
            "could_not_be_rebuilt": dict(self.not_rebuilt),
            "read_online": self.online,
            "read_online_and_rebuilt": self.online_rebuilt,
            **self.same.to_json(),
        }

    def as_lines(self) -> Iterator[str]:
        """Yield the same for people."""
        yield f"{self.version}: {count(self.predictions, 'prediction')}"
        for line in self.same.as_lines():
            yield f"  {line}"
        for why, number in self.not_rebuilt.items():
            yield f"  {number:,} not rebuilt: {why}"
        if self.online:
            yield f"  {self.online:,} had been read online, {self.online_rebuilt:,} of them were rebuilt"


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """All predictions that were looked at, by version."""

    versions: tuple[VersionSame, ...]
    landed: int
    """Predictions in the range."""
    repeated: int
    """Answers to a request that had one already; the first one was looked at."""

    @property
    def predictions(self) -> int:
        """How many were looked at."""
        return sum(one.predictions for one in self.versions)

    @property
    def compared(self) -> int:
        """Values that were compared."""
        return sum(one.same.compared for one in self.versions)

    @property
    def different(self) -> int:
        """Values that differ, and nothing explains it."""
        return sum(one.same.different for one in self.versions)

    @property
    def explained(self) -> int:
        """Values that differ because of an event that was seen in use and that the gate kept back."""
        return sum(one.same.explained for one in self.versions)

    @property
    def not_read(self) -> int:
        """Predictions that were answered without the store, so that what it holds was not compared."""
        return sum(one.same.not_read for one in self.versions)

    @property
    def outcome(self) -> Outcome:
        """BROKEN where a difference is not explained, UNKNOWN where nothing could be compared."""
        if self.different:
            return Outcome.BROKEN
        return Outcome.HELD if self.compared else Outcome.UNKNOWN

    def to_json(self) -> dict[str, Any]:
        """Return what ``predictions verify --output json`` prints."""
        return {
            "outcome": int(self.outcome),
            "landed": self.landed,
            "predictions": self.predictions,
            "repeated_answers": self.repeated,
            "not_read": self.not_read,
            "values": self.compared,
            "explained": self.explained,
            "different": self.different,
            "versions": [one.to_json() for one in self.versions],
        }

    def as_lines(self) -> Iterator[str]:
        """Yield the same for people."""
        held = "what the models saw is what they would have been trained on"
        if any(one.online for one in self.versions) and not any(one.online_rebuilt for one in self.versions):
            held = "what batches read is what models would have been trained on; what was read online is not known"
        verdict = {
            Outcome.HELD: held,
            Outcome.BROKEN: "DIFFERENT: models saw what they would not have been trained on",
        }.get(self.outcome, "could not tell: nothing was compared")
        yield f"{verdict}; {self.predictions:,} of {count(self.landed, 'landed prediction')} looked at"
        for one in self.versions:
            yield from one.as_lines()

    def _repr_html_(self) -> str:
        return f"<pre>{escape(chr(10).join(self.as_lines()))}</pre>"


def verify_predictions(
    config: PipelineConfig,
    *,
    model: str | None = None,
    since: Moment = None,
    until: Moment = None,
    limit: int | None = None,
    ray_address: str | None = None,
    registry: ModelRegistry | None = None,
    repo: FeatureRepo | None = None,
) -> VerifyReport:
    """Rebuild the features of landed predictions for the same keys and moments, and compare them with the logged ones.

    ``limit``: so many of them, chosen by the hash of their ids, so that the same ones come out again. Values are equal
    or they are not: there is no tolerance. A difference that rests on an event which landed, and which the gate kept
    back, is explained; an answer that was given while the online store was away is counted apart. What was asked later
    than the offline tables know cannot be told.
    """
    from ray_pipeline.connectors.feast.repo import load_repo
    from ray_pipeline.runtime.models.promotion import open_registry

    if limit is not None and limit < 1:
        raise UsageError("limit must be at least 1")
    found = landed_predictions(config, model, since=since, until=until)
    chosen = _sample(found.frame, limit)
    work = _Work(config, registry or open_registry(config), repo or load_repo(config), ray_address)
    versions = [
        work.version(str(name), int(number), rows)
        for (name, number), rows in sorted(chosen.group_by("model", "version"), key=lambda one: one[0])
    ]
    return VerifyReport(tuple(versions), found.frame.height, found.repeated)


def _sample(frame: pl.DataFrame, limit: int | None) -> pl.DataFrame:
    if limit is None or limit >= frame.height:
        return frame
    order = [hashlib.sha256(one.encode()).hexdigest() for one in frame["request_id"]]
    return frame.with_columns(pl.Series("#order", order)).sort("#order").head(limit).drop("#order")


@dataclass(frozen=True, slots=True)
class _Work:
    config: PipelineConfig
    registry: ModelRegistry
    repo: FeatureRepo
    ray_address: str | None

    def version(self, name: str, number: int, rows: pl.DataFrame) -> VersionSame:
        from ray_pipeline.runtime.predictions.offline import read_offline
        from ray_pipeline.runtime.predictions.predictor import open_predictor

        shown = f"{name}/{number}"
        try:
            manifest = self.registry.manifest(name, number)
            predictor = open_predictor(self.config, manifest, registry=self.registry, repo=self.repo)
        except ModelError as error:
            return VersionSame(shown, rows.height, SameReport(not_rebuilt=rows.height), {str(error): rows.height})
        events = _events(self.config, rows)
        why: Counter[str] = Counter()
        requests: list[PredictionRequest] = []
        for event in events:
            try:
                requests.append(request_of(event, predictor.fields))
            except RequestError as error:
                why[f"its request does not fit the model any more: {error}"] += 1
        rebuilt = {}
        found = read_offline(self.config, predictor, requests, ray_address=self.ray_address)
        for request, one in zip(requests, found, strict=True):
            if isinstance(one, FeatureAnswer):
                rebuilt[request.request_id] = _rebuilt(one)
            else:
                why[_sentence(one)] += 1
        kept = kept_back(self.config, predictor.service, self.repo)
        service, shapes = predictor.service, predictor.shapes
        written = [one.shown for one in service.views if shapes[one.view].feed is Feed.MATERIALIZED]
        same = compare(events, rebuilt, kept_back=kept, materialized=written)
        online = [event["request_id"] for event in events if event["source"] == Source.ONLINE]
        again = sum(one in rebuilt for one in online)
        return VersionSame(shown, rows.height, same, dict(why), len(online), again)


def _events(config: PipelineConfig, rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the landed events of these answers, whole."""
    place = ("request_id", "_partition", "_offset")
    wanted = rows.select(place)

    def keep(part: pa.Table) -> pa.Table:
        frame = pl.from_arrow(part.select(list(place)))
        assert isinstance(frame, pl.DataFrame)
        known = frame.with_row_index("#row").join(wanted, on=place, how="semi")
        return part.take(known["#row"].sort().to_arrow())

    found: list[dict[str, Any]] = read_landed(config, predictions_dataset(config), COLUMNS, keep).to_pylist()
    return found


def _rebuilt(answer: FeatureAnswer) -> Rebuilt:
    return Rebuilt(answer.values, {name: found.status for name, found in answer.features.items()})


def _sentence(refusal: Refusal) -> str:
    return NOT_KNOWN_YET if refusal.why is Why.NOT_KNOWN_YET else refusal.message
