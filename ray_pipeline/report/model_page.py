"""A model version as one HTML file: how good it is, what it sees, and everything that it rests on.

As the gate's page it fetches nothing and runs nothing, and no name that data or a spec brought can change either.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ray_pipeline.drift.baseline import Baseline
from ray_pipeline.drift.edges import CategoryColumn
from ray_pipeline.model.columns import ColumnKind, ModelColumn
from ray_pipeline.model.manifest import MODEL, ModelManifest
from ray_pipeline.model.metrics import LEVEL, Measure, Metrics
from ray_pipeline.text import count

from . import drawings, model_drawings
from .model_drawings import percent
from .model_sentences import headline, interval_words, judged_split, remark, tone
from .page import environment
from .words import share_words

COLUMNS, TOP, BARS = 80, 6, 20
"""So many columns are drawn, categories of one, and bars of importance that are not folded away."""
_WORDS = {"ok": "better than guessing", "warn": "no better than guessing, as far as is known", "dim": "not known"}
_KINDS = {
    ColumnKind.NUMBER: "number",
    ColumnKind.FLAG: "flag",
    ColumnKind.CATEGORY: "category",
    ColumnKind.MOMENT: "moment, as minutes before the question",
}
_METRICS = (
    ("auc", "AUC", "how well the likely are told from the unlikely; 0.5 is guessing, 1 is always right"),
    ("log_loss", "Log loss", "what was said against what came true; lower is better"),
    ("brier", "Brier score", "the squared distance of the two; lower is better"),
    ("ece", "Calibration error", "how far what was said lies from what came true, on average over the bins"),
)


def model_page(
    manifest: ModelManifest,
    baseline: Baseline | None = None,
    training: Mapping[str, Any] | None = None,
    *,
    notices: Sequence[str] = (),
) -> str:
    """Return the page of a version.

    ``training`` is the whole manifest of its training set, where it is at hand: the version's own says the most of it.
    ``notices`` are what training said that a person should know. A version without a number yet has a page too.
    """
    metrics = {name: Metrics.from_json(one) for name, one in manifest.metrics.items()}
    split = judged_split(manifest, metrics)
    judged = metrics[split] if split is not None else None
    score = baseline.of_score() if baseline else None
    scores = model_drawings.score_bins(baseline.score, score.total) if baseline and baseline.score and score else []
    shown = manifest.shown if manifest.number else manifest.name
    found = tone(judged)
    return (
        environment()
        .get_template("model.html.j2")
        .render(
            manifest=manifest,
            shown=shown,
            baseline=baseline,
            tone=found,
            word=_WORDS[found],
            headline=headline(judged),
            remark=remark(split, judged),
            notices=notices,
            split=split,
            judged=judged,
            tiles=[(word, _value(getattr(judged, name)), interval_words(getattr(judged, name)), about)
                   for name, word, about in _METRICS] if judged else [],
            level=percent(LEVEL, 0),
            metrics=[_metric_row(manifest, name, one) for name, one in metrics.items()],
            curve=[(percent(one.said), percent(one.true), one.rows) for one in judged.curve] if judged else [],
            plot=model_drawings.calibration(judged.curve, scores) if judged else Markup(""),
            scored=sum(rows for _, _, rows in scores),
            drops=list(_drops(manifest)),
            bars=BARS,
            columns=[_card(column, baseline) for column in manifest.columns[:COLUMNS]],
            facts=_Facts(manifest, dict(manifest.training) | dict(training or {})),
            **_loading(manifest),
            parameters=sorted(manifest.parameters.items()),
        )
    )  # fmt: skip


def _loading(manifest: ModelManifest) -> dict[str, str]:
    """Return the commands and the lines of Python that find the version again, quoted whatever it is called."""
    number = str(manifest.number or "NUMBER")
    return {
        "listing": f"ray-pipeline model list {shlex.quote(manifest.name)}",
        "showing": f"ray-pipeline model show {shlex.quote(f'{manifest.name}/{number}')}",
        "how": "\n".join(
            (
                "from ray_pipeline import open_pipeline",
                "from ray_pipeline.model.fitted import open_model",
                "",
                "registry = open_pipeline().models()",
                f"manifest = registry.manifest({manifest.name!a}, {number})",
                f"model = open_model(registry.file(manifest, {MODEL!r}), manifest)",
                "model.predict(model.encode({…}, asked_us))  # feature → value, and the moment asked in microseconds",
            )
        ),
    }


@dataclass(frozen=True, slots=True)
class _Card:
    column: ModelColumn
    kind: str
    missing: str
    plot: Markup
    low: str
    high: str
    top: tuple[tuple[str, int, Markup], ...]
    more: str


def _card(column: ModelColumn, baseline: Baseline | None) -> _Card:
    kind = _KINDS[column.kind]
    if baseline is None or column.name not in baseline.names:
        return _Card(column, kind, "", Markup(""), "", "", (), count(len(column.categories), "category", "categories")
                     if column.categories else "")  # fmt: skip
    bins, total = baseline.column(column.name), baseline.of(column.name).total
    rows, empty = int(total.sum()), int(total[0])
    missing = f"{share_words(empty, rows)} missing" if empty else "never missing"
    if not isinstance(bins, CategoryColumn):
        plot, low, high = model_drawings.column_plot(bins, total)
        return _Card(column, kind, missing, plot, low, high, (), "" if plot else "No value at all.")
    listed = model_drawings.categories_of(bins, total)
    top = tuple((name, many, drawings.share_bar(many / (rows or 1))) for name, many in listed[:TOP])
    more = f"and {len(listed) - TOP} more" if len(listed) > TOP else "" if listed else "No value at all."
    return _Card(column, kind, missing, Markup(""), "", "", top, more)


def _metric_row(manifest: ModelManifest, name: str, found: Metrics) -> dict[str, Any]:
    cells = [(word, _value(getattr(found, key)), interval_words(getattr(found, key))) for key, word, _ in _METRICS]
    rate = ("Came true", percent(found.base_rate.value), _rates(found.base_rate))
    return {"split": name, "metrics": found, "role": _role(manifest, name, found), "cells": [rate, *cells]}


def _role(manifest: ModelManifest, name: str, found: Metrics | None = None) -> str:
    splits = manifest.spec.get("splits")
    roles = {split: role for role, split in splits.items()} if isinstance(splits, Mapping) else {}
    if roles.get(name) == "calibrate" and found is not None and not found.calibrated_on:
        return "held out"
    words = {"fit": "the model was fitted to it", "calibrate": "the calibrator was fitted to it"}
    return words.get(roles.get(name, ""), "nothing was fitted to it" if roles.get(name) == "test" else "")


def _value(found: Measure) -> str:
    return "–" if found.value is None else f"{found.value:.3f}"


def _rates(found: Measure) -> str:
    return "" if found.low is None or found.high is None else f"{percent(found.low)} to {percent(found.high)}"


def _drops(manifest: ModelManifest) -> Iterator[tuple[str, str, str, Markup]]:
    """Yield each column's name, by how much the AUC falls, the interval, and the bar."""
    found = manifest.importance
    least = min([0.0, *(one["low"] for one in found)])
    most = max([0.0, *(one["high"] for one in found)])
    for one in found:
        span = interval_words(Measure(one["drop"], one["low"], one["high"]), 4)
        drop = f"{one['drop']:.4f}".replace("-", "−")
        yield one["name"], drop, span, model_drawings.drop_bar(one["drop"], one["low"], one["high"], least, most)


