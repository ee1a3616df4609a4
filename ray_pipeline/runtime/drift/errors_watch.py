"""Whether a model errs more than it did: its errors label by label, and before labels come what its scores expect.

Errors are log losses of single answers, as in the metrics, against those of the rows that the version was not fitted
to. They go to the detector in the order in which labels were published, and a label once its day of publication is over
in every partition of the outcomes: labels of live answers are only ever added at the end. Nothing is kept between two
looks, so what changes the past is seen where it belongs: an answer that landed after its label's day is put in there, a
label that was corrected moves to the day of its correction, and the alarms are those of the whole order as it is now.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa

from ray_pipeline.drift.error_reference import ErrorReference
from ray_pipeline.drift.estimated import estimate, how_wrong
from ray_pipeline.drift.sequential import make_detector
from ray_pipeline.drift.windows import DAY_US, day_of, watermark
from ray_pipeline.errors import ModelFileError, UsageError
from ray_pipeline.lake.parquet import decode_parquet
from ray_pipeline.model.labelled import ASKED, KNOWN, KNOWN_OFFSET, KNOWN_PARTITION, LABEL, STATE, State
from ray_pipeline.model.manifest import PREDICTIONS, ModelManifest
from ray_pipeline.model.metrics import days_of
from ray_pipeline.runtime.drift.concept import ConceptAlarm, ConceptDay, ConceptReport
from ray_pipeline.runtime.drift.read_counts import places
from ray_pipeline.runtime.models.aliases import Alias
from ray_pipeline.runtime.predictions.landed import Moment, landed_predictions
from ray_pipeline.runtime.predictions.outcomes import join_outcomes
from ray_pipeline.runtime.predictions.performance import DEADLINE_HOURS
from ray_pipeline.text import count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.feast.repo import FeatureRepo
    from ray_pipeline.runtime.models.registry import ModelRegistry

_EPS = float(np.finfo(np.float64).eps)
_SECOND = 1_000_000
_PUBLISHED = (KNOWN, KNOWN_PARTITION, KNOWN_OFFSET)


def concept(
    config: PipelineConfig,
    *,
    model: str | None = None,
    version: int | str = Alias.CHAMPION,
    since: Moment = None,
    until: Moment = None,
    detector: str | None = None,
    now: datetime | None = None,
    seed: int = 0,
    registry: ModelRegistry | None = None,
    repo: FeatureRepo | None = None,
) -> ConceptReport:
    """Return what is known of a version's errors, from the answers asked at ``since <= t < until`` that landed.

    ``detector`` is that of the configuration, unless it is named here. Of an outcome that came twice the newest counts,
    once. ``NoModelError`` where there is no such version, ``UsageError`` where there is no such detector.
    """
    from ray_pipeline.connectors.feast.repo import load_repo
    from ray_pipeline.runtime.models.promotion import open_registry

    registry = registry or open_registry(config)
    manifest = registry.resolve(model or watched_model(config, registry), version)
    named = detector or config.drift.detector
    reference, doubt = _reference(registry, manifest)
    labels = (repo or load_repo(config)).label_set(manifest.label_set)
    landed = landed_predictions(config, manifest.name, version=manifest.number, since=since, until=until)
    joined = join_outcomes(config, labels, landed.frame, DEADLINE_HOURS).labelled
    said = pl.col("probability").cast(pl.Float64)
    rows = joined.frame.with_columns(
        (said.is_not_null() & said.is_finite() & (said >= 0) & (said <= 1)).fill_null(value=False).alias("#usable")
    )
    usable = rows.filter(pl.col("#usable"))
    labelled = usable.filter(pl.col(STATE) == State.LABELLED).sort(*_PUBLISHED, "request_id", nulls_last=False)
    waiting = usable.filter(pl.col(STATE).is_in([State.WAITING, State.OVERDUE]))
    over_us = _over(config, labels.outcomes, now)
    watched = labelled.filter(pl.col(KNOWN).is_not_null() & (pl.col(KNOWN) < over_us))
    design = 1.0 if reference is None else reference.design
    alarms = _alarms(config, named, reference, watched, seed)
    return ConceptReport(
        model=manifest.name,
        version=manifest.number,
        detector=named,
        run_length=config.drift.run_length,
        reference=reference,
        answers=joined.frame.height,
        labels=labelled.height,
        watched=watched.height,
        loss=_mean(losses(watched)),
        alarms=alarms,
        overall=how_wrong(labelled["probability"], _truth(labelled), design=design) if labelled.height else None,
        unlabelled=estimate(waiting["probability"], design=design) if waiting.height else None,
        days=_days(usable, design),
        replaced=joined.replaced,
        repeated=joined.repeated,
        reason=doubt or _why_not(joined.frame.height, labelled.height, watched.height),
        notices=_notices(rows.height - usable.height),
    )


def watched_model(config: PipelineConfig, registry: ModelRegistry) -> str:
    """Return the model whose answers are watched: the one that is served, else the only one that there is."""
    if config.serve.model is not None:
        return config.serve.model
    names = registry.names()
    if len(names) != 1:
        there = f"there are {', '.join(names)}" if names else "there is none; `ray-pipeline train SPEC` makes one"
        raise UsageError(f"the configuration's serve.model names no model: {there}")
    return names[0]


def losses(frame: pl.DataFrame) -> NDArray[np.float64]:
    """Return the log loss of each labelled answer, its probability clipped as the metrics clip it."""
    said, true = frame["probability"].cast(pl.Float64).to_numpy(), _truth(frame)
    right = np.where(true > 0, said, 1 - said)
    found: NDArray[np.float64] = -np.log(np.clip(right, _EPS, 1.0))
    return found


def _reference(registry: ModelRegistry, manifest: ModelManifest) -> tuple[ErrorReference | None, str]:
    """Describe the errors on the rows that the version was not fitted to, or say why they are not known."""
    if PREDICTIONS not in manifest.files:
        return None, f"version {manifest.shown} keeps no answers to rows that it was not fitted to"
    try:
        table = decode_parquet(registry.file(manifest, PREDICTIONS))
    except pa.ArrowException:
        raise ModelFileError(manifest.shown, PREDICTIONS, "is no Parquet file that this version reads") from None
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    if missing := {"asked_at", LABEL, "probability"} - set(frame.columns):
        raise ModelFileError(manifest.shown, PREDICTIONS, f"has no column {', '.join(sorted(missing))}")
    asked = frame["asked_at"]
    us = asked.dt.epoch("us") if asked.dtype.is_temporal() else asked.cast(pl.Int64)
    order = us.arg_sort()
    days = days_of(us.gather(order).to_numpy())
    try:
        found = losses(frame.select(LABEL, "probability").select(pl.all().gather(order)))
        return ErrorReference.of(found, days=days if len(np.unique(days)) > 1 else None), ""
    except ValueError as error:
        return None, f"the errors of version {manifest.shown} at its training cannot be compared with: {error}"


def _alarms(
    config: PipelineConfig, named: str, reference: ErrorReference | None, watched: pl.DataFrame, seed: int
) -> tuple[ConceptAlarm, ...]:
    if reference is None:
        return ()
    found = make_detector(named, reference, run_length=config.drift.run_length, seed=seed).alarms(losses(watched))
    known, asked = watched[KNOWN].to_list(), watched[ASKED].to_list()
    return tuple(
        ConceptAlarm(
            labels=one.index + 1,
            published_day=day_of(known[one.index]),
            asked_day=day_of(asked[one.index]),
            since_day=None if one.since is None or one.since < 0 else day_of(known[one.since]),
            mean=one.mean,
        )
        for one in found
    )


def _days(usable: pl.DataFrame, design: float) -> tuple[ConceptDay, ...]:
    found: list[ConceptDay] = []
    days = usable.with_columns(pl.col(ASKED).floordiv(DAY_US).alias("#day"))
    for number in days["#day"].unique().sort().to_list():
        rows = days.filter(pl.col("#day") == number)
        labelled = rows.filter(pl.col(STATE) == State.LABELLED)
        waiting = rows.filter(pl.col(STATE).is_in([State.WAITING, State.OVERDUE]))
        found.append(
            ConceptDay(
                day=day_of(number * DAY_US),
                answers=rows.height,
                labels=labelled.height,
                loss=_mean(losses(labelled)),
                misses=how_wrong(labelled["probability"], _truth(labelled), design=design) if labelled.height else None,
                unlabelled=estimate(waiting["probability"], design=design) if waiting.height else None,
            )
        )
    return tuple(found)


def _over(config: PipelineConfig, outcomes: str, now: datetime | None) -> int:
    """Return the midnight up to which days are over in every partition of the outcomes."""
    now_us = round((now or datetime.now(UTC)).timestamp() * _SECOND)
    policy = config.drift
    mark = watermark(places(config, outcomes), now_us, round(policy.idle_after_seconds * _SECOND))
    late_us = round(policy.lateness_hours * 3600 * _SECOND)
    return 0 if mark is None else (mark - late_us) // DAY_US * DAY_US


def _truth(frame: pl.DataFrame) -> NDArray[np.float64]:
    found: NDArray[np.float64] = frame[LABEL].cast(pl.Float64).to_numpy()
    return found


def _mean(errors: NDArray[np.float64]) -> float | None:
    return float(errors.mean()) if len(errors) else None


def _why_not(answers: int, labels: int, watched: int) -> str:
    if not answers:
        return "none of its answers landed"
    if not labels:
        return f"no label came yet for its {count(answers, 'answer')}"
    return "" if watched else "no day on which labels came is over yet"


def _notices(unusable: int) -> tuple[str, ...]:
    return (f"{count(unusable, 'answer')} without a probability; they are left out",) if unusable else ()


__all__ = ["ConceptAlarm", "ConceptDay", "ConceptReport", "concept", "losses", "watched_model"]
