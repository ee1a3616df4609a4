"""What a model version's page says first: how good it is, on rows that nothing was fitted to."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ray_pipeline.model.manifest import ModelManifest
from ray_pipeline.model.metrics import Measure, Metrics

from .model_drawings import percent


def judged_split(manifest: ModelManifest, metrics: Mapping[str, Metrics]) -> str | None:
    """Return the split that the version is judged by: the one that nothing was fitted to."""
    splits = manifest.spec.get("splits")
    named = splits.get("test") if isinstance(splits, Mapping) else None
    return named if named in metrics else next(reversed(list(metrics)), None)


def headline(metrics: Metrics | None) -> str:
    """Say what the highest probabilities were worth."""
    if metrics is None or not metrics.curve:
        return "How good it is was not measured."
    top = max(metrics.curve, key=lambda one: one.said)
    true = round(top.true * 100)
    return f"Of 100 questions that it calls {percent(top.said, 0)} likely, {true} came true."


def remark(split: str | None, metrics: Metrics | None) -> str:
    """Say how well it tells the likely from the unlikely, and on how much that rests."""
    if metrics is None or split is None:
        return ""
    rest = f"on {metrics.rows:,} rows of split {split}, {percent(metrics.base_rate.value)} of which came true"
    if metrics.auc.value is None:
        return f"Its AUC is not known {rest}: labels are of one kind."
    return f"AUC {measure_words(metrics.auc)} {rest}; 0.5 would be guessing. {gain_words(metrics)}".rstrip()


def tone(metrics: Metrics | None) -> str:
    """Return ``ok``; ``warn`` where chance is not ruled out, or the base rate says as much; else ``dim``."""
    if metrics is None or metrics.auc.value is None:
        return "dim"
    low = metrics.auc.low if metrics.auc.low is not None else metrics.auc.value
    found = gain(metrics)
    return "ok" if low > 0.5 and found is not None and found > 0 else "warn"


def gain(metrics: Metrics) -> float | None:
    """Return by which share its log loss is below that of always saying the base rate.

    None where the base rate is 0, 1 or unknown.
    """
    rate, loss = metrics.base_rate.value, metrics.log_loss.value
    if rate is None or loss is None or not 0 < rate < 1:
        return None
    return 1 - loss / -(rate * math.log(rate) + (1 - rate) * math.log1p(-rate))


def gain_words(metrics: Metrics) -> str:
    """Say what :func:`gain` found."""
    found, rate = gain(metrics), percent(metrics.base_rate.value)
    if found is None:
        return ""
    if found <= 0:
        return f"Always saying {rate} would have been as good or better (log loss)."
    return f"Its log loss is {percent(found)} below that of always saying {rate}."


def measure_words(found: Measure, places: int = 3) -> str:
    """Return a metric with its interval, where it has one.

    >>> measure_words(Measure(0.6536, 0.594, 0.7264)), measure_words(Measure(None)), measure_words(Measure(0.5))
    ('0.654 (0.594 to 0.726)', '–', '0.500')
    """
    if found.value is None:
        return "–"
    return f"{found.value:.{places}f}" + (f" ({span})" if (span := interval_words(found, places)) else "")


def interval_words(found: Measure, places: int = 3) -> str:
    """Return a metric's interval, or nothing."""
    if found.low is None or found.high is None:
        return ""
    return f"{found.low:.{places}f} to {found.high:.{places}f}".replace("-", "−")
