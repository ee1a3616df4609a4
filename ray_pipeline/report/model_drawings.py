"""The drawings of a model's page: its calibration with the scores below, importance, and bins of a baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from ray_pipeline.drift.edges import CategoryColumn, Column, NumericColumn
from ray_pipeline.drift.values import Ints
from ray_pipeline.model.metrics import Bin
from ray_pipeline.text import count, visible

from .drawings import histogram
from .words import number

_SIZE, _LEFT, _TOP, _GAP, _TALL = 300.0, 46.0, 10.0, 34.0, 64.0
_WIDTH, _HEIGHT = _LEFT + _SIZE + 12, _TOP + _SIZE + _GAP + _TALL + 36
EVEN = 28
"""Bins of a drawn number."""
Scores = Sequence[tuple[float, float, int]]


def percent(share: float | None, places: int = 1) -> str:
    """Return a share of 1 in percent.

    >>> percent(0.2609), percent(0.3, 0), percent(None)
    ('26.1 %', '30 %', '–')
    """
    if share is None or not math.isfinite(share):
        return "–"
    return f"{share * 100:.{places}f} %".replace("-", "−")


def calibration(curve: Sequence[Bin], scores: Scores) -> Markup:
    """Draw what came true over what was said, on a diagonal where both are the same; below it, how often what was said.

    Each dot's area is its rows.
    """
    if not curve:
        return Markup("")
    most = max([one.said for one in curve] + [one.true for one in curve] + [low for low, _, _ in scores])
    end = min(1.0, math.ceil(most * 10 + 1e-9) / 10)
    drawn = [*_grid(end)]
    xs, ys = [_x(one.said, end) for one in curve], [_y(one.true, end) for one in curve]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
    drawn.append(f'<polyline class="line" points="{line}"/>')
    rows = max(one.rows for one in curve)
    for one, x, y in zip(curve, xs, ys, strict=True):
        told = f"said {percent(one.said)}, came true {percent(one.true)}, {count(one.rows, 'row')}"
        radius = 2 + 3.2 * math.sqrt(one.rows / rows)
        drawn.append(
            f'<g><title>{escape(told)}</title><circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/></g>'
        )
    drawn += _scores(scores, end)
    said = "; ".join(f"said {percent(one.said)}, came true {percent(one.true)}" for one in curve)
    return Markup(  # noqa: S704 - made here, of numbers and of escaped text
        f'<svg class="curve" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img" aria-label="Calibration: {escape(said)}">'
        f"{''.join(drawn)}</svg>"
    )


def drop_bar(drop: float, low: float, high: float, least: float, most: float) -> Markup:
    """Draw a column's importance as a bar from zero, its interval as a line; ``least`` and ``most`` end the scale."""
    span = (most - least) or 1.0

    def at(value: float) -> float:
        return min(100.0, max(0.0, (value - least) / span * 100))

    zero, tip = at(0.0), at(drop)
    return Markup(  # noqa: S704 - made here, of numbers
        '<svg class="drop" width="100%" height="16" aria-hidden="true">'
        f'<rect class="f-hist" x="{min(zero, tip):.2f}%" y="3" width="{abs(tip - zero):.2f}%" height="10"/>'
        f'<line class="zero" x1="{zero:.2f}%" x2="{zero:.2f}%" y1="0" y2="16"/>'
        f'<line class="whisker" x1="{at(low):.2f}%" x2="{at(high):.2f}%" y1="8" y2="8"/>'
        f'<line class="whisker" x1="{at(low):.2f}%" x2="{at(low):.2f}%" y1="5" y2="11"/>'
        f'<line class="whisker" x1="{at(high):.2f}%" x2="{at(high):.2f}%" y1="5" y2="11"/></svg>'
    )


def column_plot(column: Column, total: Ints) -> tuple[Markup, str, str]:
    """Draw a number's distribution, and say what is at either end; an open end is as wide as the bin beside it.

    Where each bin is one value, all are of one width; else the rows of each are spread over bins that are.
    """
    rows = [int(one) for one in total[1:]]
    if not isinstance(column, NumericColumn) or not sum(rows):
        return Markup(""), "", ""
    edges = column.edges
    if column.few or len(edges) < 2:
        names = (f"below {number(edges[0])}", *(number(edge) for edge in edges)) if edges else column.labels()[1:]
        shown = [(name, many) for name, many in zip(names, rows, strict=True) if many]
        bins = [(float(place), place + 1.0, many) for place, (_, many) in enumerate(shown)]
        return histogram(bins), shown[0][0], shown[-1][0] if len(shown) > 1 else ""
    ends = [edges[0] - (edges[1] - edges[0]), *edges, edges[-1] + (edges[-1] - edges[-2])]
    bins = list(zip(ends, ends[1:], rows, strict=False))
    bins = bins[0 if rows[0] else 1 : None if rows[-1] else -1]
    low = f"{'below ' if rows[0] else ''}{number(edges[0])}"
    return histogram(_even(bins)), low, f"{number(edges[-1])}{' and above' if rows[-1] else ''}"


