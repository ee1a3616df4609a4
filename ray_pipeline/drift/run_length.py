"""How far errors must go before it is an alarm, so that without drift alarms are as rare as was asked.

A drift is looked for at several sizes at once. Each size is the reference's own distribution, tilted exponentially
until its mean is so much greater: for 0/1 errors that is just another rate, and the likelihood ratio is exact.
Thresholds come from simulating what :mod:`.cusum` does on streams that follow the reference, each with a true mean
that the reference's rows leave possible: one for a mean known exactly would cry wolf at every lucky reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .error_reference import ErrorReference
from .values import Floats, Ints

ONE = 2.0**32
"""Log likelihood ratios are whole multiples of 1/ONE: sums of integers do not depend on how they are split."""
SIZES = 8
"""Of drift, from one that a run length barely shows to one that three rows show."""
STREAMS = 400
_BELOW = float(np.exp(-1) + 1.645 * np.sqrt(np.exp(-1) * (1 - np.exp(-1)) / STREAMS))
"""The share of streams without an alarm: 1/e for runs of that length on average, and what luck simulation may have."""
_LONGEST = 20_000
_SHORTEST = 20
_AT_ONCE = 32_768


@dataclass(frozen=True, eq=False, slots=True)
class Tuning:
    """What the detector adds up, and until when."""

    low: float
    """Errors below count as this one …"""
    high: float
    """… and errors above as this one."""
    slopes: Floats
    """For each size of drift: what an error adds per unit of it …"""
    offsets: Floats
    """… and what each label takes away."""
    means: Floats
    """The mean error after a drift of this size."""
    thresholds: Ints


@lru_cache(maxsize=64)
def tune(reference: ErrorReference, run_length: float, seed: int, both: bool) -> Tuning:
    """Return the tuning for which alarms without drift come once in ``run_length`` labels."""
    values, weights = reference.support()
    labels = max(run_length / reference.design, float(_SHORTEST))
    means = _sizes(reference, values, weights, labels, both)
    slopes, offsets = _tilts(values, weights, means)
    steps = np.rint((slopes[:, None] * values - offsets[:, None]) * ONE).astype(np.int64)
    length = int(min(labels, _LONGEST))
    peaks = _peaks(reference, values, weights, steps, length, np.random.default_rng(seed))
    thresholds = _thresholds(peaks[-1])
    if labels > length:  # the tail of a maximum of likelihood ratios: run lengths grow with e to the threshold
        slope = (thresholds - _thresholds(peaks[0])) / np.log(length / (length // 8))
        thresholds = thresholds + np.maximum(slope, ONE) * np.log(labels / length)
    thresholds = np.maximum(
        thresholds, 1
    )  # where most streams have no error at all, the first one is an alarm: not none
    return Tuning(float(values[0]), float(values[-1]), slopes, offsets, means, np.ceil(thresholds).astype(np.int64))


def excursion(level: int, steps: Ints) -> Ints:
    """Return the sums of steps along the last axis, which start again at zero when they fall below it (Page 1954)."""
    sums = np.cumsum(steps, axis=-1)
    sums += level
    lowest = np.minimum.accumulate(sums, axis=-1)
    np.minimum(lowest, 0, out=lowest)
    sums -= lowest
    return sums


def _sizes(reference: ErrorReference, values: Floats, weights: Floats, labels: float, both: bool) -> Floats:
    """Return the means after drift that are looked for.

    The least is what some ``labels`` show, and four standard errors of the reference's mean: below, it is more likely
    that the reference is wrong than that the world has changed.
    """
    mean = float(weights @ values)
    spread = float(np.sqrt(weights @ (values - mean) ** 2))
    least = spread * max(2 * np.sqrt(2 * np.log(labels) / labels), 4 / np.sqrt(reference.effective_rows))
    found = [_between(mean, least, float(values[-1]))]
    if both:
        found.append(_between(mean, -least, float(values[0])))
    return np.concatenate(found)


def _between(mean: float, least: float, end: float) -> Floats:
    room = end - mean
    most = 0.6 * room
    first = least if abs(least) < abs(most) / 2 else most / 2
    return mean + np.geomspace(first, most, SIZES)


def _tilts(values: Floats, weights: Floats, means: Floats) -> tuple[Floats, Floats]:
    """Return the exponential tilts that give the distribution these means: slopes, and logarithms of their norms."""
    low, width = values[0], values[-1] - values[0]
    unit = (values - low) / width
    wanted = np.clip((means - low) / width, 1e-6, 1 - 1e-6)
    below, above = np.full(len(means), -1e3), np.full(len(means), 1e3)
    for _ in range(60):
        middle = (below + above) / 2
        tilted = weights * np.exp(middle[:, None] * unit - np.maximum(middle, 0)[:, None])
        less = (tilted @ unit) < wanted * tilted.sum(axis=1)
        below, above = np.where(less, middle, below), np.where(less, above, middle)
    slopes = (below + above) / 2
    norms = np.log(np.exp(slopes[:, None] * unit - np.maximum(slopes, 0)[:, None]) @ weights) + np.maximum(slopes, 0)
    return slopes / width, norms + slopes / width * low


def _peaks(
    reference: ErrorReference, values: Floats, weights: Floats, steps: Ints, length: int, rng: np.random.Generator
) -> Ints:
    """Return the highest excursion of each stream and size, after an eighth of the length and after all of it."""
    found = np.empty((2, STREAMS, len(steps)), dtype=np.int64)
    shares, few = _possible(reference, values, weights, rng), max(1, _AT_ONCE // length)
    for first in range(0, STREAMS, few):
        drawn = np.stack(
            [np.searchsorted(one[:-1], rng.random(length), side="right") for one in shares[first : first + few]]
        )
        for size, step in enumerate(steps):
            path = excursion(0, step[drawn])
            found[0, first : first + few, size] = path[:, : length // 8].max(axis=1)
            found[1, first : first + few, size] = path.max(axis=1)
    return found


def _possible(reference: ErrorReference, values: Floats, weights: Floats, rng: np.random.Generator) -> Floats:
    """Return cumulated probabilities for streams whose true means the reference does not rule out."""
    rows = reference.effective_rows
    if reference.binary:
        ones = weights[1] * (rows + 1)
        rates = np.clip(rng.beta(ones, rows + 1 - ones, STREAMS), 1e-9, 1 - 1e-9)
        return np.stack([1 - rates, np.ones(STREAMS)], axis=1)
    errors = np.sqrt(reference.variance / rows) * rng.standard_t(max(rows - 1, 1.0), STREAMS)
    slopes, offsets = _tilts(values, weights, reference.mean + errors)
    tilted = weights * np.exp(slopes[:, None] * values - offsets[:, None])
    shares: Floats = np.cumsum(tilted, axis=1) / tilted.sum(axis=1)[:, None]
    return shares


def _thresholds(peaks: Ints) -> Floats:
    """Return thresholds that 1/e of all streams stay below: then a run has so many labels on average, or more.

    Each size alone is given the same run length, then all are raised by as much as their being several needs.
    """
    alone = np.quantile(peaks, _BELOW, axis=0)
    thresholds: Floats = alone + np.quantile((peaks - alone).max(axis=1), _BELOW)
    return thresholds
