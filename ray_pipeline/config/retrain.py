"""When a model is trained again, and when the new one replaces it: the ``retrain`` section of the configuration."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST_DAYS = 36_500
"""A hundred years."""


class Arming(StrEnum):
    """What may start a training."""

    LABELS = "labels"
    """The champion's loss on labelled answers, with its error."""
    ESTIMATE = "estimate"
    """Its loss estimated from its calibrated scores, with its error."""
    DETECTOR = "detector"
    """The sequential detector on its errors."""
    DEADLINE = "deadline"
    """So many days after the last promotion."""
    DRIFT = "drift"
    """An alarm of data drift. Not among the defaults: inputs that moved are no loss."""


class RetrainConfig(BaseModel):
    """The policy of the loop. All times are event time: the moments that the data itself speaks of."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    spec: Path | None = None
    """The model spec that is trained again, as ``train`` takes it. Left out: nothing is retrained."""
    arming: tuple[Arming, ...] = (Arming.LABELS, Arming.ESTIMATE, Arming.DEADLINE)
    """Which signals may start a training: ``labels``, ``estimate``, ``detector``, ``deadline``, ``drift``."""
    arm_loss: float = Field(default=0.02, gt=0)
    """A signal arms where the low end of the log loss, less the champion's own, is above this …"""
    disarm_loss: float = Field(default=0.01, ge=0)
    """… and stays armed until the loss itself is below that by less than this (hysteresis)."""
    deadline_days: float = Field(default=60.0, gt=0, le=MOST_DAYS)
    """At the latest so many days after the last promotion or refusal a challenger is trained."""
    cooldown_days: float = Field(default=14.0, ge=0, le=MOST_DAYS)
    """No training begins within so many days after the one before."""
    weekly_budget: int = Field(default=1, ge=0)
    """Trainings in any seven days."""
    min_new_labels: int = Field(default=5000, ge=0)
    """Labels that came since the champion was trained, at least."""
    judge_days: float = Field(default=14.0, ge=4, le=MOST_DAYS)  # five calendar days are needed to judge by
    """The last days w before T, on which both are judged; the challenger has not seen their labels."""
    history_days: float = Field(default=365.0, gt=0, le=MOST_DAYS)
    """How far back a challenger's training set reaches, at most."""
    calibrate_days: float = Field(default=7.0, gt=0, le=MOST_DAYS)
    """The last days of the training set, on which the challenger is calibrated."""
    level: float = Field(default=0.95, gt=0.5, lt=1)
    """A challenger wins where its log loss is below the champion's by this one-sided confidence, over days."""
    resamples: int = Field(default=1000, ge=100)
    """Of the paired bootstrap over days."""
    min_judged: int = Field(default=1000, ge=1)
    """Flights that both are judged on, at least."""
    watch_days: float = Field(default=14.0, gt=0, le=MOST_DAYS)
    """After a promotion the one before still answers beside it, for the comparison; a loss rolls back."""
    timeout_seconds: float = Field(default=1800.0, gt=0, le=31_536_000)
    """A training that takes longer is stopped."""
    lease_seconds: float = Field(default=3600.0, ge=1, le=31_536_000)
    """Who holds the lease and says nothing for so long has lost it."""

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if self.disarm_loss > self.arm_loss:
            both = f"disarm_loss ({self.disarm_loss:g}) is above arm_loss ({self.arm_loss:g})"
            raise ValueError(f"{both}: what armed would be disarmed at once")
        if self.spec is not None and self.history_days <= self.judge_days + self.calibrate_days:
            held = f"judge_days ({self.judge_days:g}) and calibrate_days ({self.calibrate_days:g})"
            raise ValueError(f"history_days ({self.history_days:g}) must be more than {held}: nothing is left to fit")
        return self
