"""``ray-pipeline drift``: whether data, and a model's errors, are still as they were at training."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ray_pipeline.text import visible

from .console import note, print_json, print_line
from .options import ConfigOption, Output, OutputOption, SetOption

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.runtime.drift.baselines import WatchedBaseline
    from ray_pipeline.runtime.drift.standing import WatchReport

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Say whether data and a model's errors are still as they were at training.",
)

AtOption = Annotated[
    str | None, typer.Option("--at", metavar="TIME", help="The clock, as 2013-04-08T00:00:00Z; else now.")
]
PartsOption = Annotated[
    int, typer.Option("--parts", min=1, max=256, metavar="N", help="Readers that share the counting.")
]
SubjectsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="DATASET", help="Some datasets; else all that have a baseline.")
]


@app.command()
def baseline(
    dataset: Annotated[
        str | None, typer.Argument(metavar="[DATASET]", help="Its landed rows of some days become the baseline.")
    ] = None,
    first: Annotated[str | None, typer.Option("--from", metavar="DAY", help="The first event day, UTC.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="DAY", help="The day after the last one.")] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="WHICH", help="A version instead: champion, challenger, latest, 3 or NAME/3."),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stands in the log.")] = "",
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Keep what later data is compared with: landed days of DATASET, or what a model version was trained on.

    With --model its answers get the version's own baseline, and every input dataset one of its training days. Windows
    that close from now on are compared with it; what was said of earlier ones stays.
    """
    settings = _settings(config, sets)
    if model is not None:
        if dataset is not None:
            raise typer.BadParameter("name a dataset or a model, not both", param_hint="--model")
        made = _of_model(settings, model, first, until)
    elif dataset is None:
        raise typer.BadParameter("name a dataset, or a version with --model champion", param_hint="DATASET")
    else:
        made = (_of_dataset(settings, dataset, first, until, reason),)
    from ray_pipeline.runtime.drift.standing import baseline_json

    if output is Output.JSON:
        print_json([{"subject": one.subject} | baseline_json(one) for one in made])
        return
    for one in made:
        facts = baseline_json(one)
        of = "" if one.model is None else f" of {one.model}"
        print_line(
            visible(
                f"{one.subject}: baseline {one.number}{of}, {one.first_day} up to {one.until_day}: "
                f"{facts['rows']:,} rows of {facts['days']} days, {len(one.baseline.names)} columns"
            )
        )
        for said in one.notices:
            note(f"{one.subject}: {said}")


