"""Streams of errors with a drift at a known label: river's generators, and real sets with swapped labels.

Each has a model that is fitted before the drift and then stays. What a stream is made of comes from its seed: the rows,
the model's training, its held-out errors, the errors before the drift and after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Pair = tuple[Floats, Floats]

TRAINED, POOL = 3_000, 9_000
HELD_OUT = 4_000


@dataclass(frozen=True)
class Errors:
    """One model's errors on rows that it was not fitted to, before the drift and after it."""

    before: Floats
    after: Floats


@dataclass(frozen=True)
class Stream:
    """What a detector sees: first the held-out errors, then those before the drift, then those after it."""

    held_out: Floats
    before: Floats
    after: Floats


def _rows(generator: Iterable[Any], count: int) -> Pair:
    taken = list(islice(iter(generator), count))
    return np.array([list(x.values()) for x, _ in taken], dtype=float), np.array([y for _, y in taken], dtype=float)


def _model(x: Floats, y: Floats, seed: int, regression: bool = False) -> Any:
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeRegressor if regression else DecisionTreeClassifier
    return kind(min_samples_leaf=10, random_state=seed).fit(x, y)


def _generated(before: Callable[[int], Any], after: Callable[[int], Any]) -> Callable[[int], Errors]:
    def errors(seed: int) -> Errors:
        x, y = _rows(before(seed), TRAINED + POOL)
        new_x, new_y = _rows(after(seed + 500), POOL)
        model = _model(x[:TRAINED], y[:TRAINED], seed)
        return Errors(
            (model.predict(x[TRAINED:]) != y[TRAINED:]).astype(float), (model.predict(new_x) != new_y).astype(float)
        )

    return errors


def sea(seed: int) -> Errors:
    from river.datasets import synth

    return _generated(lambda s: synth.SEA(0, noise=0.1, seed=s), lambda s: synth.SEA(3, noise=0.1, seed=s))(seed)


def agrawal(seed: int) -> Errors:
    from river.datasets import synth

    return _generated(
        lambda s: synth.Agrawal(0, perturbation=0.05, seed=s), lambda s: synth.Agrawal(1, perturbation=0.05, seed=s)
    )(seed)


def stagger(seed: int) -> Errors:
    """STAGGER without noise is learnt without an error, so a tenth of all labels is turned round."""
    from river.datasets import synth

    clean = _generated(lambda s: synth.STAGGER(0, seed=s), lambda s: synth.STAGGER(1, seed=s))(seed)
    rng = np.random.default_rng(seed)
    return Errors(*(np.abs(part - (rng.random(len(part)) < 0.1)) for part in (clean.before, clean.after)))


def friedman(seed: int) -> Errors:
    """The drift in two corners of the space, in its last stage; errors are distances."""
    from river.datasets import synth

    x, y = _rows(synth.Friedman(seed=seed), TRAINED + POOL)
    new_x, new_y = _rows(synth.FriedmanDrift("lea", position=(0, 1, 2), seed=seed + 500), POOL)
    model = _model(x[:TRAINED], y[:TRAINED], seed, regression=True)
    return Errors(np.abs(model.predict(x[TRAINED:]) - y[TRAINED:]), np.abs(model.predict(new_x) - new_y))


def breast_cancer(seed: int) -> Errors:
    """A tenth of all labels is swapped from the drift on."""
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    return _swapped(x, y, seed, lambda true, rng: np.where(rng.random(len(true)) < 0.1, 1 - true, true))


def digits(seed: int) -> Errors:
    """Threes are called eights from the drift on, and eights threes."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return _swapped(x, y, seed, lambda true, _: np.where(true == 3, 8, np.where(true == 8, 3, true)))


def _swapped(x: Floats, y: Floats, seed: int, swap: Callable[[Floats, np.random.Generator], Floats]) -> Errors:
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(x))
    fit, rest = order[: len(x) // 2], order[len(x) // 2 :]
    said = _model(x[fit], y[fit], seed).predict(x[rest])
    return Errors((said != y[rest]).astype(float), (said != swap(y[rest], rng)).astype(float))


KINDS: dict[str, Callable[[int], Errors]] = {
    "SEA": sea,
    "AGRAWAL": agrawal,
    "STAGGER": stagger,
    "Friedman": friedman,
    "breast_cancer": breast_cancer,
    "digits": digits,
}


def streams(kind: str, seeds: Iterable[int], each: int, before: int, after: int) -> list[Stream]:
    """Return ``each`` streams of every seed's model; its rows are drawn with replacement, so none depend on others."""
    found = []
    for seed in seeds:
        errors = KINDS[kind](seed)
        rng = np.random.default_rng([seed, 1])
        for _ in range(each):
            parts = [(errors.before, HELD_OUT), (errors.before, before), (errors.after, after)]
            found.append(Stream(*(rng.choice(pool, size) for pool, size in parts)))
    return found
