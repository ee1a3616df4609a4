"""How good a model has been in use: its landed answers, joined with what came true, from landed data alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from ray_pipeline.errors import UsageError
from ray_pipeline.features.training_spec import moment_text
from ray_pipeline.model.fates import Fates, fates_of, notices
from ray_pipeline.model.labelled import ASKED, LABEL, STATE, State
from ray_pipeline.runtime.predictions.landed import Moment, landed_predictions
from ray_pipeline.runtime.predictions.outcomes import join_outcomes
from ray_pipeline.types import Outcome

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.feast.repo import FeatureRepo
    from ray_pipeline.features.definition import LabelDefinition
    from ray_pipeline.model.metrics import Metrics
    from ray_pipeline.runtime.models.registry import ModelRegistry

DEADLINE_HOURS, RESAMPLES = 24.0, 200
_DAY = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Performance:
    """Some predictions: all of them, those of a day, or those of a version."""

    name: str
    """``all``, the UTC day of the moment asked, or the number of the version."""
    fates: Fates
    metrics: Metrics | None
    """Of the labelled ones; None where there is none. Intervals are a bootstrap over days; of one day, over rows."""

    def to_json(self) -> dict[str, Any]:
        """Return counts and metrics."""
        return {
            "name": self.name,
            **self.fates.to_json(),
            "metrics": None if self.metrics is None else self.metrics.to_json(),
        }


@dataclass(frozen=True, slots=True)
class PerformanceReport:
    """A model in use."""

    model: str
    version: int | None
    """Only this one; None: all."""
    label_sets: tuple[str, ...]
    """Where labels come from; several where versions were trained on different ones."""
    outcomes: tuple[str, ...]
    """Their datasets."""
    deadline_hours: float
    watermark_us: int | None
    """The newest publication among the outcomes, at which deadlines are judged; None: nothing of them landed."""
    resamples: int
    seed: int
    repeated: int
    """Answers to a request that had one already; they are not among the predictions."""
    replaced: int
    """Outcomes of these predictions that a correction replaced."""
    repeated_outcomes: int
    """Outcomes that were published again and said the same."""
    total: Performance
    days: tuple[Performance, ...]
    versions: tuple[Performance, ...]
    notices: tuple[str, ...] = ()
    """What is worth a look, as sentences."""

    @property
    def outcome(self) -> Outcome:
        """UNKNOWN where no prediction has a label yet."""
        return Outcome.HELD if self.total.fates.labelled else Outcome.UNKNOWN

    def to_json(self) -> dict[str, Any]:
        """Return what ``model performance --output json`` prints."""
        return {
            "outcome": int(self.outcome),
            "model": self.model,
            "version": self.version,
            "label_sets": list(self.label_sets),
            "deadline_hours": self.deadline_hours,
            "judged_at": None if self.watermark_us is None else moment_text(self.watermark_us),
            "bootstrap": {"resamples": self.resamples, "seed": self.seed, "all": "days", "one day": "rows"},
            "repeated_answers": self.repeated,
            "replaced_outcomes": self.replaced,
            "repeated_outcomes": self.repeated_outcomes,
            "all": self.total.to_json(),
            "days": [one.to_json() for one in self.days],
            "versions": [one.to_json() for one in self.versions],
            "notices": list(self.notices),
        }

    def as_lines(self) -> Iterator[str]:
        """Yield the same for people."""
        from ray_pipeline.runtime.predictions.performance_text import as_lines

        return as_lines(self)

    def _repr_html_(self) -> str:
        from ray_pipeline.runtime.predictions.performance_text import as_html

        return as_html(self)


def measure_performance(
    config: PipelineConfig,
    name: str,
    *,
    version: int | None = None,
    deadline_hours: float = DEADLINE_HOURS,
    since: Moment = None,
    until: Moment = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    registry: ModelRegistry | None = None,
    repo: FeatureRepo | None = None,
) -> PerformanceReport:
    """Judge the answers of a model, or of one version, that were asked at ``since <= t < until``.

    Of a request that was answered more than once the first answer counts. An outcome has ``deadline_hours`` from the
    moment asked; whether they have passed is judged at the newest publication among the outcomes, not by any clock, so
    that the same data always says the same. Raises ``NoModelError`` where the registry has no such model or version.
    """
    from ray_pipeline.connectors.feast.repo import load_repo
    from ray_pipeline.runtime.models.promotion import open_registry

    if deadline_hours < 0 or resamples < 1:
        raise UsageError("a deadline is no negative number of hours, and a bootstrap needs at least one resample")
    registry = registry or open_registry(config)
    newest = registry.resolve(name, "latest" if version is None else version)
    landed = landed_predictions(config, name, version=version, since=since, until=until)
    repo = repo or load_repo(config)
    known = {newest.number, *registry.versions(name)}
    frame = landed.frame
    there = frame["version"].unique().sort().to_list()
    unknown = [one for one in there if one not in known]
    sets = {one: newest.label_set if one in unknown else registry.manifest(name, one).label_set for one in there}
    chosen = tuple(dict.fromkeys([*sets.values()] or [newest.label_set]))
    labels = {one: repo.label_set(one) for one in chosen}
    parts = [
        join_outcomes(
            config,
            labels[one],
            frame.filter(pl.col("version").is_in([number for number, its in sets.items() if its == one])),
            deadline_hours,
        )
        for one in chosen
    ]
    judged = pl.concat([part.labelled.frame for part in parts]).sort(ASKED, "request_id")
    measured = _Measured(_reasons(labels.values()), resamples, seed)
    days = judged.with_columns((pl.col(ASKED).floordiv(_DAY)).alias("day"))
    by_day = tuple(measured.day(_day(number), rows) for number, rows in _groups(days, "day"))
    total = measured.over_days("all", days)
    outcomes = tuple(dict.fromkeys(one.outcomes for one in labels.values()))
    said = [f"version {one} is not in the registry; its answers are judged by {newest.label_set}" for one in unknown]
    said += notices(total.fates, {one.name: one.fates for one in by_day}, ", ".join(outcomes), _hours(deadline_hours))
    return PerformanceReport(
        model=name,
        version=version,
        label_sets=chosen,
        outcomes=outcomes,
        deadline_hours=deadline_hours,
        watermark_us=max((part.watermark_us for part in parts if part.watermark_us is not None), default=None),
        resamples=resamples,
        seed=seed,
        repeated=landed.repeated,
        replaced=sum(part.labelled.replaced for part in parts),
        repeated_outcomes=sum(part.labelled.repeated for part in parts),
        total=total,
        days=by_day,
        versions=tuple(measured.over_days(str(number), rows) for number, rows in _groups(days, "version")),
        notices=tuple(said),
    )


@dataclass(frozen=True, slots=True)
class _Measured:
    reasons: tuple[str, ...]
    resamples: int
    seed: int

    def over_days(self, name: str, rows: pl.DataFrame) -> Performance:
        return self._of(name, rows, lambda labelled: labelled["day"].to_numpy())

    def day(self, name: str, rows: pl.DataFrame) -> Performance:
        """Of one day there is no other one to draw: rows are drawn, as if they were independent."""
        return self._of(name, rows, lambda labelled: np.arange(labelled.height))

    def _of(self, name: str, rows: pl.DataFrame, blocks: Callable[[pl.DataFrame], Any]) -> Performance:
        from ray_pipeline.model.metrics import measure

        labelled = rows.filter(pl.col(STATE) == State.LABELLED)
        metrics = None
        if labelled.height:
            metrics = measure(
                labelled[LABEL].to_numpy(),
                labelled["probability"].to_numpy(),
                blocks(labelled),
                resamples=self.resamples,
                seed=self.seed,
            )
        return Performance(name, fates_of(rows, self.reasons), metrics)


def _groups(frame: pl.DataFrame, name: str) -> Iterator[tuple[Any, pl.DataFrame]]:
    for value in frame[name].unique().sort().to_list():
        yield value, frame.filter(pl.col(name) == value)


def _reasons(labels: Sequence[LabelDefinition] | Any) -> tuple[str, ...]:
    found: Mapping[str, None] = {reason: None for one in labels for reason in one.without}
    return tuple(found)


def _day(number: int) -> str:
    return moment_text(number * _DAY)[:10]


def _hours(hours: float) -> str:
    return f"{hours:g} hour{'' if hours == 1 else 's'}"
