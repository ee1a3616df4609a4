"""Small inline SVG, made of numbers alone: trends, days, distributions, and verdicts by day and check.

Everything that is told by a colour is told by a shape or a height too, and each drawing has a text for those who do
not see it. Colours are classes: the page's style sheet knows light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date

from markupsafe import Markup, escape

from ray_pipeline.sla.result import CheckResult, DayResult, Disposition, Verdict
from ray_pipeline.text import count, visible

from .tally import Group, group_of
from .words import day_words, number, parse_day

SPARK_POINTS = 90
BINS = 60
CALENDAR_DAYS = 740
_SPARK = (132.0, 34.0, 4.0)
_DAY_HEIGHT = 60
MARKS = {Group.BROKEN: "bad", Group.WARNING: "warn", Group.PENDING: "wait", Group.UNKNOWN: "dim", Group.PASSED: "ok"}

Trend = Sequence[tuple[str, float, Verdict | None]]


def sparkline(trend: Trend, words: Callable[[float], str] = number, failed: str = "bad") -> Markup:
    """Draw a check's values over time; days that did not pass are diamonds."""
    points = [point for point in trend if math.isfinite(point[1])][-SPARK_POINTS:]
    if not points:
        return Markup("")
    width, height, pad = _SPARK
    values = [value for _, value, _ in points]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    step = (width - 2 * pad) / max(1, len(points) - 1)
    xs = [pad + index * step for index in range(len(points))] if len(points) > 1 else [width / 2]
    flat = height - pad if high == low == 0 else height / 2
    ys = [flat if high == low else height - pad - (value - low) / span * (height - 2 * pad) for value in values]
    earlier = sum(verdict is None for _, _, verdict in points)
    drawn = [_line(xs[: earlier + 1], ys[: earlier + 1], "line past")] if earlier > 1 else []
    drawn.append(_line(xs[max(0, earlier - 1) :], ys[max(0, earlier - 1) :], "line"))
    for (_, _, verdict), x, y in zip(points, xs, ys, strict=True):
        if verdict not in (None, Verdict.PASSED, Verdict.NO_HISTORY):
            tone = {Verdict.FAILED: failed, Verdict.PENDING: "wait"}.get(verdict, "dim") if verdict else "dim"
            drawn.append(f'<path class="dot {tone}" d="M{x:.1f} {y - 3.4:.1f}l3.4 3.4-3.4 3.4-3.4-3.4z"/>')
    if points[-1][2] in (None, Verdict.PASSED, Verdict.NO_HISTORY):
        drawn.append(f'<circle class="dot" cx="{xs[-1]:.1f}" cy="{ys[-1]:.1f}" r="2.2"/>')
    span_words = f"{day_words(points[0][0])} to {day_words(points[-1][0])}"
    said = f"{len(points)} values, {span_words}: lowest {words(low)}, highest {words(high)}, last {words(values[-1])}"
    return _svg("spark", width, height, said, drawn)


def day_bar(day: DayResult, most: int) -> Markup:
    """Draw what became of a day's rows, from the bottom: published, quarantined, held or waiting."""
    scale = (_DAY_HEIGHT - 2) / max(1, most)
    if day.disposition is Disposition.INSPECTED:
        tall = day.rows * scale
        return _bar([_rect("f-hist", _DAY_HEIGHT - tall, tall)])
    decided = day.published + day.quarantined + day.held
    held = "p-wait" if day.disposition is Disposition.PENDING else "p-held"
    drawn, top = [], float(_DAY_HEIGHT)
    for rows, kind in ((day.published, "f-ok"), (day.quarantined, "f-bad"), (day.held, held)):
        tall = max(rows * scale, 3.0) if rows else 0.0
        top -= tall
        if rows:
            drawn.append(_rect(kind, max(top, 0.0), tall))
    earlier = max(0, day.rows - decided) * scale
    if earlier >= 1:
        drawn.append(_rect("f-none", max(top - earlier, 0.0), min(earlier, top)))
    return _bar(drawn)


def day_sentence(day: DayResult) -> str:
    """Say what :func:`day_bar` draws."""
    parts = [f"{day_words(day.day, year=True)}: {day.disposition.value}"]
    if day.disposition is Disposition.INSPECTED:
        return f"{parts[0]}, {count(day.rows, 'row')}"
    parts += [f"{rows:,} {word}" for rows, word in ((day.published, "published"), (day.quarantined, "quarantined"))]
    if day.held:
        parts.append(f"{day.held:,} {'waiting' if day.disposition is Disposition.PENDING else 'held'}")
    return ", ".join(parts)


