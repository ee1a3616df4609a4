"""All columns of a window against the baseline's own windows, with one budget of false alarms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ray_pipeline.config.drift import DriftConfig, Family, Same

from .block_null import Member, member
from .circle import Circle
from .distance import kind_of
from .family import benjamini_hochberg
from .missing import as_missing
from .sides import Side
from .step_down import budget_shares, step_down
from .tested import SAME_FOR_CERTAIN, Answer, Answers
from .values import Floats, Ints
from .weekdays import SameWeekdays

_OWN_WINDOWS, _OWN_WINDOWS_BH = 2, 4
"""So many windows without a common day a baseline must hold: its own spread is measured by them."""


def by_blocks(sides: Sequence[Side], policy: DriftConfig) -> Answers:
    """Return every column's answers by the baseline's own windows (:mod:`~ray_pipeline.drift.circle`).

    By ``max``, p-values are ranks among as many windows as baseline and window have days. By ``bh`` they are
    extrapolated beyond that, and approximate.
    """
    unsaid: dict[str, str] = {}
    heard: list[_Asked] = []
    for side in sides:
        asked = None if (reason := _too_little(side, policy)) else _Asked.of(side, policy)
        if asked is not None and not asked.there:
            reason = "the baseline has no other day of the window's weekdays (drift.same)"
        if asked is None or reason:
            unsaid |= dict.fromkeys((one.name for one in side.columns), reason or "")
        else:
            heard.append(asked)
    if policy.family is Family.MAX:
        shares = budget_shares([one.windows for one in heard], policy.alpha)
        for asked, share in zip(heard, shares, strict=True):
            if not share:
                reason = _too_coarse(asked, policy, alone=len(heard) == 1 or not any(shares))
                unsaid |= dict.fromkeys((one.name for one in asked.side.columns), reason)
        heard = [asked for asked, share in zip(heard, shares, strict=True) if share]
        answers = _by_maximum(heard, [share for share in shares if share], policy)
        notices = [_resolution(asked) for asked in heard]
    else:
        answers = _by_each(heard)
        notices = [f"{_resolution(asked)[:-1]}; smaller ones are extrapolated" for asked in heard]
    references: dict[str, Ints | Floats] = {}
    values: dict[str, Answer] = {}
    missing: dict[str, Answer] = {}
    for asked in heard:
        references |= asked.references
        values |= dict.fromkeys(asked.constant, SAME_FOR_CERTAIN)
    for (name, what), answer in answers.items():
        (missing if what else values)[name] = answer
    days = heard[0].days if heard else 0
    return Answers(values, missing, references, unsaid, days, tuple(dict.fromkeys(notices)))


@dataclass(frozen=True, eq=False, slots=True)
class _Asked:
    """The questions of one side."""

    side: Side
    circle: Circle
    members: tuple[tuple[bool, Member], ...]
    """Whether it is the one of the missing share, and the question."""
    constant: tuple[str, ...]
    references: dict[str, Ints | Floats]
    windows: int
    """How many the window is ranked among, itself included."""
    days: int
    there: bool

    @classmethod
    def of(cls, side: Side, policy: DriftConfig) -> _Asked:
        circle = Circle.of(side.days_before, side.days)
        same = SameWeekdays(circle) if policy.same is Same.WEEKDAY else None
        there = same is None or bool(same.there[circle.place])
        place, size = circle.place, circle.size
        members: list[tuple[bool, Member]] = []
        constant, references = [], {}
        for one in side.columns:
            counts: Ints = np.concatenate([one.before[:place], one.window, one.before[place:]])
            window: Ints = counts[place : place + size].sum(axis=0)
            reference: Ints | Floats = one.before.sum(axis=0)
            if same is not None:
                reference = same.references(counts)[place]
            references[one.name] = reference
            if there and window[1:].any() and reference[1:].any():
                if np.count_nonzero(counts[:, 1:].any(axis=0)) < 2:
                    constant.append(one.name)
                else:
                    members.append((False, member(one.name, kind_of(one.column), circle, counts, same)))
            if there and window.any() and counts[:, 0].any() and counts[:, 1:].any():
                members.append((True, member(one.name, "missing", circle, as_missing(counts), same)))
        windows = len(circle.days) if same is None else int(same.there.sum())
        days = circle.baseline_days if same is None else int(same.days[place])
        return cls(side, circle, tuple(members), tuple(constant), references, windows, days, there)


_Found = dict[tuple[str, bool], Answer]


def _by_maximum(heard: Sequence[_Asked], shares: Sequence[float], policy: DriftConfig) -> _Found:
    found: _Found = {}
    for asked, share in zip(heard, shares, strict=True):
        if not asked.members:
            continue
        place = asked.circle.place
        far = np.stack([one.far for _, one in asked.members])
        counts = np.stack([one.beyond >= policy.min_effect for _, one in asked.members])
        adjusted = step_down(far, counts, place)
        for (missing, one), p in zip(asked.members, adjusted, strict=True):
            whole = 1.0 if math.isnan(p) else min(1.0, float(p) / share)
            found[one.column, missing] = _tested(one, place, one.p(place), whole)
    return found


def _by_each(heard: Sequence[_Asked]) -> _Found:
    asked = [(one.circle, missing, each) for one in heard for missing, each in one.members]
    p = [each.extrapolated(circle) for circle, _, each in asked]
    adjusted = benjamini_hochberg(np.array(p, np.float64)).tolist()
    return {
        (each.column, missing): _tested(each, circle.place, own, whole)
        for (circle, missing, each), own, whole in zip(asked, p, adjusted, strict=True)
    }


def _tested(one: Member, place: int, p: float, adjusted: float) -> Answer:
    return Answer(p, max(p, adjusted), one.statistic, one.apart, float(one.beyond[place]))


def _too_little(side: Side, policy: DriftConfig) -> str:
    """Return why a side cannot be compared at all; empty where it can."""
    days, size = len(side.days_before), len(side.days)
    if side.rows < policy.min_rows:
        return f"the window has {side.rows:,} rows, and {policy.min_rows:,} are needed (drift.min_rows)"
    if days < policy.min_blocks:
        return (
            f"the baseline has {days} days besides the window's, and {policy.min_blocks} are needed (drift.min_blocks)"
        )
    own = _OWN_WINDOWS if policy.family is Family.MAX else _OWN_WINDOWS_BH
    if days < own * size:
        return f"the baseline has {days} days besides the window's, and {own} windows of {size} days need {own * size}"
    return ""


def _too_coarse(asked: _Asked, policy: DriftConfig, *, alone: bool) -> str:
    least = 1 / asked.windows
    if not alone:
        return (
            f"a rank among {asked.windows} windows is no p-value below {least:.2g}, which leaves nothing of "
            f"alpha {policy.alpha:g} to the other columns; it needs a longer baseline"
        )
    days = max(math.ceil(1 / policy.alpha - 1e-9) - asked.circle.size, _OWN_WINDOWS * asked.circle.size)
    return (
        f"a rank among {asked.windows} windows is no p-value below {least:.2g}, and alpha is {policy.alpha:g}; "
        f"the baseline needs {days} days"
    )


def _resolution(asked: _Asked) -> str:
    size = asked.circle.size
    return (
        f"p-values are ranks among {asked.windows} windows of {size} {'day' if size == 1 else 'days'}: "
        f"none is below {1 / asked.windows:.2g}."
    )
