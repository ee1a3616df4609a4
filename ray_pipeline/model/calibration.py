"""From what an estimator says to a probability: a few numbers, kept as JSON in the manifest.

It is no part of the model file: scikit-learn's own wrapper around one estimator takes longer than the estimator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EDGE = 1e-15
"""Nearer to 0 and 1 no probability is told apart: its logit would be infinite."""


@dataclass(frozen=True, slots=True)
class Calibrator:
    """A monotone map of probabilities.

    >>> Calibrator("sigmoid", slope=1.0, intercept=0.0).apply(np.array([0.25]))
    array([0.25])
    """

    kind: str = "none"
    """``sigmoid``, ``isotonic`` or ``none``."""
    slope: float = 1.0
    intercept: float = 0.0
    """Of a sigmoid, on the logit of the probability."""
    points: tuple[tuple[float, float], ...] = ()
    """Of an isotonic map, ascending: what was said, and what came true; straight lines between."""

    def apply(self, said: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probabilities."""
        if self.kind == "sigmoid":
            turned = self.slope * _logit(said) + self.intercept
            with np.errstate(over="ignore"):
                found: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-turned))
            return found
        if self.kind == "isotonic":
            at = np.asarray(self.points, dtype=np.float64)
            return np.interp(said, at[:, 0], at[:, 1])
        return said

    def to_json(self) -> dict[str, Any]:
        """Return the calibrator as :meth:`from_json` reads it."""
        if self.kind == "sigmoid":
            return {"kind": self.kind, "slope": self.slope, "intercept": self.intercept}
        if self.kind == "isotonic":
            return {"kind": self.kind, "points": [list(point) for point in self.points]}
        return {"kind": self.kind}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Calibrator:
        """Read a calibrator; ``ValueError`` where it is none."""
        try:
            kind = found["kind"]
            if kind == "sigmoid":
                read = cls(kind, float(found["slope"]), float(found["intercept"]))
            elif kind == "isotonic":
                read = cls(kind, points=tuple((float(said), float(true)) for said, true in found["points"]))
            elif kind == "none":
                read = cls()
            else:
                raise ValueError(f"is of kind {kind!r}")  # noqa: TRY301
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"is no calibrator ({type(error).__name__}: {error})") from None
        return read._checked()

    def _checked(self) -> Calibrator:
        at = np.asarray(self.points or [(0.0, 0.0)], dtype=np.float64)
        whole = np.isfinite([self.slope, self.intercept]).all() and np.isfinite(at).all()
        if not whole or (self.kind == "isotonic" and not self.points):
            raise ValueError("is no calibrator: numbers are missing or not finite")
        if (np.diff(at, axis=0) < 0).any() or at[:, 1].min() < 0 or at[:, 1].max() > 1:
            raise ValueError("is no calibrator: its points do not ascend, or are no probabilities")
        return self


def fit_calibrator(kind: str, said: NDArray[np.float64], labels: NDArray[np.bool_]) -> Calibrator:
    """Fit a calibrator of a kind to rows that the estimator has not seen; both labels are among them."""
    if kind == "sigmoid":
        from sklearn.linear_model import LogisticRegression

        # Hardly any penalty: enough for an end where the two labels can be told apart completely.
        fitted = LogisticRegression(C=1e6, max_iter=1000).fit(_logit(said).reshape(-1, 1), labels.astype(np.int64))
        return Calibrator(kind, float(fitted.coef_[0, 0]), float(fitted.intercept_[0]))
    if kind == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        curve = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(said, labels.astype(np.float64))
        return Calibrator(
            kind, points=tuple(zip(curve.X_thresholds_.tolist(), curve.y_thresholds_.tolist(), strict=True))
        )
    return Calibrator()


def _logit(said: NDArray[np.float64]) -> NDArray[np.float64]:
    inner = np.clip(said, _EDGE, 1 - _EDGE)
    found: NDArray[np.float64] = np.log(inner / (1 - inner))
    return found
