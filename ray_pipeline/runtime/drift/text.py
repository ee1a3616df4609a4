"""Drift in words: for terminals, for notebooks, for logs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from ray_pipeline.text import count, visible

if TYPE_CHECKING:
    from ray_pipeline.drift.verdict import ColumnVerdict
    from ray_pipeline.runtime.drift.log import AlarmState, WindowRecord

NO_BASELINE = "nothing has a baseline to be compared with yet; `ray-pipeline drift baseline` makes one"
NOTHING = "–"
_NAMED = 5


def sentence(record: WindowRecord) -> str:
    """Say what was found of a window."""
    found = record.verdict
    head = f"{found.subject} {found.window}: {count(found.rows, 'row')}, "
    if found.drift is None:
        return head + "nothing can be said: " + why_not(record)
    if not found.drift:
        return head + "as usual; " + alarm_words(record.alarm)
    return f"{head}moved: {moved_words(record)}; {alarm_words(record.alarm)}"


def moved_words(record: WindowRecord) -> str:
    """Return the columns that moved, the farthest first."""
    moved = [column_words(one) for one in record.verdict.moved]
    more = [f"and {len(moved) - _NAMED} more"] if len(moved) > _NAMED else []
    return ", ".join([*moved[:_NAMED], *more])


def column_words(one: ColumnVerdict) -> str:
    """Return a column with how far it moved, and how rare that is."""
    p = one.p_adjusted
    if one.missing_p_adjusted is not None and (p is None or one.missing_p_adjusted < p):
        p = one.missing_p_adjusted
    return f"{one.name} (effect {figure(one.effect)}, p {figure(p)})"


def why_not(record: WindowRecord) -> str:
    """Return why nothing can be said of a window."""
    found = record.verdict
    said = dict.fromkeys([*(one.reason for one in found.columns if one.reason), *found.notices])
    return next(iter(said), "no column can be judged")


def alarm_words(found: AlarmState) -> str:
    """Say whether there is an alarm."""
    if not found.fired or found.since is None:
        return "no alarm"
    return f"ALARM since {found.since.first} ({', '.join(found.columns)})"


def figure(value: float | None, places: int = 3) -> str:
    """Return a figure, or a dash where there is none.

    >>> figure(0.12345), figure(None), figure(0.00002)
    ('0.123', '–', '< 0.001')
    """
    if value is None:
        return NOTHING
    least = 10.0**-places
    return f"< {least:g}" if 0 < abs(value) < least else f"{value:.{places}f}"


def share(value: float | None) -> str:
    """Return a share of 1 in percent."""
    return NOTHING if value is None else f"{value:.1%}"


def moment(us: int) -> str:
    """Return a moment as people and programs read it, to the second.

    >>> moment(1_360_022_400_000_000)
    '2013-02-05T00:00:00Z'
    """
    return datetime.fromtimestamp(us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def aligned(rows: Sequence[Sequence[str]], *, texts: int = 1) -> list[str]:
    """Return rows as lines: the first ``texts`` cells begin below each other, the others end below each other."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    found = []
    for row in rows:
        cells = [
            f"{cell:<{width}}" if place < texts else f"{cell:>{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        found.append("  ".join(cells).rstrip())
    return found


def table_html(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as a table; the first is its head."""
    head = "".join(f"<th>{escape(visible(cell))}</th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(visible(cell))}</td>" for cell in row) + "</tr>" for row in rows[1:])
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def lines_html(title: str, lines: Sequence[str]) -> str:
    """Return lines below a title."""
    said = "<br>".join(escape(visible(line)) for line in lines)
    return f"<div><b>{escape(visible(title))}</b><br>{said}</div>"
