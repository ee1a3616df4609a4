"""Two models' metric over months as lines, with what happened between them as marks: each kind has its own shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup, escape

from ray_pipeline.text import visible

KINDS = (
    ("alarm", "alarm", "M0 -6l6 6-6 6-6-6z"),
    ("training", "training", "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0"),
    ("promotion", "promotion", "M0 -6l6 11h-12z"),
    ("refusal", "refusal", "M-5 -3l2-2 3 3 3-3 2 2-3 3 3 3-2 2-3-3-3 3-2-2 3-3z"),
    ("rollback", "rollback", "M0 6l6-11h-12z"),
    ("failure", "failed training", "M-5 -5h10v10h-10z"),
)
"""Kind, the word for it, and its shape around a point."""
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _FLOOR, _LANE = 960.0, 250.0, 64.0, 16.0, 14.0, 54.0, 14.0
_TONES = {"alarm": "warn", "promotion": "ok", "refusal": "dim", "rollback": "bad", "failure": "bad", "training": "wait"}


@dataclass(frozen=True, slots=True)
class YearMark:
    """Something that happened, with its reason."""

    kind: str
    """One of :data:`KINDS`."""
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Series:
    """One line."""

    name: str
    style: str
    """``line``, or ``past`` for a quieter, dashed one."""
    values: Sequence[float | None]


def lines(series: Sequence[Series], marks: Sequence[YearMark], months: Sequence[str]) -> Markup:
    """Draw a value for each month, and under the lines a lane of marks at their moments.

    ``months`` are named as in ``2013-04``. A month without a value has no point.
    """
    known = [value for one in series for value in one.values if value is not None and math.isfinite(value)]
    if not known or not months:
        return Markup("")
    low, high = min(known), max(known)
    pad = (high - low or 0.01) * 0.12
    low, high = low - pad, high + pad
    drawn = [*_grid(low, high), *_names(months)]
    for one in series:
        drawn += _line(one, low, high, len(months))
    drawn += [_mark(mark, months) for mark in marks]
    told = "; ".join(f"{one.name}: {', '.join(_told(one, months))}" for one in series)
    return Markup(  # noqa: S704 - made here, of numbers and of escaped text
        f'<svg class="year" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img" aria-label="{escape(told)}">'
        f"{''.join(drawn)}</svg>"
    )


def symbol(kind: str) -> Markup:
    """Draw one kind of mark, for the legend and the table."""
    return Markup(  # noqa: S704 - made here
        f'<svg class="sign" width="14" height="14" viewBox="-7 -7 14 14" aria-hidden="true">{_shape(kind)}</svg>'
    )


def _told(one: Series, months: Sequence[str]) -> list[str]:
    pairs = zip(months, one.values, strict=True)
    return [f"{month} {'unknown' if value is None else f'{value:.4f}'}" for month, value in pairs]


def _grid(low: float, high: float) -> list[str]:
    step = 10 ** math.floor(math.log10(high - low))
    step = next(one for one in (step / 5, step / 2, step, 2 * step) if (high - low) / one <= 7)
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    drawn = []
    for index in range(math.ceil(low / step), math.floor(high / step) + 1):
        value = index * step
        y = _y(value, low, high)
        drawn.append(f'<path class="base" d="M{_LEFT:g} {y:.1f}H{_WIDTH - _RIGHT:g}"/>')
        drawn.append(f'<text x="{_LEFT - 8:g}" y="{y + 4:.1f}" text-anchor="end">{value:.{places}f}</text>')
    return drawn


def _names(months: Sequence[str]) -> list[str]:
    return [
        f'<text x="{_x(place + 0.5, len(months)):.1f}" y="{_HEIGHT - 6:g}" text-anchor="middle">{escape(name)}</text>'
        for place, name in enumerate(months)
    ]


def _line(one: Series, low: float, high: float, months: int) -> list[str]:
    points = [
        (_x(place + 0.5, months), _y(value, low, high), value)
        for place, value in enumerate(one.values)
        if value is not None and math.isfinite(value)
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    kind = "line past" if one.style == "past" else "line"
    dots = [
        f"<g><title>{escape(visible(one.name))}: {value:.4f}</title>"
        f'<circle class="{"ring" if one.style == "past" else "dot"}" cx="{x:.1f}" cy="{y:.1f}" r="3.6"/></g>'
        for x, y, value in points
    ]
    return [f'<polyline class="{kind}" points="{path}"/>', *dots]


def _mark(mark: YearMark, months: Sequence[str]) -> str:
    """Return a mark at its moment, in the lane of its kind; one that is out of the months is at their edge."""
    first = datetime.fromisoformat(f"{months[0]}-01T00:00:00+00:00")
    place = (mark.at.year - first.year) * 12 + mark.at.month - first.month + (mark.at.day - 1) / 31
    x = _x(min(max(place, 0.0), float(len(months))), len(months))
    lane = {"alarm": 0.0, "training": 1.0}.get(mark.kind, 1.0)
    y = _HEIGHT - _FLOOR + 10 + lane * _LANE
    shift = {"promotion": 12.0, "refusal": 12.0, "failure": 12.0, "rollback": 24.0}.get(mark.kind, 0.0)
    said = f"{mark.at:%Y-%m-%d}: {mark.text}"
    x = min(x + shift, _WIDTH - 8)
    return f'<g transform="translate({x:.1f} {y:.1f})"><title>{escape(visible(said))}</title>{_shape(mark.kind)}</g>'


def _shape(kind: str) -> str:
    path = next((shape for name, _, shape in KINDS if name == kind), KINDS[-1][2])
    return f'<path class="sign-{_TONES.get(kind, "dim")}" d="{path}"/>'


def _x(place: float, months: int) -> float:
    return _LEFT + place / months * (_WIDTH - _LEFT - _RIGHT)


def _y(value: float, low: float, high: float) -> float:
    return _TOP + (high - value) / (high - low) * (_HEIGHT - _TOP - _FLOOR)
