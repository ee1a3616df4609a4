"""The area under the ROC curve of one ranking, for any weights of its rows: sorted once, counted often."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Ranking:
    """For each true row, how many false ones rank below it; of those that rank with it, half. For one thread.

    >>> Ranking(np.array([False, True, True]), np.array([0.1, 0.1, 0.7])).auc()
    0.75
    """

    def __init__(
        self,
        labels: NDArray[np.bool_],
        probabilities: NDArray[np.float64],
        blocks: NDArray[np.intp] | None = None,
    ) -> None:
        own = np.arange(len(labels)) if blocks is None else blocks
        true, false = probabilities[labels], probabilities[~labels]
        order = np.argsort(false, kind="stable")
        self._false, self._true = own[~labels][order], own[labels]
        self._below = np.searchsorted(false[order], true, side="left")
        up_to = np.searchsorted(false[order], true, side="right")
        self._up_to = None if np.array_equal(up_to, self._below) else up_to
        self._blocks = int(own.max()) + 1 if len(own) else 0
        # Memory for all counts: asking for large pieces anew each time takes longer than the counting.
        self._weights, self._counts = np.empty(len(false)), np.zeros(len(false) + 1)
        self._hits, self._ranks = np.empty(len(true)), np.empty(len(true))

    def auc(self, weights: NDArray[np.float64] | None = None) -> float | None:
        """Return the share of pairs (true, false) that are in the right order, ties by half; None without pairs.

        ``weights`` are those of the blocks, or of the rows where no blocks were named.
        """
        over = np.ones(self._blocks) if weights is None else weights
        hits = np.take(over, self._true, out=self._hits, mode="clip")
        np.cumsum(np.take(over, self._false, out=self._weights, mode="clip"), out=self._counts[1:])
        pairs = float(hits.sum()) * float(self._counts[-1])
        if not pairs > 0:
            return None
        right = float(hits @ np.take(self._counts, self._below, out=self._ranks, mode="clip"))
        if self._up_to is not None:
            right = (right + float(hits @ np.take(self._counts, self._up_to, out=self._ranks, mode="clip"))) / 2
        return right / pairs