def categories_of(column: CategoryColumn, total: Ints) -> list[tuple[str, int]]:
    """Return categories with their rows, the most frequent first, and the rare ones together at the end."""
    rows = [int(one) for one in total]
    known = sorted(zip(column.categories, rows[1:-1], strict=True), key=lambda one: (-one[1], one[0]))
    return [*((name, many) for name, many in known if many), *([("all others", rows[-1])] if rows[-1] else [])]


def score_bins(column: NumericColumn, total: Ints) -> list[tuple[float, float, int]]:
    """Return the bins of a probability, its open ends closed at 0 and 1."""
    edges = [0.0, *(edge for edge in column.edges if 0 < edge < 1), 1.0]
    found: dict[int, int] = {}
    ends = (-math.inf, *column.edges)
    for low, many in zip(ends, (int(one) for one in total[1:]), strict=True):
        place = max(index for index, edge in enumerate(edges[:-1]) if edge <= max(low, 0.0))
        found[place] = found.get(place, 0) + many
    return [(edges[place], edges[place + 1], many) for place, many in sorted(found.items()) if many]


def _even(bins: Scores) -> list[tuple[float, float, int]]:
    """Return bins of one width: those of a baseline have about as many rows each, and widths that look like noise."""
    start, end = bins[0][0], bins[-1][1]
    width = (end - start) / EVEN
    if not (math.isfinite(width) and width > 0):
        return list(bins)
    found = [0.0] * EVEN
    for low, high, rows in bins:
        first, last = (min(EVEN - 1, max(0, int((at - start) / width))) for at in (low, high))
        for place in range(first, last + 1):
            inside = min(high, start + (place + 1) * width) - max(low, start + place * width)
            found[place] += rows * (max(inside, 0.0) / (high - low) if last > first else 1.0)
    return [(start + place * width, start + (place + 1) * width, round(rows)) for place, rows in enumerate(found)]


def _x(share: float, end: float) -> float:
    return _LEFT + min(share, end) / end * _SIZE


def _y(share: float, end: float) -> float:
    return _TOP + _SIZE - min(share, end) / end * _SIZE


def _grid(end: float) -> list[str]:
    step = 0.2 if end > 0.6 else 0.1 if end > 0.2 else 0.05
    drawn = []
    for index in range(round(end / step) + 1):
        share = index * step
        x, y = _x(share, end), _y(share, end)
        drawn.append(f'<path class="base" d="M{_LEFT:g} {y:.1f}h{_SIZE:g}M{x:.1f} {_TOP:g}v{_SIZE:g}"/>')
        drawn.append(f'<text x="{_LEFT - 7:g}" y="{y + 3.5:.1f}" text-anchor="end">{percent(share, 0)}</text>')
        drawn.append(f'<text x="{x:.1f}" y="{_TOP + _SIZE + 16:g}" text-anchor="middle">{percent(share, 0)}</text>')
    drawn.append(f'<path class="ideal" d="M{_LEFT:g} {_TOP + _SIZE:g}L{_LEFT + _SIZE:g} {_TOP:g}"/>')
    middle = _LEFT + _SIZE / 2
    drawn.append(f'<text x="{middle:g}" y="{_HEIGHT - 6:g}" text-anchor="middle">what it said</text>')
    drawn.append(
        f'<text transform="translate(9 {_TOP + _SIZE / 2:g}) rotate(-90)" text-anchor="middle">what came true</text>'
    )
    return drawn


def _scores(scores: Scores, end: float) -> list[str]:
    """Draw the scores' distribution on the axis above it; areas are rows."""
    inside = [(low, min(high, end), rows) for low, high, rows in scores if low < min(high, end) and rows]
    if not inside:
        return []
    density = [rows / max(high - low, end / 400) for low, high, rows in inside]
    most, floor = max(density), _TOP + _SIZE + _GAP + _TALL
    path = []
    for (low, high, _), tall in zip(inside, density, strict=True):
        width = max(_x(high, end) - _x(low, end) - 0.7, 0.5)
        path.append(f"M{_x(low, end):.1f} {floor:g}v{-max(tall / most * _TALL, 0.8):.1f}h{width:.1f}V{floor:g}z")
    told = escape(visible(f"{count(sum(rows for _, _, rows in scores), 'score')} by what was said"))
    return [
        f'<g><title>{told}</title><path class="f-hist" d="{"".join(path)}"/></g>',
        f'<path class="base" d="M{_LEFT:g} {floor:g}h{_SIZE:g}"/>',
        f'<text x="{_LEFT - 7:g}" y="{floor - _TALL / 2 + 3:g}" text-anchor="end">scores</text>',
    ]
