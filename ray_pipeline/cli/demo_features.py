"""What the demo prints of its features: the offline tables, one answer online, the training set, and the comparison."""

from __future__ import annotations

import textwrap
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ray_pipeline.text import count, visible

from .console import out, print_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ray_pipeline.demo.features import FeatureStory

TABLE_WIDTH = 110
_INDENT = 24


def print_features(story: FeatureStory) -> None:
    """Print what became features, and what they are good for."""
    from rich.table import Table

    console = out()
    width = min(console.width, TABLE_WIDTH)
    table = Table(title="What became features, each view defined once", title_justify="left")
    table.add_column("view")
    table.add_column("of")
    for column in ("events", "rows", "days"):
        table.add_column(column, justify="right")
    table.add_column("online")
    online = {view.view: view.compared for view in story.skew.views}
    for view in story.built.views:
        known = count(online.get(view.view, 0), "entity", "entities")
        table.add_row(view.view, view.dataset, f"{view.events:,}", f"{view.rows:,}", f"{view.days:,}", known)
    print_line()
    console.print(table, width=width)
    print_line(visible(_question(story)))
    for name, text in _answer(story):
        lines = textwrap.wrap(text, width - _INDENT, break_on_hyphens=False)
        for number, line in enumerate(lines):
            print_line(visible(f"{name if number == 0 else '':<{_INDENT}}{line}"))
    print_line()
    for line in textwrap.wrap(_compared(story), width):
        print_line(visible(line))
    for line in textwrap.wrap(_training(story), width):
        print_line(visible(line))


def _question(story: FeatureStory) -> str:
    asked, moment = story.question, story.answer.as_of
    leaves = asked["scheduled_departure_at"]
    now = "" if moment is None else f", as of {moment:%Y-%m-%d %H:%M} UTC"
    return (
        f"Will {asked['carrier']} from {asked['origin']} to {asked['destination']}, {asked['tail_number']}, scheduled "
        f"for {leaves:%Y-%m-%d %H:%M} UTC, be late? Online{now}:"
    )


def _answer(story: FeatureStory) -> Iterator[tuple[str, str]]:
    """Yield each view with its values, in the service's order."""
    views: dict[str, list[str]] = {}
    for name, found in story.answer.features.items():
        view, _, feature = name.partition("__")
        said = _value(found.value) if found.status == "PRESENT" else found.status.value
        views.setdefault(view, []).append(f"{feature}={said}".replace(" ", "\u00a0"))
    for view, values in views.items():
        yield view, " ".join(values)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%MZ}"
    return "null" if value is None else str(value)


def _compared(story: FeatureStory) -> str:
    views = story.skew.views
    same, different = sum(view.same for view in views), sum(view.different for view in views)
    behind = sum(view.online_behind + view.offline_behind for view in views)
    said = f"Online and offline compared: {count(same, 'entity', 'entities')} the same"
    if different:
        said += f", {different:,} different"
    if behind:
        said += f", {behind:,} known to one side only yet"
    return f"{said}. What the gate set aside or holds back is online, for it landed, and not offline."


def _training(story: FeatureStory) -> str:
    if story.training is None:
        return "No training set: nothing of departures was published."
    manifest = story.training.manifest
    splits = ", ".join(
        f"{one['name']} {one['rows']:,}" + ("" if one["label_rate"] is None else f" ({one['label_rate']:.0%} late)")
        for one in manifest["splits"]
    )
    left = ", ".join(f"{number:,} {reason}" for reason, number in manifest["excluded"].items() if number)
    said = f"Training set {story.training.name}: {manifest['rows']:,} of {count(manifest['questions'], 'question')}"
    return f"{said}; {splits}. Left out: {left or 'none'}. SHA-256 {manifest['file']['sha256'][:16]}…"
