"""What is watched, and when it counts as drift: the ``drift`` section of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Family(StrEnum):
    """How the columns of one window share the false-alarm budget."""

    MAX = "max"
    """The greatest of all columns' statistics, against the greatest of each of the baseline's own windows."""
    BH = "bh"
    """Each column by itself, then Benjamini and Hochberg's correction."""


class Same(StrEnum):
    """Which days of the baseline a window is compared with."""

    ALL = "all"
    WEEKDAY = "weekday"
    """Those of the window's own weekdays: for windows shorter than a week."""


class DriftConfig(BaseModel):
    """When a window of a dataset is called different from its baseline."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    alpha: float = Field(default=0.05, gt=0, lt=1)
    """The budget of false alarms: the share of windows without drift that may be called different."""
    min_effect: float = Field(default=0.1, ge=0, le=1)
    """A difference counts from this Jensen-Shannon distance (base 2; 0 equal, 1 disjoint)."""
    windows: tuple[int, int] = (2, 3)
    """``[k, n]``: an alarm needs k of the last n windows."""
    window_days: int = Field(default=7, ge=1, le=366)
    """How many event days (UTC) a window has."""
    min_rows: int = Field(default=500, ge=1)
    """A window with fewer rows says nothing."""
    min_blocks: int = Field(default=10, ge=4)
    """A baseline of fewer days says nothing of what is usual."""
    family: Family = Family.MAX
    """How columns share the budget: ``max``, the greatest of them all; ``bh``, each by itself, then corrected."""
    same: Same = Same.ALL
    """Which of the baseline's days a window is compared with: ``all``, or those of its own weekdays, ``weekday``."""
    lateness_hours: float = Field(default=24.0, ge=0, le=876_000)
    """A window closes when event time has passed its end by so much; rows that come later are counted as late."""
    idle_after_seconds: float = Field(default=3600.0, gt=0, le=3_153_600_000)
    """A partition without a commit for so long holds no window open."""
    without: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """Dataset → columns that are not watched, as those whose values are new each day."""
    detector: str = Field(default="cusum", min_length=1)
    """What watches the errors: ``cusum``, or one of river's by its dotted path, as ``river.drift.ADWIN``."""
    run_length: float = Field(default=10_000.0, ge=100, le=1e12)
    """Labels between two false alarms of ``cusum``, on average."""

    @field_validator("windows")
    @classmethod
    def _k_of_n(cls, windows: tuple[int, int]) -> tuple[int, int]:
        k, n = windows
        if not 1 <= k <= n:
            raise ValueError(f"an alarm needs k of the last n windows, 1 <= k <= n: [{k}, {n}] can never be")
        return windows
