"""``ray-pipeline features build``, ``backfill`` and ``show``: the offline tables of features."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ray_pipeline.text import count, visible

from .console import note, out, print_json, print_line, progress
from .features_online import backfill_states
from .options import ConfigOption, Output, OutputOption, SetOption

if TYPE_CHECKING:
    from ray_pipeline.runtime.features.show import FeatureShown, FeaturesShown, ViewShown

ViewsArgument = Annotated[list[str] | None, typer.Argument(metavar="VIEW", help="Some views; else all.")]
RunIdOption = Annotated[
    str | None, typer.Option("--run-id", metavar="ID", help="Names the run: what it published it never does again.")
]
RayOption = Annotated[
    str | None,
    typer.Option("--ray-address", help="A Ray cluster; else RAY_ADDRESS, else a private Ray on this machine."),
]


def build(
    views: ViewsArgument = None,
    run_id: RunIdOption = None,
    recreate: Annotated[
        bool, typer.Option("--recreate", help="Build everything anew; a feature may have another type than before.")
    ] = False,
    ray_address: RayOption = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Compute features from what was curated since the last build, and publish each view's table once."""
    _run(config, sets, output, views=views, run_id=run_id, recreate=recreate, ray_address=ray_address)


def backfill(
    views: ViewsArgument = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="The first day, as 2013-02-01; else the first there is."),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Up to, and without, this day; else the last there is.")
    ] = None,
    online: Annotated[
        bool, typer.Option("--online", help="Write the online values of stream-fed views instead, all that count.")
    ] = False,
    run_id: RunIdOption = None,
    ray_address: RayOption = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Compute the days of a range once more, beside what is new: the same rows come out, whatever happened before.

    With --online: write from the commit logs the very values, under the same offsets, that a run writes; it may go on
    beside one. Exits 3 where the online store did not take all of them.
    """
    if online:
        for given, option in ((start, "--from"), (end, "--to"), (run_id, "--run-id"), (ray_address, "--ray-address")):
            if given is not None:
                raise typer.BadParameter("is about the offline tables; leave it out beside --online", param_hint=option)
        backfill_states(config, sets, output, views)
    first, last = day_option(start, "--from"), day_option(end, "--to")
    if first is None and last is None:
        first = datetime(1, 1, 1, tzinfo=UTC)
    _run(config, sets, output, views=views, run_id=run_id, start=first, end=last, ray_address=ray_address)


def show(
    views: ViewsArgument = None,
    days: Annotated[
        int, typer.Option("--days", min=1, help="Distributions are over so many of the newest days that have rows.")
    ] = 31,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show how fresh each view is, how far it reaches, and how its features are distributed."""
    from ray_pipeline.config import load_config
    from ray_pipeline.runtime.features.show import show_features

    shown = show_features(load_config(config, sets or ()), views, days=days)
    if output is Output.JSON:
        print_json(shown.to_json())
        return
    print_shown(shown)


def day_option(text: str | None, option: str) -> datetime | None:
    """Return the moment that a person wrote; a date is its beginning in UTC."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day; write 2013-02-01", param_hint=option) from None
    if found.tzinfo is None and len(text) > len("2013-02-01"):
        raise typer.BadParameter("needs its offset from UTC, as in 2013-02-25T06:00:00Z", param_hint=option)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def print_shown(shown: FeaturesShown) -> None:
    """Print every view with a table of its features."""
    if not shown.views:
        print_line("there is no view")
    for view in shown.views:
        for line in _lines(view):
            print_line(visible(line))
        _print_features(view)


def _run(config: Any, sets: list[str] | None, output: Output, **options: Any) -> None:
    from ray_pipeline.config import load_config
    from ray_pipeline.runtime.jobs.features_build import build_features
    from ray_pipeline.runtime.stop_signals import term_as_interrupt

    settings = load_config(config, sets or ())
    with term_as_interrupt(), progress("computing") as bar:
        report = build_features(
            settings,
            on_message=note if output is Output.JSON else None,
            on_progress=lambda it: bar(it.units, it.of, f"parts ({it.rows:,} rows)"),
            **options,
        )
    if output is Output.JSON:
        print_json(report.to_json())
    else:
        for line in str(report).splitlines():
            print_line(visible(line))
    raise typer.Exit(report.outcome)


def _lines(view: ViewShown) -> list[str]:
    lines = [f"{view.view} (of {view.dataset})" + (f": {view.note}" if view.note else "")]
    if view.snapshot_id is None:
        return lines
    age = "" if view.age_seconds is None else f", {_duration(view.age_seconds)} ago"
    behind = f"; {count(view.curated_rows_behind, 'curated row')} behind" if view.curated_rows_behind else ""
    lines.append(f"  newest event  {view.horizon}{age}{behind}")
    covered = "" if view.coverage is None else f", {view.coverage:.0%} of the days between"
    lines.append(
        f"  rows          {view.rows:,} on {count(view.days_with_rows, 'day')}, {view.first_day} to {view.last_day}"
        f"{covered}"
    )
    lines.append(
        f"  entities      {view.entities:,} since {view.shown_from} ({count(view.shown_rows, 'row')}); "
        f"build {view.build}, snapshot {view.snapshot_id}"
    )
    return lines


def _print_features(view: ViewShown) -> None:
    if not view.shown_rows:
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2))
    for name, justify in (("  feature", "left"), ("null", "right"), ("min", "right"), ("mean", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for name in ("max", "p5", "p50", "p95"):
        table.add_column(name, justify="right")
    if with_top := any(feature.top for feature in view.features):
        table.add_column("most frequent")
    for feature in view.features:
        cells = [visible(cell) for cell in _cells(feature)]
        table.add_row(*(cells if with_top else cells[:-1]))
    out().print(table)


def _cells(one: FeatureShown) -> list[str]:
    show_number = _moment if one.type == "timestamp" else _number
    numbers = [one.least, one.mean, one.greatest, *(one.quantiles.get(name) for name in ("p5", "p50", "p95"))]
    null = "" if one.null_share is None else f"{one.null_share:.1%}"
    top = ", ".join(f"{value} {share:.0%}" for value, share in one.top)
    return [f"  {one.name}", null, *("" if n is None else show_number(n) for n in numbers), top]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:,.4g}"


def _moment(micros: float) -> str:
    try:
        return datetime.fromtimestamp(micros / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError):  # past Python's calendar
        return f"{micros:.0f} µs"


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if abs(seconds) >= 2 * size:
            return count(round(seconds / size), unit)
    return count(round(seconds), "second")