def calendar(days: Sequence[DayResult]) -> Markup:
    """Draw many days, a column for each week and a row for each weekday; days that held rows back are marked."""
    known = [(when, day) for day in days if (when := parse_day(day.day)) is not None][-CALENDAR_DAYS:]
    if not known:
        return Markup("")
    first = known[0][0].toordinal() - known[0][0].weekday()
    size, top, month = 13, 16, ""
    drawn, plain = [], {"ok": [], "none": []}  # type: tuple[list[str], dict[str, list[str]]]
    weeks = 0
    for when, day in known:
        week, weekday = divmod(when.toordinal() - first, 7)
        weeks = max(weeks, week)
        x, y = week * size, top + weekday * size
        if (name := _month(when)) != month and when.day <= 7:
            drawn.append(f'<text x="{x}" y="10">{name if when.month > 1 else when.year}</text>')
            month = name
        kind = _day_kind(day)
        if kind in plain:
            plain[kind].append(f"M{x} {y}h11v11h-11z")
        else:
            title = escape(visible(day_sentence(day)))
            drawn.append(f"<g><title>{title}</title>{_cell(kind, x, y)}</g>")
    drawn += [f'<path class="c-{kind}" d="{"".join(paths)}"/>' for kind, paths in plain.items() if paths]
    said = f"{count(len(known), 'day')} as a calendar, a column for each week"
    return _svg("calendar", (weeks + 1) * size, top + 7 * size, said, drawn)


def cell(kind: str) -> Markup:
    """Draw one day of :func:`calendar`, for the legend."""
    return _drawn(f'<svg class="cell" width="11" height="11" aria-hidden="true">{_cell(kind, 0, 0)}</svg>')


def cell_width(days: int) -> int:
    """Return how wide one day is in :func:`verdict_row`."""
    return 26 if days <= 31 else 12 if days <= 62 else 8 if days <= 124 else 3


def axis(days: Sequence[str]) -> Markup:
    """Draw the days above the rows of :func:`verdict_row`: the first of each week or of each month."""
    width = cell_width(len(days))
    drawn = []
    for index, day in enumerate(days):
        when = parse_day(day)
        if when is None:
            continue
        if width < 8:
            if when.day == 1 or index == 0:
                drawn.append(f'<text x="{index * width}" y="11">{_month(when)}</text>')
        elif index == 0 or when.weekday() == 0:
            if index == 0 and any(_is_monday(later) for later in days[1 : 1 + math.ceil(44 / width)]):
                continue
            drawn.append(f'<text x="{index * width}" y="11">{when.day} {_month(when)}</text>')
    return _svg("axis", len(days) * width, 15, "days", drawn)


def verdict_row(days: Sequence[str], results: Sequence[CheckResult]) -> Markup:
    """Draw one check's verdicts, a mark for each day: small squares passed, everything else has a shape of its own."""
    width = cell_width(len(days))
    by_day = {result.day: result for result in results}
    paths: dict[str, list[str]] = {}
    told: dict[str, list[str]] = {}
    for index, day in enumerate(days):
        if (result := by_day.get(day)) is None:
            continue
        group = group_of(result)
        tone = "none" if result.verdict is Verdict.NO_HISTORY else MARKS[group]
        paths.setdefault(tone, []).append(_mark(tone, index * width, width))
        told.setdefault(_told(result), []).append(day_words(day))
    drawn = [f'<path class="m-{tone}" d="{"".join(found)}"/>' for tone, found in paths.items()]
    said = "; ".join(
        f"{word} on {count(len(found), 'day')}"
        + (f": {', '.join(found)}" if word != "passed" and len(found) < 8 else "")
        for word, found in told.items()
    )
    return _svg("verdicts", len(days) * width, 20, said, drawn)


def mark(tone: str) -> Markup:
    """Draw one mark of :func:`verdict_row`, for the legend."""
    return _drawn(
        f'<svg class="verdicts" width="20" height="20" aria-hidden="true">'
        f'<path class="m-{escape(tone)}" d="{_mark(tone, 0, 20)}"/></svg>'
    )


def histogram(bins: Sequence[tuple[float, float, int]]) -> Markup:
    """Draw rows by value; bins of unequal width by their density, so that areas are rows."""
    good = sorted((low, high, rows) for low, high, rows in bins if math.isfinite(low) and math.isfinite(high))
    if not good:
        return Markup("")
    good = _fewer(good)
    start, end = good[0][0], max(high for _, high, _ in good)
    widest = max(high - low for low, high, _ in good)
    if end <= start or not widest or not math.isfinite(end - start):
        good, start, end, widest = [(float(i), i + 1.0, rows) for i, (_, _, rows) in enumerate(good)], 0.0, len(good), 1
    density = [rows / max((high - low) / widest, 1e-3) for low, high, rows in good]
    most = max(density) or 1.0
    path = []
    for (low, high, _), tall in zip(good, density, strict=True):
        x, width = (low - start) / (end - start) * 240, max((high - low) / (end - start) * 240, 0.8)
        height = max(tall / most * 54, 1.0) if tall else 0.0
        if height:
            path.append(f"M{x:.1f} 56v{-height:.1f}h{max(width - 0.8, 0.6):.1f}V56z")
    total = sum(rows for _, _, rows in good)
    peak = good[density.index(max(density))]
    said = f"{count(total, 'row')} in {count(len(good), 'bin')}; most between {number(peak[0])} and {number(peak[1])}"
    drawn = f'<path class="f-hist" d="{"".join(path)}"/><path class="base" d="M0 56.5h240"/>'
    return _drawn(
        f'<svg class="hist" viewBox="0 0 240 57" preserveAspectRatio="none" role="img" aria-label="{escape(said)}">'
        f"{drawn}</svg>"
    )


