"""Detectors that read a model's errors label by label and say when there are too many: what they all do, and which.

>>> import numpy as np
>>> detector = make_detector("cusum", ErrorReference(0.2, 0.16, rows=20_000), run_length=10_000)
>>> detector.update(np.zeros(100)) is None
True
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ray_pipeline.errors import UsageError

from .cusum import Alarm, Cusum
from .error_reference import ErrorReference, checked_errors

__all__ = ["Alarm", "Cusum", "Detector", "Dummy", "ErrorReference", "make_detector"]


class Detector(Protocol):
    """Takes errors in batches; the batches' borders change nothing. After an alarm it starts again."""

    def update(self, errors: Any) -> int | None:
        """Take the next errors; return the index of the first alarm among them. ``ValueError`` at what is no error."""

    def alarms(self, errors: Any) -> tuple[Alarm, ...]:
        """Take the next errors; return every alarm among them."""

    def reset(self) -> None:
        """Forget all errors."""


class Dummy:
    """Alarms every ``run_length`` labels, whatever they are: what any detector has to beat."""

    def __init__(self, run_length: float) -> None:
        self._every = max(1, round(run_length))
        self.reset()

    def reset(self) -> None:
        """Start counting again."""
        self._seen = 0

    def update(self, errors: Any) -> int | None:
        """Take the next errors; return the index of the first alarm among them."""
        found = self.alarms(errors)
        return found[0].index if found else None

    def alarms(self, errors: Any) -> tuple[Alarm, ...]:
        """Take the next errors; return every alarm among them."""
        labels = len(checked_errors(errors))
        first = self._every - self._seen - 1
        self._seen = (self._seen + labels) % self._every
        return tuple(Alarm(index) for index in range(first, labels, self._every))


def make_detector(
    name: str,
    reference: ErrorReference,
    *,
    run_length: float,
    seed: int = 0,
    both: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Detector:
    """Return a detector by name: ``cusum``, ``dummy``, or one of river's by its dotted path.

    ``run_length`` is for the first two, in labels; ``both`` for ``cusum`` (alarm at fewer errors as well); ``options``
    are those of a detector of river.
    """
    if not run_length >= 1:
        raise UsageError(f"a run length is a number of labels, and {run_length:g} is none")
    if name == "cusum":
        return Cusum(reference, run_length=run_length, seed=seed, both=both)
    if name == "dummy":
        return Dummy(run_length)
    if not name.startswith("river."):
        raise UsageError(f"there is no detector {name}; there are cusum, dummy, and river's, as river.drift.ADWIN")
    from .river_detectors import RiverDetector

    return RiverDetector(name, reference, options)
