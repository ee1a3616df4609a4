"""The drawings of a drift page: a distribution over the one before, and how far a column was, window by window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from ray_pipeline.drift.edges import CategoryColumn, Column, NumericColumn
from ray_pipeline.drift.values import Ints
from ray_pipeline.drift.verdict import ColumnVerdict, Window
from ray_pipeline.text import visible

from .model_drawings import percent
from .words import number

_WIDTH, _TALL = 240.0, 74.0
_EVEN = 28
_WIDE, _EFFECT, _P, _SPACE, _SIDE = 240.0, 44.0, 34.0, 16.0, 38.0
LEAST_P = 0.001
"""P-values below are drawn here."""
Pieces = Sequence[tuple[float, float, float]]
"""From, to, share."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """Two distributions over each other."""

    drawing: Markup
    low: str = ""
    high: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """A category, before and now."""

    name: str
    before: float
    now: float
    bar: Markup


def overlay(column: Column, before: Ints, now: Ints) -> Overlay:
    """Draw a number's baseline as an area, and the window over it as a line; the missing are left out of both.

    Each fills an area of one: what counts is how values are spread, not how many there are.
    """
    if not isinstance(column, NumericColumn) or not before[1:].sum() or not now[1:].sum():
        return Overlay(Markup(""))
    names, first, second = _pieces(column, before, now)
    most = max(_density(first) + _density(second)) or 1.0
    told = escape(visible(f"{names[0]} to {names[1]}: the baseline as an area, the window as a line"))
    start, end = first[0][0], first[-1][1]

    def x(at: float) -> float:
        return (at - start) / (end - start) * _WIDTH

    area = "".join(
        f"M{x(low):.1f} {_TALL:g}v{-tall / most * (_TALL - 3):.1f}H{x(high):.1f}V{_TALL:g}z"
        for (low, high, _), tall in zip(first, _density(first), strict=True)
        if tall
    )
    steps = [f"M0 {_TALL:g}"]
    for (_, high, _), tall in zip(second, _density(second), strict=True):
        steps.append(f"V{_TALL - tall / most * (_TALL - 3):.1f}H{x(high):.1f}")
    drawing = (
        f'<svg class="over" viewBox="0 0 {_WIDTH:g} {_TALL + 1:g}" preserveAspectRatio="none" role="img" '
        f'aria-label="{told}"><path class="f-hist was" d="{area}"/>'
        f'<path class="base" d="M0 {_TALL + 0.5:g}h{_WIDTH:g}"/>'
        f'<path class="line now" d="{"".join(steps)}V{_TALL:g}"/></svg>'
    )
    return Overlay(Markup(drawing), *names)  # noqa: S704 - made here, of numbers and of escaped text


def shares(column: Column, before: Ints, now: Ints) -> list[Share]:
    """Return the categories with their shares before and now, those that are the most frequent in either first."""
    if not isinstance(column, CategoryColumn):
        return []
    was, is_now = ([float(one) for one in found[1:] / max(1, int(found[1:].sum()))] for found in (before, now))
    names = [*column.categories, "all others"]
    found = sorted(zip(names, was, is_now, strict=True), key=lambda one: (-max(one[1], one[2]), one[0]))
    most = max([one for _, *both in found for one in both] or [1.0]) or 1.0
    return [Share(name, first, second, _bars(first / most, second / most)) for name, first, second in found
            if first or second]  # fmt: skip


def trend(windows: Sequence[Window], found: Sequence[ColumnVerdict | None], min_effect: float, alpha: float) -> Markup:
    """Draw a column's effect, and below it its p-value, window by window; lines mark what counts as far and as rare.

    A window that drifts has a filled dot; p-values go down to one in a thousand.
    """
    if not windows:
        return Markup("")
    effects = [None if one is None else one.effect for one in found]
    top = max([one for one in effects if one is not None] + [min_effect * 1.5, 0.05])
    tall = _EFFECT + _SPACE + _P
    step = (_WIDE - _SIDE - 8) / max(1, len(windows) - 1)

    def x(place: int) -> float:
        return _SIDE + 4 + (place * step if len(windows) > 1 else (_WIDE - _SIDE) / 2)

    def effect_y(value: float) -> float:
        return 4 + (1 - value / top) * (_EFFECT - 4)

    def p_y(value: float) -> float:
        return _EFFECT + _SPACE + math.log10(max(value, LEAST_P)) / math.log10(LEAST_P) * _P

    drawn = [
        f'<path class="base" d="M{_SIDE:g} {_EFFECT:g}H{_WIDE:g}M{_SIDE:g} {_EFFECT + _SPACE:g}H{_WIDE:g}"/>',
        f'<path class="ideal" d="M{_SIDE:g} {effect_y(min_effect):.1f}H{_WIDE:g}"/>',
        f'<path class="ideal" d="M{_SIDE:g} {p_y(alpha):.1f}H{_WIDE:g}"/>',
        f'<text x="0" y="{effect_y(min_effect) + 3.5:.1f}">{number(min_effect)}</text>',
        f'<text x="0" y="{p_y(alpha) + 3.5:.1f}">{number(alpha)}</text>',
        *_lane("effect", 4.0, _EFFECT, effect_y(min_effect)),
        *_lane("p", _EFFECT + _SPACE, _EFFECT + _SPACE + _P, p_y(alpha)),
    ]
    drawn += [_line([(x(place), effect_y(one)) for place, one in enumerate(effects) if one is not None])]
    ps = [_least_p(one) for one in found]
    drawn += [_line([(x(place), p_y(one)) for place, one in enumerate(ps) if one is not None])]
    for place, (window, one) in enumerate(zip(windows, found, strict=True)):
        if one is None:
            continue
        kind = "dot bad" if one.drift else "dot dim" if one.drift is None else "dot"
        told = escape(visible(f"{window}: effect {_said(one.effect)}, p {_said(_least_p(one))}"))
        dots = [(one.effect, effect_y), (_least_p(one), p_y)]
        circles = "".join(
            f'<circle class="{kind}" cx="{x(place):.1f}" cy="{at(value):.1f}" r="{3.2 if one.drift else 2}"/>'
            for value, at in dots
            if value is not None
        )
        drawn.append(f"<g><title>{told}</title>{circles}</g>")
    said = escape(visible(f"effect and p-value of {len(windows)} windows, the last {_said(effects[-1])}"))
    return Markup(  # noqa: S704 - made here, of numbers and of escaped text
        f'<svg class="trend" viewBox="0 0 {_WIDE:g} {tall + 4:g}" role="img" aria-label="{said}">{"".join(drawn)}</svg>'
    )


def by_day(days: Sequence[str], lines: Sequence[tuple[str, Sequence[float | None]]], level: float | None) -> Markup:
    """Draw figures day by day, one line for each; ``level`` is where they were at training. The first is the bolder."""
    known = [one for _, values in lines for one in values if one is not None]
    if len(days) < 2 or not known:
        return Markup("")
    wide, tall, side = 640.0, 150.0, 44.0
    most = max([*known, level or 0.0]) * 1.08 or 1.0
    step = (wide - side - 8) / (len(days) - 1)

    def y(value: float) -> float:
        return 6 + (1 - value / most) * (tall - 6)

    drawn = [f'<path class="base" d="M{side:g} {tall:g}H{wide:g}"/>']
    if level is not None:
        drawn.append(f'<path class="ideal" d="M{side:g} {y(level):.1f}H{wide:g}"/>')
        drawn.append(f'<text x="0" y="{y(level) + 3.5:.1f}">{number(round(level, 3))}</text>')
    for place, (name, values) in enumerate(lines):
        kind = "line" if place == 0 else "line past"
        points = [(side + 4 + at * step, y(one)) for at, one in enumerate(values) if one is not None]
        drawn.append(f"<g><title>{escape(visible(name))}</title>{_line(points, kind)}</g>")
    for place in sorted({0, len(days) - 1}):
        anchor = "start" if place == 0 else "end"
        at = side if place == 0 else wide
        drawn.append(f'<text x="{at:g}" y="{tall + 15:g}" text-anchor="{anchor}">{escape(visible(days[place]))}</text>')
    said = escape(visible(f"{' and '.join(name for name, _ in lines)}, {days[0]} to {days[-1]}"))
    return Markup(  # noqa: S704 - made here, of numbers and of escaped text
        f'<svg class="daily" viewBox="0 0 {wide:g} {tall + 20:g}" role="img" aria-label="{said}">{"".join(drawn)}</svg>'
    )


def _pieces(column: NumericColumn, before: Ints, now: Ints) -> tuple[tuple[str, str], Pieces, Pieces]:
    """Return the names of both ends, and the two as pieces of the same axis, each with its share."""
    was, is_now = ([float(one) for one in found[1:] / found[1:].sum()] for found in (before, now))
    edges = column.edges
    if column.few or len(edges) < 2:
        names = column.labels()[1:]
        shown = [place for place in range(len(was)) if was[place] or is_now[place]]
        pieces = [[(float(at), at + 1.0, found[place]) for at, place in enumerate(shown)] for found in (was, is_now)]
        return (names[shown[0]], names[shown[-1]] if len(shown) > 1 else ""), pieces[0], pieces[1]
    ends = [edges[0] - (edges[1] - edges[0]), *edges, edges[-1] + (edges[-1] - edges[-2])]
    low, high = was[0] + is_now[0] > 0, was[-1] + is_now[-1] > 0
    chosen = slice(0 if low else 1, None if high else -1)
    both = [list(zip(ends, ends[1:], found, strict=False))[chosen] for found in (was, is_now)]
    told = (f"{'below ' if low else ''}{number(edges[0])}", f"{number(edges[-1])}{' and above' if high else ''}")
    return told, _even(both[0]), _even(both[1])


def _even(pieces: Pieces) -> Pieces:
    """Return pieces of one width: those of a baseline have about equal shares, and widths that look like noise."""
    start, end = pieces[0][0], pieces[-1][1]
    width = (end - start) / _EVEN
    if not (math.isfinite(width) and width > 0):
        return pieces
    found = [0.0] * _EVEN
    for low, high, part in pieces:
        first, last = (min(_EVEN - 1, max(0, int((at - start) / width))) for at in (low, high))
        for place in range(first, last + 1):
            inside = min(high, start + (place + 1) * width) - max(low, start + place * width)
            found[place] += part * (max(inside, 0.0) / (high - low) if last > first else 1.0)
    return [(start + place * width, start + (place + 1) * width, part) for place, part in enumerate(found)]


def _density(pieces: Pieces) -> list[float]:
    return [part / (high - low) if high > low else 0.0 for low, high, part in pieces]


def _bars(before: float, now: float) -> Markup:
    return Markup(  # noqa: S704 - made here, of numbers
        '<svg class="pair" width="100%" height="13" aria-hidden="true">'
        f'<rect class="f-hist was" width="{max(before, 0.0) * 100:.1f}%" height="6"/>'
        f'<rect class="f-now" y="7" width="{max(now, 0.0) * 100:.1f}%" height="6"/></svg>'
    )


def _lane(name: str, top: float, end: float, taken: float) -> list[str]:
    """Name a lane of a trend at its top, or at its end where the figure of its line is at the top."""
    return [f'<text x="0" y="{(top + 6 if taken - top > end - taken else end):.1f}">{name}</text>']


def _line(points: Sequence[tuple[float, float]], kind: str = "line past") -> str:
    return f'<polyline class="{kind}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>' if points else ""


def _least_p(one: ColumnVerdict | None) -> float | None:
    """Return the smaller of a column's two p-values: of its values, and of their being missing."""
    if one is None:
        return None
    return min((p for p in (one.p_adjusted, one.missing_p_adjusted) if p is not None), default=None)


def _said(value: float | None) -> str:
    return "not known" if value is None else number(round(value, 4))


__all__ = ["Overlay", "Share", "by_day", "overlay", "percent", "shares", "trend"]
