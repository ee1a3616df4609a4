"""What the loop's ledger says, for people: a line for each entry, and the evidence as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from ray_pipeline.retrain.records import Kind, LoopEntry
from ray_pipeline.runtime.models.words import MEASURES, aligned, measure
from ray_pipeline.text import count

SHOWN = 19


def log_rows(entries: Sequence[LoopEntry]) -> list[tuple[str, ...]]:
    """Return the ledger as a table, its head first."""
    rows: list[tuple[str, ...]] = [("entry", "at", "what", "run", "version", "why")]
    for one in entries:
        version = "" if one.challenger is None else f"{one.model}/{one.challenger}"
        rows.append((str(one.number), moment(one.at), one.kind.replace("_", " "), one.run or "", version, one.reason))
    return rows


def log_lines(entries: Sequence[LoopEntry]) -> Iterator[str]:
    """Yield a line for each entry."""
    if not entries:
        yield "nothing was decided yet; `ray-pipeline retrain run` takes the first step"
        return
    yield from aligned(log_rows(entries))


def rows_html(rows: Sequence[Sequence[str]]) -> str:
    """Return a table of text for a notebook, its head first."""
    head, *body = rows
    titles = "".join(f"<th style='text-align:left'>{escape(cell)}</th>" for cell in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in body)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table>"


def moment(text: str) -> str:
    """Return a moment without what is less than a second.

    >>> moment("2013-04-01T00:00:00.000001Z")
    '2013-04-01T00:00:00Z'
    """
    return f"{text[:SHOWN]}Z"


def explained(entry: LoopEntry) -> Iterator[str]:
    """Yield an entry with its evidence as sentences; what follows the first is indented."""
    about = "" if entry.run is None else f", run {entry.run}"
    yield f"{entry.number}  {moment(entry.at)}  {entry.kind.replace('_', ' ')}{about}: {entry.reason}"
    for sentence in _evidence(entry):
        yield f"    {sentence}"
    yield f"    written by {entry.who} at {moment(entry.written_at)}, under policy {entry.policy}"


def _evidence(entry: LoopEntry) -> Iterator[str]:
    found = entry.evidence
    if isinstance(signal := found.get("signal"), Mapping):
        yield from _signal(signal)
    if entry.kind in (Kind.TRIGGERED, Kind.WAITING):
        yield from _case(found)
    if entry.kind == Kind.TRAINED:
        yield from _training(found)
    if isinstance(judgement := found.get("judgement"), Mapping) and entry.kind != Kind.REFUSED:
        yield from _judgement(judgement, found)
    if (until := found.get("watch_until")) is not None:
        yield f"the version before answers beside it until {moment(str(until))}"
    if found.get("baselines"):
        yield f"drift is watched against new baselines: {', '.join(map(str, found['baselines']))}"
    if (error := found.get("error")) is not None:
        yield f"it ended with {error}; the champion is what it was"


def _signal(found: Mapping[str, Any]) -> Iterator[str]:
    if found.get("excess") is None:
        return
    low, high = (found.get(name) for name in ("low", "high"))
    ends = f", interval {low:+.4f} to {high:+.4f}" if low is not None and high is not None else ""
    yield f"log loss above its own by {found['excess']:+.4f}{ends}"
    yield f"on {count(int(found['rows']), 'row')} of {count(int(found['days']), 'day')}"


def _case(found: Mapping[str, Any]) -> Iterator[str]:
    for name, since in dict(found.get("armed") or {}).items():
        yield f"{name} is armed since {moment(str(since))}"
    for signal in found.get("signals") or ():
        yield f"{signal['name']}: {signal['said']}"
    if found.get("new_labels") is not None:
        yield count(int(found["new_labels"]), "new label")
    for reason in found.get("gate") or ():
        yield f"gate: {reason}"


def _training(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"training set {found['training_set']}, labels published by {moment(str(found['labels_by']))}"
    for split in found.get("splits") or ():
        rows = count(int(split.get("rows", 0)), "row")
        yield f"{split['name']}: asked from {moment(split['from'])} to {moment(split['to'])}, {rows}"
    for split, metrics in dict(found.get("metrics") or {}).items():
        said = ", ".join(f"{shown} {measure(metrics.get(name))}" for name, shown in MEASURES.items() if name in metrics)
        yield f"on {split}: {said}"
    yield f"the model's file is {str(found['model_sha256'])[:12]}…"


def _judgement(found: Mapping[str, Any], around: Mapping[str, Any]) -> Iterator[str]:
    first, second = around.get("first", "the first"), around.get("second", "the second")
    rows, days = count(int(found["rows"]), "row"), count(int(found["days"]), "day")
    asked = around.get("asked")
    when = f", asked from {moment(asked[0])} to {moment(asked[1])}" if asked else ""
    yield f"judged on {rows} of {days}{when}"
    for name in ("log_loss", "auc", "brier"):
        one, other = (dict(found[which] or {}).get(name) for which in ("first", "second"))
        if one is None or other is None:
            continue
        difference = measure(dict(found["difference"]).get(name), 4, "+")
        yield f"{MEASURES[name]}: {first} {one:.4f}, {second} {other:.4f}, difference {difference}"
    if found.get("bound") is not None:
        yield (
            f"the log loss of {second} minus that of {first} is below {found['bound']:+.4f} by {found['level']:.1%} "
            f"confidence, days drawn {count(int(found['resamples']), 'time')}"
        )
    if around.get("seen_before"):
        yield f"{count(int(around['seen_before']), 'row')} left out: a version was fitted to them"
    if around.get("rows_of"):
        yield f"the rows are those of {', '.join(around['rows_of'])}"
    for shown, sha256 in dict(around.get("model_sha256") or {}).items():
        yield f"{shown} is the file {str(sha256)[:12]}…"
