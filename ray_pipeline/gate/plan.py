"""What becomes of a day's files, from what its checks say. Pure.

An error check that failed on the day, that is pending, or that could not be judged holds the day's rows back. One that
failed on rows, and asks for quarantine, sets exactly its flagged rows aside. What was published stays published: only
new and held files are decided on. A person's release lets through what was held; rows that came since are judged.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ray_pipeline.lake.entries import DataFile
from ray_pipeline.sla.measure import Array
from ray_pipeline.sla.result import CheckResult, Disposition, Verdict

UNREADABLE = "unreadable file"
"""Stands among the reasons of a day where a check's id would."""


class Action(StrEnum):
    """What happens to one landed file."""

    AS_IS = "as is"
    """It joins the table untouched."""
    REWRITE = "rewrite"
    """Its kept rows join the table as a new file, its dropped rows the quarantine."""
    HOLD = "hold"


@dataclass(frozen=True, slots=True, eq=False)
class Drop:
    """Rows of one file that one check sets aside, and why."""

    check: str
    dimension: str | None
    message: str
    """For people; never a value of a row."""
    positions: Array
    """Row numbers, ascending, int64."""


@dataclass(frozen=True, slots=True, eq=False)
class FilePlan:
    """What happens to one landed file."""

    file: DataFile
    action: Action
    drops: tuple[Drop, ...] = ()
    was_held: bool = False

    @property
    def dropped(self) -> Array:
        """The numbers of the rows that go to quarantine, each once, ascending."""
        parts = [drop.positions for drop in self.drops]
        return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64)

    @property
    def held(self) -> int:
        return self.file.rows if self.action is Action.HOLD else 0

    @property
    def quarantined(self) -> int:
        return len(self.dropped)

    @property
    def published(self) -> int:
        return self.file.rows - self.held - self.quarantined


@dataclass(frozen=True, slots=True, eq=False)
class DayPlan:
    """What happens to the new and the held files of one day."""

    day: str
    disposition: Disposition
    reasons: tuple[str, ...]
    """Ids of the checks that hold rows back."""
    files: tuple[FilePlan, ...]

    @property
    def new(self) -> int:
        """Rows that are decided on for the first time."""
        return sum(plan.file.rows for plan in self.files if not plan.was_held)

    @property
    def published(self) -> int:
        return sum(plan.published for plan in self.files)

    @property
    def quarantined(self) -> int:
        return sum(plan.quarantined for plan in self.files)

    @property
    def held(self) -> int:
        return sum(plan.held for plan in self.files)


def _never(_: DataFile) -> bool:
    return False


def plan_day(
    day: str,
    new: Sequence[DataFile],
    held: Sequence[DataFile],
    results: Sequence[CheckResult],
    flagged: Mapping[str, Mapping[str, Array]],
    released: bool = False,
    *,
    must_rewrite: Callable[[DataFile], bool] = _never,
    unreadable: Collection[str] = (),
) -> DayPlan:
    """Return what happens to each file of ``new`` and ``held``, in this order: held first.

    ``flagged`` is, by check id and file key, the rows that break a check; a check that failed on rows and is not in it
    at all cannot say which rows to set aside, so it holds the day. ``released``: a person let the held files through.
    ``must_rewrite`` says of a file that the table cannot take it as it is. ``unreadable``: keys of files that are not
    what the log says; they hold their day, and themselves even when the day is released.
    """
    holding = [result for result in results if _holds(result, flagged)]
    damaged = {file.key for file in (*held, *new)}.intersection(unreadable)
    rows = [result for result in results if _sets_aside(result) and result.check in flagged]
    reasons = tuple(sorted({result.check for result in holding})) + ((UNREADABLE,) if damaged else ())
    files: list[FilePlan] = []
    for file, was_held in [*((file, True) for file in held), *((file, False) for file in new)]:
        if file.key in damaged or (reasons and not (was_held and released)):
            files.append(FilePlan(file, Action.HOLD, was_held=was_held))
            continue
        drops = tuple(drop for result in rows if (drop := _drop(result, file, flagged)) is not None)
        rewrite = must_rewrite(file) or bool(drops)  # asked first: it refuses what no rewriting mends
        files.append(FilePlan(file, Action.REWRITE if rewrite else Action.AS_IS, drops, was_held))
    stays = any(plan.action is Action.HOLD for plan in files)
    return DayPlan(day, _disposition(files, holding, damaged), reasons if stays else (), tuple(files))


def _holds(result: CheckResult, flagged: Mapping[str, Mapping[str, Array]]) -> bool:
    if result.severity != "error" or result.scope == "dataset":
        return False
    if result.verdict in (Verdict.PENDING, Verdict.UNKNOWN):
        return True
    if result.verdict is not Verdict.FAILED:
        return False
    return not _sets_aside(result) or result.check not in flagged


def _sets_aside(result: CheckResult) -> bool:
    return (
        result.severity == "error"
        and result.verdict is Verdict.FAILED
        and result.scope == "row"
        and result.breach == "quarantine"
    )


def _drop(result: CheckResult, file: DataFile, flagged: Mapping[str, Mapping[str, Array]]) -> Drop | None:
    positions = flagged[result.check].get(file.key)
    if positions is None or len(positions) == 0:
        return None
    chosen = np.unique(np.asarray(positions, np.int64))
    if chosen[0] < 0 or chosen[-1] >= file.rows:
        raise ValueError(f"check {result.check} flags row {chosen[-1]} of {file.key}, which has {file.rows}")
    return Drop(result.check, result.dimension, _words(result), chosen)


def _words(result: CheckResult) -> str:
    """Say of one row why it was set aside; what the result says is about the day."""
    return f'breaks "{result.name}"' + (f" ({result.column})" if result.column else "")


def _disposition(files: Sequence[FilePlan], holding: Sequence[CheckResult], damaged: Collection[str]) -> Disposition:
    if not files:
        return Disposition.NOTHING_NEW
    if not any(plan.action is Action.HOLD for plan in files):
        return Disposition.PUBLISHED
    pending = not damaged and all(result.verdict is Verdict.PENDING for result in holding)
    return Disposition.PENDING if pending else Disposition.HELD
