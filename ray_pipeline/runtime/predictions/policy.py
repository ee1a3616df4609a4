"""Whether a model answers a request whose features are not all there: decided by the policies, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ray_pipeline.config.serve import Policy, ServeConfig
from ray_pipeline.features.reading import Status
from ray_pipeline.runtime.predictions.prediction import Prediction

if TYPE_CHECKING:
    from ray_pipeline.runtime.features.answers import FeatureValue

_SHOWN = 3


class Why(StrEnum):
    """Why there is no answer."""

    NOT_FOUND = "not_found"
    """Nothing is known of an entity; over HTTP 404."""
    STALE = "stale"
    """A feature is too old, or cannot be said for the moment; 503."""
    UNAVAILABLE = "unavailable"
    """The online store does not answer, or its replay has not begun; 503."""
    NOT_KNOWN_YET = "not_known_yet"
    """Of a batch: asked later than an offline table knows."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that gets no answer, as one sentence."""

    request_id: str
    why: Why
    message: str
    features: tuple[str, ...] = ()
    """Those that the policy stumbled over."""


Answer = Prediction | Refusal


@dataclass(frozen=True, slots=True)
class Policies:
    """What becomes of a request whose features are not all there."""

    on_missing: Policy = Policy.ANSWER
    on_stale: Policy = Policy.ANSWER
    on_unavailable: Policy = Policy.REFUSE

    @classmethod
    def of(cls, serve: ServeConfig) -> Policies:
        """Return those of the configuration."""
        return cls(serve.on_missing, serve.on_stale, serve.on_unavailable)


def judge(
    request_id: str, features: Mapping[str, FeatureValue], on_missing: Policy, on_stale: Policy
) -> Refusal | None:
    """Return why these features get no answer; None: they get one.

    What is missing is said before what is stale: to ask again does not help with it.
    """
    if on_missing is Policy.REFUSE:
        missing = _with(features, {Status.NOT_FOUND})
        if missing:
            said = f"nothing is known for {_listed(missing)}, and serve.on_missing is refuse"
            return Refusal(request_id, Why.NOT_FOUND, said, missing)
    if on_stale is Policy.REFUSE:
        stale = _with(features, {Status.OUTSIDE_MAX_AGE, Status.INVALID})
        if stale:
            said = f"no value that is fresh enough for {_listed(stale)}, and serve.on_stale is refuse"
            return Refusal(request_id, Why.STALE, said, stale)
    return None


def told_apart(answers: Iterable[Answer]) -> tuple[list[Prediction], list[Refusal]]:
    """Return the answers and the refusals, each in their order."""
    predictions: list[Prediction] = []
    refusals: list[Refusal] = []
    for answer in answers:
        if isinstance(answer, Refusal):
            refusals.append(answer)
        else:
            predictions.append(answer)
    return predictions, refusals


def _with(features: Mapping[str, FeatureValue], statuses: set[Status]) -> tuple[str, ...]:
    return tuple(name for name, found in features.items() if found.status in statuses)


def _listed(names: tuple[str, ...]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
