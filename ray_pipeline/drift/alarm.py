"""Whether a window is different from its baseline, and when that is an alarm.

Two tests are made of each column: of its values, and of the share of rows that have none. A column drifts where one
of them fires: its p-value for all questions of the window together is within the budget, and its Jensen-Shannon
distance is beyond the usual one by ``min_effect`` (in squares, and then the root: few rows in many bins are apart by
chance, and a column that changes from day to day is apart on every day). An alarm needs several windows that drift.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from ray_pipeline.config.drift import DriftConfig

from .baseline import SCORE, Baseline
from .block_family import by_blocks
from .counts import BlockCounts
from .distance import kind_of, mean_shift
from .missing import missing_share
from .moved import moved_missing, moved_values
from .row_family import by_rows
from .sides import Compared, Side, sides_of
from .tested import Answers
from .verdict import ColumnVerdict, Window, WindowVerdict

_NOT_COUNTED = "the window has no counts of it"
_NO_VALUE = "no value to compare with"


def judge_window(
    subject: str,
    baseline: Baseline,
    digest: str,
    counts: Mapping[str, BlockCounts],
    window: Window,
    policy: DriftConfig,
    *,
    independent: bool = False,
    seed: int = 0,
) -> WindowVerdict:
    """Return how far each column of a window is from its baseline.

    ``counts`` are the window's rows by day and bin, by column, and by ``score`` where the baseline has one; days
    outside the window are not looked at, and days that the baseline has too are left out of it. ``digest`` is the
    baseline's. ``independent``: rows say nothing of one another; then, and only then, chance is used, from ``seed``.
    A function of counts alone: whatever merged them, in whatever order, the verdict is the same to the last bit.

    ``BaselineError`` where a column was counted in other bins than the baseline's.
    """
    sides = sides_of(subject, baseline, counts, window)
    tests = by_rows(sides, policy, seed) if independent else by_blocks(sides, policy)
    columns = tuple(_verdict(one, tests, policy) for side in sides for one in side.columns)
    columns += tuple(_unsaid(*one, _NOT_COUNTED) for one in _names(baseline) if one[0] not in counts)
    said = [one.drift for one in columns if one.drift is not None]
    first = sides[0] if sides else None
    return WindowVerdict(
        subject=subject,
        window=window,
        rows=max((side.rows for side in sides), default=0),
        baseline=digest,
        reference_rows=first.rows_before if first else 0,
        reference_blocks=tests.days or (len(first.days_before) if first else 0),
        null="rows" if independent else "blocks",
        alpha=policy.alpha,
        min_effect=policy.min_effect,
        columns=columns,
        drift=any(said) if said else None,
        notices=tuple(_notices(sides, tests, counts, baseline, window)),
    )


@dataclass(frozen=True, slots=True)
class Alarm:
    """Whether somebody should look."""

    fired: bool
    since: Window | None
    """The first window of those that made it fire, without a break since; None: it has not fired."""
    columns: tuple[str, ...]
    """What drifts in the last n windows, the most often and the farthest first."""
    windows: int
    """How many of the last n windows drift."""


def alarm(verdicts: Sequence[WindowVerdict], policy: DriftConfig) -> Alarm:
    """Return whether k of the last n windows drift (``drift.windows``).

    A window of which nothing can be said neither makes an alarm nor ends one: it is passed over.
    """
    least, last = policy.windows
    said = sorted((one for one in verdicts if one.drift is not None), key=lambda one: one.window)
    since: Window | None = None
    recent: list[WindowVerdict] = []
    for end in range(1, len(said) + 1):
        recent = [one for one in said[max(0, end - last) : end] if one.drift]
        if len(recent) < least:
            since = None
        elif since is None:
            since = recent[0].window
    found = [one for verdict in recent for one in verdict.moved]
    order = {
        name: (-sum(one.name == name for one in found), -max(_size(one) for one in found if one.name == name), name)
        for name in {one.name for one in found}
    }
    return Alarm(since is not None, since, tuple(sorted(order, key=lambda name: order[name])), len(recent))


def _verdict(one: Compared, tests: Answers, policy: DriftConfig) -> ColumnVerdict:
    if one.name in tests.unsaid:
        return _unsaid(one.name, one.kind, kind_of(one.column), tests.unsaid[one.name])
    before, window = tests.references[one.name], one.window.sum(axis=0)
    if not window.any():
        return _unsaid(one.name, one.kind, kind_of(one.column), _NOT_COUNTED)
    values, missing = tests.values.get(one.name), tests.missing.get(one.name)
    shift = mean_shift(one.column, before, window)  # type: ignore[arg-type]
    share, share_before = missing_share(window), missing_share(before)
    reasons = []
    if values is not None and values.fires(policy.alpha, policy.min_effect):
        reasons.append(moved_values(one.column, before, window, shift))
    if missing is not None and missing.fires(policy.alpha, policy.min_effect):
        reasons.append(moved_missing(share_before or 0.0, share or 0.0))
    drift = bool(reasons)
    if values is None and not drift:
        reasons = [_NO_VALUE]
    return ColumnVerdict(
        name=one.name,
        kind=one.kind,
        test=kind_of(one.column),
        statistic=_told(values.statistic if values else None),
        p=_told(values.p if values else None),
        p_adjusted=_told(values.p_adjusted if values else None),
        effect=_told(values.apart if values else None),
        shift=_told(shift),
        missing=_told(share),
        missing_before=_told(share_before),
        missing_p=_told(missing.p if missing else None),
        missing_p_adjusted=_told(missing.p_adjusted if missing else None),
        drift=drift,
        reason="; ".join(reasons),
    )


def _names(baseline: Baseline) -> list[tuple[str, str, str]]:
    """Return name, kind and test of everything that the baseline counts."""
    found: list[tuple[str, str, str]] = [(one.name, one.kind, kind_of(one)) for one in baseline.columns]
    if baseline.score is not None and SCORE not in baseline.names:
        found.append((SCORE, SCORE, kind_of(baseline.score)))
    return found


def _unsaid(name: str, kind: str, test: str, reason: str) -> ColumnVerdict:
    return ColumnVerdict(name, kind, test, *(None,) * 9, None, reason)


def _notices(
    sides: Sequence[Side],
    tests: Answers,
    counts: Mapping[str, BlockCounts],
    baseline: Baseline,
    window: Window,
) -> list[str]:
    found = list(tests.notices)
    found += [f"nothing can be said: {reason}" for reason in dict.fromkeys(tests.unsaid.values())]
    for side in sides[:1]:
        days = (date.fromisoformat(window.until) - date.fromisoformat(window.first)).days
        if 0 < len(side.days) < days:
            found.append(f"{len(side.days)} of the window's {days} days have rows, and are what was compared")
        if side.shared:
            found.append(f"{side.shared} of the baseline's days are the window's, and were left out of it")
    known = {name for name, _, _ in _names(baseline)}
    if more := sorted(set(counts) - known):
        found.append(f"the baseline does not have {', '.join(more)}")
    return found


def _size(one: ColumnVerdict) -> float:
    return one.effect or 0.0


def _told(value: float | None) -> float | None:
    """Return a number without its last digits, in which libraries of mathematics differ."""
    return None if value is None else float(f"{value:.12g}")