class _Facts:
    """What is known of the training set; what its manifest does not say is left out."""

    def __init__(self, manifest: ModelManifest, training: Mapping[str, Any]) -> None:
        self._manifest, self._training = manifest, training

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Its name and hashes."""
        words = {
            "name": "Training set",
            "version": "Version",
            "content_hash": "Content hash",
            "sha256": "SHA-256 of the file",
        }
        return [(word, str(self._training[key])) for key, word in words.items() if self._training.get(key)]

    @property
    def rows(self) -> int:
        """All its rows."""
        return int(self._training.get("rows") or 0)

    @property
    def splits(self) -> list[dict[str, Any]]:
        """Its splits, and what each was for."""
        return [
            {"name": one["name"], "role": _role(self._manifest, one["name"]), "from": str(one.get("from", "")),
             "to": str(one.get("to", "")), "rows": int(one["rows"]), "rate": percent(one.get("label_rate"))}
            for one in self._training.get("splits") or ()
        ]  # fmt: skip

    @property
    def excluded(self) -> list[tuple[str, int]]:
        """Reason → questions that were left out, the most first."""
        return sorted((self._training.get("excluded") or {}).items(), key=lambda one: (-one[1], one[0]))

    @property
    def curated(self) -> list[dict[str, Any]]:
        """The curated tables behind it."""
        found = []
        for name, one in (self._training.get("curated") or {}).items():
            contract = one.get("contract") or {}
            named = " ".join(str(contract[key]) for key in ("id", "version") if contract.get(key))
            found.append({"name": name, "snapshot": str(one.get("snapshot", "–")), "decision": one.get("decision"),
                          "contract": named, "digest": contract.get("digest"), "rows": one.get("rows"),
                          "offsets": _offsets(one.get("offsets"))})  # fmt: skip
        return found

    @property
    def views(self) -> list[dict[str, Any]]:
        """The feature views that the model sees, each with the snapshot of its table."""
        known = {one.get("name"): one for one in self._training.get("views") or ()}
        found = []
        for view in self._manifest.views:
            more = known.get(view.name) or {}
            counted = more.get("statuses") or {}
            rows = sum(counted.values())
            statuses = ", ".join(
                f"{share_words(many, rows)} {status.lower().replace('_', ' ')}"
                for status, many in sorted(counted.items(), key=lambda one: (-one[1], one[0]))
            )
            found.append({"name": view.name, "view": view.view, "definition": view.definition,
                          "snapshot": str(view.snapshot), "dataset": str(more.get("dataset") or ""),
                          "statuses": statuses, "offsets": _offsets(more.get("offsets"))})  # fmt: skip
        return found


def _offsets(said: Any) -> list[str]:
    return [f"partition {one['partition']}: {one['first']:,} to {one['last']:,}" for one in said or ()]
