"""What a model rests on: by how much its AUC falls where a column is shuffled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ray_pipeline.model.ranking import Ranking

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ray_pipeline.model.fitted import FittedModel

REPEATS = 5
MAX_ROWS = 5_000
"""Of more rows, so many are drawn."""


@dataclass(frozen=True, slots=True)
class Importance:
    """One column's part. Of two columns that say the same, each seems to matter little."""

    name: str
    drop: float
    """Of the AUC, on average over the shuffles."""
    low: float
    high: float
    """The smallest and the largest drop of the shuffles."""

    def to_json(self) -> dict[str, Any]:
        """Return it as the manifest has it."""
        return asdict(self)


def importance(
    model: FittedModel, rows: NDArray[np.float64], labels: NDArray[np.bool_], seed: int, repeats: int = REPEATS
) -> tuple[Importance, ...]:
    """Return every column's importance, the largest first; none where the rows are of one class."""
    random = np.random.default_rng(seed)
    if len(rows) > MAX_ROWS:
        chosen = np.sort(random.choice(len(rows), MAX_ROWS, replace=False))
        rows, labels = rows[chosen], labels[chosen]
    whole = Ranking(labels, model.predict(rows)).auc()
    if whole is None:
        return ()
    orders = [random.permutation(len(rows)) for _ in range(repeats)]
    found = [_of(model, rows, labels, place, orders, whole) for place in range(rows.shape[1])]
    named = [Importance(column.name, *drops) for column, drops in zip(model.columns, found, strict=True)]
    return tuple(sorted(named, key=lambda one: (-one.drop, one.name)))


def _of(
    model: FittedModel,
    rows: NDArray[np.float64],
    labels: NDArray[np.bool_],
    place: int,
    orders: Sequence[NDArray[np.int64]],
    whole: float,
) -> tuple[float, float, float]:
    shuffled = rows.copy()
    drops = []
    for order in orders:
        shuffled[:, place] = rows[order, place]
        drops.append(whole - (Ranking(labels, model.predict(shuffled)).auc() or 0.0))
    return float(np.mean(drops)), min(drops), max(drops)
