"""river's drift detectors, by their dotted path: for who trusts one of them more, or wants to compare.

They know no reference and are told none: they compare recent errors with earlier ones. So ``run_length`` says nothing
to them; they are tuned by their own options. Most of them also alarm where errors become fewer.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from ray_pipeline.errors import UsageError

from .cusum import Alarm
from .error_reference import ErrorReference, checked_errors


class RiverDetector:
    """One of river's detectors, fed label by label; after an alarm it starts again, as river does it."""

    def __init__(self, path: str, reference: ErrorReference, options: Mapping[str, Any] | None = None) -> None:
        self._path = path
        self._class, self._binary = _detector_class(path)
        if self._binary and not reference.binary:
            raise UsageError(f"{path} takes errors of 0 and 1, and the reference's are others; use river.drift.ADWIN")
        self._options = dict(options or {})
        self.reset()

    def reset(self) -> None:
        """Forget all errors."""
        try:
            self._detector = self._class(**self._options)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{self._path} does not take the options {self._options}: {error}") from None

    def update(self, errors: Any) -> int | None:
        """Take the next errors; return the index of the first alarm among them."""
        found = self.alarms(errors)
        return found[0].index if found else None

    def alarms(self, errors: Any) -> tuple[Alarm, ...]:
        """Take the next errors; return every alarm among them."""
        checked = checked_errors(errors)
        wrong = ~np.isin(checked, (0.0, 1.0)) if self._binary else ~np.isfinite(checked)
        if wrong.any():
            needed = "0 or 1" if self._binary else "finite"
            raise ValueError(f"errors[{int(wrong.argmax())}] is not {needed}, as {self._path} needs it")
        detector, found = self._detector, []
        for index, error in enumerate(checked.tolist()):
            detector.update(bool(error) if self._binary else error)
            if detector.drift_detected:
                found.append(Alarm(index))
        return tuple(found)


def _detector_class(path: str) -> tuple[type[Any], bool]:
    """Return the class, and whether it takes errors of 0 and 1 only."""
    module, _, name = path.rpartition(".")
    try:
        base = import_module("river.base")
    except ImportError as error:
        raise UsageError(
            f"the detector {path} comes with the package river, which cannot be imported ({error}); "
            "run `pip install 'ray-pipeline[river]'`, or choose the detector `cusum`"
        ) from None
    try:
        found = getattr(import_module(module), name, None) if module.partition(".")[0] == "river" else None
    except ImportError:
        found = None
    kinds = (base.DriftDetector, base.DriftAndWarningDetector)
    binary = (base.BinaryDriftDetector, base.BinaryDriftAndWarningDetector)
    if not isinstance(found, type) or not issubclass(found, kinds + binary):
        raise UsageError(
            f"{path} is no drift detector of river; name one by its path, as river.drift.ADWIN, "
            "river.drift.PageHinkley or river.drift.binary.DDM, or choose `cusum`"
        )
    return found, issubclass(found, binary)
