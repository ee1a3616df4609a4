"""A model's performance for people: as lines for a terminal, as a fragment for a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from ray_pipeline.features.training_spec import moment_text
from ray_pipeline.text import count

if TYPE_CHECKING:
    from ray_pipeline.model.metrics import Measure
    from ray_pipeline.runtime.predictions.performance import Performance, PerformanceReport

_NOTHING = "–"
_INTERVALS = "95 % intervals: all and versions by a bootstrap over days, one day by one over its rows"


def as_lines(report: PerformanceReport) -> Iterator[str]:
    """Yield the report for a terminal."""
    fates = report.total.fates
    which = report.model if report.version is None else f"{report.model}/{report.version}"
    yield f"model         {which}: {count(fates.predictions, 'prediction')}"
    yield f"labels        {', '.join(report.label_sets)}, from {', '.join(report.outcomes)}; {_judged(report)}"
    yield from _counts(report)
    if fates.predictions:
        yield ""
        yield from _aligned(_rows(report))
        yield _INTERVALS
    for notice in report.notices:
        yield f"notice: {notice}"


def as_html(report: PerformanceReport) -> str:
    """Return what a notebook shows; colours are the notebook's own."""
    which = report.model if report.version is None else f"{report.model}/{report.version}"
    head, *rows = _rows(report)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    table = f"<table><thead><tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr></thead>"
    said = "; ".join(line.replace("  ", " ").strip() for line in _counts(report))
    notices = "".join(f"<p>{escape(notice)}</p>" for notice in report.notices)
    return (
        f"<div><b>{escape(which)}</b>: {count(report.total.fates.predictions, 'prediction')}, "
        f"{escape(_judged(report))}<br>{escape(said)}{table}<tbody>{body}</tbody></table>"
        f"<small>{_INTERVALS}</small>{notices}</div>"
    )


def metrics_line(found: Mapping[str, Any]) -> str:
    """Return metrics, as a manifest has them, in one line.

    >>> metrics_line({"rows": 40, "auc": {"value": 0.71, "low": 0.65, "high": 0.77}, "brier": {"value": 0.15}})
    '40 rows, AUC 0.710 [0.650, 0.770], Brier 0.150'
    """
    said = [count(int(found["rows"]), "row")] if "rows" in found else []
    for name, shown in (("auc", "AUC"), ("log_loss", "log loss"), ("brier", "Brier")):
        one = found.get(name)
        if isinstance(one, Mapping):
            said.append(f"{shown} {_interval(one.get('value'), one.get('low'), one.get('high'))}")
    return ", ".join(said)


def _judged(report: PerformanceReport) -> str:
    if report.watermark_us is None:
        return "no outcome has landed yet, so no deadline has passed"
    return f"{report.deadline_hours:g} hours after the moment asked, judged at {moment_text(report.watermark_us)}"


def _counts(report: PerformanceReport) -> Iterator[str]:
    fates = report.total.fates
    matured = "" if fates.matured is None else f" ({fates.matured:.1%} of those that may get one)"
    yield f"  labelled    {fates.labelled:,}{matured}"
    yield f"  waiting     {fates.waiting:,}"
    yield f"  overdue     {fates.overdue:,}"
    for kind, number in fates.without_label().items():
        if number or kind in fates.unlabelled:
            yield f"  {kind:<10}  {number:,}"
    if report.repeated:
        yield f"{count(report.repeated, 'answer')} more to requests that had one; the first counts"
    if report.replaced:
        yield f"{count(report.replaced, 'outcome')} replaced by a correction"
    if report.repeated_outcomes:
        yield f"{count(report.repeated_outcomes, 'outcome')} published again, unchanged"


def _rows(report: PerformanceReport) -> list[tuple[str, ...]]:
    kinds = [kind for kind, number in report.total.fates.without_label().items() if number]
    head = ("", "asked", "labelled", "waiting", "overdue", *kinds, "true", "AUC", "log loss", "Brier")
    several = len(report.versions) > 1 or not report.days
    versions = [("version ", one) for one in report.versions] if several else []
    parts = [*(("", day) for day in report.days), *versions, ("", report.total)]
    return [head, *(_row(before, one, kinds) for before, one in parts)]


def _row(before: str, one: Performance, kinds: Sequence[str]) -> tuple[str, ...]:
    fates = one.fates
    numbers = [fates.predictions, fates.labelled, fates.waiting, fates.overdue]
    numbers += [fates.without_label().get(kind, 0) for kind in kinds]
    metrics = one.metrics
    rate = _NOTHING if metrics is None or metrics.base_rate.value is None else f"{metrics.base_rate.value:.1%}"
    measured = [] if metrics is None else [_measure(each) for each in (metrics.auc, metrics.log_loss, metrics.brier)]
    return (before + one.name, *(f"{number:,}" for number in numbers), rate, *(measured or [_NOTHING] * 3))


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        first = f"{row[0]:<{widths[0]}}"
        yield "  ".join([first, *(f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))])


def _measure(one: Measure) -> str:
    return _interval(one.value, one.low, one.high)


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return _NOTHING
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"