def share_bar(share: float) -> Markup:
    """Draw a share of 1 as a bar."""
    width = max(0.0, min(1.0, share if math.isfinite(share) else 0.0)) * 100
    return _drawn(
        '<svg class="share" width="100%" height="6" aria-hidden="true"><rect class="f-none" width="100%" height="6"/>'
        f'<rect class="f-hist" width="{width:.1f}%" height="6"/></svg>'
    )


def _fewer(bins: list[tuple[float, float, int]]) -> list[tuple[float, float, int]]:
    each = math.ceil(len(bins) / BINS)
    parts = [bins[start : start + each] for start in range(0, len(bins), each)]
    return [(part[0][0], part[-1][1], sum(rows for _, _, rows in part)) for part in parts]


def _mark(tone: str, x: int, width: int) -> str:
    if width < 8:  # too narrow for shapes: the height tells
        tall = {"ok": 3, "none": 3, "dim": 8, "wait": 8, "warn": 12, "bad": 18}[tone]
        return f"M{x} 19v{-tall}h{width - 0.5}v{tall}z"
    middle, r = x + width / 2, min(width, 20) / 2 - 1.5
    if tone == "ok":
        return f"M{middle - r * 0.45:.1f} {10 - r * 0.45:.1f}h{r * 0.9:.1f}v{r * 0.9:.1f}h{-r * 0.9:.1f}z"
    if tone == "bad":
        return f"M{middle - r:.1f} {10 - r:.1f}h{2 * r:.1f}v{2 * r:.1f}h{-2 * r:.1f}z"
    if tone == "warn":
        return f"M{middle:.1f} {10 - r:.1f}l{r:.1f} {2 * r:.1f}h{-2 * r:.1f}z"
    if tone == "wait":
        r *= 0.8
        return f"M{middle - r:.1f} 10a{r:.1f} {r:.1f} 0 1 0 {2 * r:.1f} 0a{r:.1f} {r:.1f} 0 1 0 {-2 * r:.1f} 0z"
    if tone == "dim":
        return f"M{middle - r:.1f} 9h{2 * r:.1f}v2.4h{-2 * r:.1f}z"
    return f"M{middle - 1.4:.1f} 8.6h2.8v2.8h-2.8z"


def _told(result: CheckResult) -> str:
    if result.verdict is Verdict.FAILED:
        return "broken" if result.severity == "error" else "warning"
    return result.verdict.value


def _cell(kind: str, x: int, y: int) -> str:
    """Draw a day with a mark of its own: a cross for quarantined rows, two bars for held, a ring for pending."""
    mark = {
        "bad": f"M{x + 3} {y + 3}l5 5m0-5l-5 5",
        "held": f"M{x + 3.8} {y + 2.5}v6m3.4 0v-6",
        "wait": f"M{x + 3} {y + 5.5}a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0",
    }.get(kind)
    drawn = f'<rect class="c-{kind}" x="{x}" y="{y}" width="11" height="11"/>'
    return drawn + (f'<path class="mark" d="{mark}"/>' if mark else "")


def _bar(drawn: Sequence[str]) -> Markup:
    return _drawn(f'<svg class="bar" width="100%" height="{_DAY_HEIGHT}" aria-hidden="true">{"".join(drawn)}</svg>')


def _day_kind(day: DayResult) -> str:
    if day.disposition is Disposition.HELD:
        return "held"
    if day.disposition is Disposition.PENDING:
        return "wait"
    return "bad" if day.quarantined else "ok" if day.disposition is Disposition.PUBLISHED else "none"


def _month(when: date) -> str:
    return day_words(when.isoformat()).split(" ")[1]


def _is_monday(day: str) -> bool:
    when = parse_day(day)
    return when is not None and when.weekday() == 0


def _line(xs: Sequence[float], ys: Sequence[float], kind: str) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
    return f'<polyline class="{kind}" points="{points}"/>'


def _rect(kind: str, top: float, tall: float) -> str:
    return f'<rect class="{kind}" y="{top:.1f}" width="100%" height="{tall:.1f}"/>'


def _svg(kind: str, width: float, height: float, said: str, drawn: Sequence[str]) -> Markup:
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    return _drawn(f'<svg class="{kind}" {size} role="img" aria-label="{escape(visible(said))}">{"".join(drawn)}</svg>')


def _drawn(svg: str) -> Markup:
    return Markup(svg)  # noqa: S704  made here, of numbers and of escaped text
