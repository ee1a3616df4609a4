"""The verdict of a run in words: what happened, in one sentence, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from ray_pipeline.contracts.expectations import SupportChannel
from ray_pipeline.sla.result import DatasetResult, Disposition, GateReport, Verdict
from ray_pipeline.text import count

from .tally import all_results, totals_of
from .words import listed


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom to tell about which datasets."""

    channel: SupportChannel
    datasets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A command that is worth running next, and why."""

    why: str
    command: str


def headline(report: GateReport) -> str:
    """Return what matters most about a run, in a few words.

    It names what was held back before what was quarantined, and never says that all is well where something could
    not be judged.
    """
    parts = [f"Could not be judged in full: {_names(_unjudged(report))}."] if _unjudged(report) else []
    totals = totals_of(report)
    if held := _days(report, Disposition.HELD):
        parts.append(f"{'Would be held' if report.dry_run else 'Held'} back: {held}.")
    elif totals.quarantined:
        rows = count(totals.quarantined, "row")
        rest = "" if totals.days_pending else ", the rest holds"
        parts.append(f"{rows} {'would be ' if report.dry_run else ''}quarantined{rest}.")
    elif broken := _broken(report):
        parts.append(f"Broken: {_names(broken)}.")
    if not parts and (pending := _days(report, Disposition.PENDING)):
        parts.append(f"Nothing broken; waiting: {pending}.")
    if not parts and not (totals.published or totals.new_rows):
        parts.append(_nothing_new(report))
    return " ".join(parts) or "Everything holds."


def counts(report: GateReport) -> str:
    """Return what became of the rows: of those that were judged in one sentence, then of released ones."""
    released, refused = (sum(getattr(one, name) for one in report.datasets) for name in ("released", "refused"))
    said = [_counts(report)] if report.datasets and not _only_releases(report) else []
    if released:
        said.append(f"{count(released, 'released row')} {'would be ' if report.dry_run else ''}published.")
    if refused:
        still = "still breaks its checks and stays" if refused == 1 else "still break their checks and stay"
        said.append(f"{count(refused, 'released row')} {still} quarantined.")
    return " ".join(said) or _counts(report)


def _counts(report: GateReport) -> str:
    totals = totals_of(report)
    if not (totals.published or totals.quarantined or totals.held):
        inspected = sum(
            day.rows for one in report.datasets for day in one.days if day.disposition is Disposition.INSPECTED
        )
        return f"{count(inspected, 'row')} inspected, none published." if inspected else "No rows were decided on."
    would = "would be " if report.dry_run else ""
    more = [f"{totals.quarantined:,} quarantined"] * bool(totals.quarantined)
    held = totals.held - totals.pending
    more += [f"{held:,} held"] * bool(held)
    more += [f"{totals.pending:,} waiting"] * bool(totals.pending)
    return ", ".join([f"{count(totals.published, 'row')} {would}published", *more]) + "."


def summary(report: GateReport) -> str:
    """Return the verdict of a run: ``Held back: 1 day of departures. 17,034 rows published, 411 held.``"""
    return f"{headline(report)} {counts(report)}"


def remark(report: GateReport) -> str:
    """Return what a reader must know before anything else; empty for an ordinary run."""
    if report.repeated:
        return "This run id was decided before: nothing was done now, this is what was found then."
    days = [day for dataset in report.datasets for day in dataset.days]
    if days and all(day.disposition is Disposition.INSPECTED for day in days):
        return "Files that others wrote: they were judged, and nothing was published or kept."
    return "A dry run: nothing was published, quarantined or held." if report.dry_run else ""


def troubled(dataset: DatasetResult) -> bool:
    """Return whether somebody has to look at a dataset: an error check broke, or a part could not be judged."""
    broken = any(result.broken for result in all_results(dataset))
    held = any(day.disposition is Disposition.HELD for day in dataset.days)
    return broken or held or _is_unjudged(dataset)


def contacts(report: GateReport) -> list[Contact]:
    """Return whom to tell, each channel once."""
    found: dict[SupportChannel, list[str]] = {}
    for dataset in report.datasets:
        for channel in dataset.support if troubled(dataset) else ():
            found.setdefault(channel, []).append(dataset.dataset)
    return [Contact(channel, tuple(names)) for channel, names in found.items()]


def show_command(dataset: str, day: str, check: str) -> str:
    """Return the command that shows the rows of a day that a check put into the quarantine."""
    return _command("quarantine", "show", dataset, "--day", day, "--check", check)


def next_steps(report: GateReport) -> list[Step]:
    """Return what to run next, at most two commands a dataset; nothing for a run that changed nothing."""
    steps = []
    for dataset in () if report.dry_run else report.datasets:
        name = dataset.dataset
        rows = sum(day.quarantined for day in dataset.days)
        if rows:
            why = f"look at the {count(rows, 'quarantined row')} of {name}"
            steps.append(Step(why, _command("quarantine", "list", name)))
        held = [day.day for day in dataset.days if day.disposition is Disposition.HELD]
        if held:
            why = f"publish {held[0]} of {name} as it is, if somebody answers for it"
            steps.append(Step(why, held_command(name, held[0])))
    return steps


def held_command(dataset: str, day: str) -> str:
    """Return the command that publishes a held day all the same."""
    return _command("held", "release", dataset, day, "--reason") + " TEXT"


def _command(*words: str) -> str:
    return shlex.join(("ray-pipeline", *words))


def _only_releases(report: GateReport) -> bool:
    totals = totals_of(report)
    decided = totals.published or totals.quarantined or totals.held
    return not decided and any(dataset.released or dataset.refused for dataset in report.datasets)


def _nothing_new(report: GateReport) -> str:
    """Say whether there is anything at all: an address that is mistyped looks like a lake where nothing landed."""
    known = any(one.landed or one.days or one.problems for one in report.datasets)
    return "Nothing new to judge." if known or not report.datasets else "Nothing has landed yet."


def _days(report: GateReport, disposition: Disposition) -> str:
    found = []
    for dataset in report.datasets:
        number = sum(day.disposition is disposition for day in dataset.days)
        if number:
            found.append(f"{count(number, 'day')} of {dataset.dataset}")
    return _shortened(found)


def _unjudged(report: GateReport) -> list[str]:
    return [dataset.dataset for dataset in report.datasets if _is_unjudged(dataset)]


def _is_unjudged(dataset: DatasetResult) -> bool:
    results = all_results(dataset)
    return bool(dataset.problems) or any(
        result.severity == "error" and result.verdict is Verdict.UNKNOWN for result in results
    )


def _broken(report: GateReport) -> list[str]:
    return [
        f"{result.name or result.check} of {dataset.dataset}"
        for dataset in report.datasets
        for result in {result.check: result for result in all_results(dataset) if result.broken}.values()
    ]


def _names(names: Sequence[str]) -> str:
    return _shortened(names)


def _shortened(names: Sequence[str], most: int = 4) -> str:
    return listed(names if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1} more"])