@app.command()
def watch(
    datasets: SubjectsArgument = None,
    every: Annotated[
        float | None, typer.Option("--every", min=0.5, metavar="SECONDS", help="Again and again, by an actor on Ray.")
    ] = None,
    at: AtOption = None,
    parts: PartsOption = 1,
    ray_address: Annotated[
        str | None,
        typer.Option("--ray-address", help="With --every: a Ray cluster; else RAY_ADDRESS, else a private Ray here."),
    ] = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Close every window that is over: judge it by its baseline, once and for all, and say what moved.

    It may be run as often as one likes, at the same time too. Exits 0 without alarm, 1 in alarm, 3 where nothing can be
    said; with --every it runs until Ctrl-C or SIGTERM, and exits 0.
    """
    settings = _settings(config, sets)
    if every is not None:
        if at is not None:
            raise typer.BadParameter("with --every it is always now", param_hint="--at")
        from ray_pipeline.runtime.drift.actor import watch_forever

        watch_forever(
            settings,
            every,
            parts=parts,
            subjects=datasets or (),
            ray_address=ray_address,
            on_report=lambda found: _print_watch(found, output, quiet=True),
            on_message=note,
        )
        return
    from ray_pipeline.runtime.drift.watch import watch as close_windows

    found = close_windows(settings, now=_moment(at), parts=parts, subjects=datasets or ())
    _print_watch(found, output)
    raise typer.Exit(int(found.outcome))


@app.command()
def status(
    datasets: SubjectsArgument = None,
    at: AtOption = None,
    metrics: Annotated[bool, typer.Option("--metrics", help="The same numbers as Prometheus reads them.")] = False,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show for each dataset its baseline, its last window, what moved, late rows; and how the champion errs.

    Exits 0 without alarm, 1 in alarm, 3 where a dataset cannot be told: no baseline, no window, too few rows.
    """
    from ray_pipeline.runtime.drift.status import status as drift_status

    found = drift_status(_settings(config, sets), now=_moment(at), subjects=datasets or ())
    if metrics:
        from ray_pipeline.runtime.drift.metrics import prometheus

        for line in prometheus(found).splitlines():
            print_line(visible(line))
    elif output is Output.JSON:
        print_json(found.to_json())
    else:
        _print_lines(found.as_lines())
    raise typer.Exit(int(found.outcome))


@app.command()
def explain(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="What is watched.")],
    column: Annotated[str | None, typer.Argument(metavar="[COLUMN]", help="One column; else those that moved.")] = None,
    window: Annotated[
        str | None, typer.Option("--window", metavar="DAY", help="The closed window with this day; else the last one.")
    ] = None,
    parts: PartsOption = 1,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Explain a closed window: which bins gained and lost, since when, and in which files and offsets its rows are."""
    from ray_pipeline.runtime.drift.explain import explain as explain_window

    found = explain_window(
        _settings(config, sets),
        dataset,
        column,
        window=None if window is None else _day(window, "--window"),
        parts=parts,
    )
    if output is Output.JSON:
        print_json(found.to_json())
    else:
        _print_lines(found.as_lines())


@app.command()
def report(
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the page here too.", dir_okay=False)
    ] = None,
    at: AtOption = None,
    parts: PartsOption = 1,
    config: ConfigOption = None,
    sets: SetOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Draw each column's baseline and last window over each other, window by window, as one HTML file.

    It is kept in the store, and its path is printed. Exits as `drift status`.
    """
    from ray_pipeline.runtime.drift.page import write_page

    found = write_page(_settings(config, sets), now=_moment(at), parts=parts)
    if out is not None:
        try:
            out.write_text(found.html, "utf-8")
        except OSError as error:
            raise typer.BadParameter(f"cannot be written: {error.strerror}", param_hint="--out") from None
    where = found.uri if out is None else str(out)
    if output is Output.JSON:
        print_json({"outcome": int(found.status.outcome), "report": where, "stored": found.uri})
    else:
        print_line(visible(where))
    raise typer.Exit(int(found.status.outcome))


def _of_model(
    settings: PipelineConfig, which: str, first: str | None, until: str | None
) -> tuple[WatchedBaseline, ...]:
    from ray_pipeline.runtime.curated import whoami
    from ray_pipeline.runtime.drift.baselines import follow_champion
    from ray_pipeline.runtime.drift.errors_watch import watched_model
    from ray_pipeline.runtime.models.promotion import open_registry

    registry = open_registry(settings)
    name, slash, version = which.rpartition("/")
    manifest = registry.resolve(name if slash else watched_model(settings, registry), version)
    return follow_champion(
        settings,
        who=whoami(),
        manifest=manifest,
        first_day=None if first is None else _day(first, "--from"),
        until_day=None if until is None else _day(until, "--until"),
    )


def _of_dataset(
    settings: PipelineConfig, dataset: str, first: str | None, until: str | None, reason: str
) -> WatchedBaseline:
    from ray_pipeline.runtime.curated import whoami
    from ray_pipeline.runtime.drift.baselines import dataset_baseline

    settings.dataset(dataset)
    if first is None or until is None:
        raise typer.BadParameter("of which days? say --from DAY and --until DAY", param_hint="--from")
    start, end = _day(first, "--from"), _day(until, "--until")
    if start >= end:
        raise typer.BadParameter(f"{end} is not after {start}", param_hint="--until")
    return dataset_baseline(settings, dataset, start, end, who=whoami(), reason=reason)


def _print_watch(found: WatchReport, output: Output, *, quiet: bool = False) -> None:
    """Print what was closed; with ``quiet`` nothing where nothing was."""
    if quiet and not found.closed:
        return
    if output is Output.JSON:
        print_json(found.to_json())
    else:
        _print_lines(found.as_lines())


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print_line(visible(line))


def _day(text: str, option: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day; write 2013-04-01", param_hint=option) from None


def _moment(text: str | None) -> datetime | None:
    from .gate import moment

    return moment(text)


def _settings(config: Path | None, sets: list[str] | None) -> PipelineConfig:
    from ray_pipeline.config import load_config

    return load_config(config, sets or ())


def _mount() -> None:
    """Take `drift compare` from its own file, which needs no configuration and no lake."""
    from .drift_compare import compare

    app.command()(compare)


_mount()
