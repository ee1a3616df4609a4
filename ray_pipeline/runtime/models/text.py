"""A model version as a card: what it predicts, what it rests on, how good it is, who answers and why, how to ask it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from ray_pipeline.errors import UsageError
from ray_pipeline.model.manifest import PAGE, ModelManifest
from ray_pipeline.runtime.models.aliases import Alias, AliasMove
from ray_pipeline.runtime.models.words import MEASURES, NOTHING, aligned, held_out, measure, share
from ray_pipeline.text import count

if TYPE_CHECKING:
    from ray_pipeline.runtime.models.registry import ModelRegistry

STRONGEST = 10
"""Columns that a card names by their importance; the version's page has all of them."""
_WIDTH = 14


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What ``model show`` says of one version."""

    manifest: ModelManifest
    aliases: Mapping[str, int]
    """Of the model, now."""
    history: tuple[AliasMove, ...]
    """Of all its aliases, oldest first."""
    uris: Mapping[str, str]
    """File → where it is."""

    @property
    def holds(self) -> tuple[str, ...]:
        """The aliases that are this version."""
        return tuple(alias for alias in Alias if self.aliases.get(alias) == self.manifest.number)

    def to_json(self) -> dict[str, Any]:
        """Return what ``model show --output json`` prints."""
        return {
            "model": self.manifest.to_json(),
            "holds": list(self.holds),
            "aliases": dict(self.aliases),
            "history": [move.to_json() for move in self.history],
            "uris": dict(self.uris),
        }

    def lines(self) -> Iterator[str]:
        """Yield the card for a terminal."""
        found = self.manifest
        yield _line("model", f"{found.shown}{_held(self.holds)}")
        yield _line("predicts", _predicts(found))
        yield _line("trained", f"{found.created_at} by {found.created_by}")
        yield _line("estimator", _estimator(found))
        yield from _training_lines(found.training)
        for view in found.views:
            yield _line("view", f"{view.name}: snapshot {view.snapshot}, definition {view.definition}")
        yield _line("columns", _columns(found))
        for number, names in enumerate(_names(found)):
            yield _line("" if number else "  names", names)
        yield from self._quality()
        yield from self._moves()
        for name, fact in found.files.items():
            yield _line("file", f"{name}: {count(fact.bytes, 'byte')}, SHA-256 {fact.sha256}")
        if PAGE in self.uris:
            yield _line("page", self.uris[PAGE])
        yield _line("code", ", ".join(f"{name} {version}" for name, version in found.code.items()))
        yield from (_line("ask it" if not number else "", said) for number, said in enumerate(self._asking()))

    def _quality(self) -> Iterator[str]:
        found = self.manifest
        for split, metrics in found.metrics.items():
            yield _line("metrics", f"{split}: {_rows(metrics)}")
            for name, shown in MEASURES.items():
                yield _line("", f"{shown:<18}{measure(metrics.get(name))}")
        yield _line("calibration", _calibration(found))
        rows = [
            (str(one["name"]), f"{one['drop']:+.4f}", f"[{one['low']:+.4f}, {one['high']:+.4f}]")
            for one in found.importance[:STRONGEST]
        ]
        for number, said in enumerate(aligned(rows)):
            yield _line("" if number else "strongest", said + ("" if number else "  AUC lost where it is shuffled"))

    def _moves(self) -> Iterator[str]:
        champion = self.aliases.get(Alias.CHAMPION)
        yield _line("champion", "none" if champion is None else f"{self.manifest.name}/{champion}")
        for number, move in enumerate(reversed(self.history)):
            yield _line("" if number else "history", move_line(move))

    def _asking(self) -> Iterator[str]:
        found = self.manifest
        yield f"`ray-pipeline predict {found.shown} KEY=VALUE …` now, `--batch FILE` as of each row's own moment"
        if Alias.CHAMPION in self.holds:
            yield f"`ray-pipeline serve up`, where serve.model is {found.name}: POST /predict"
        else:
            yield f"`ray-pipeline model promote {found.name} {found.number}` has it answer over HTTP"

    def __repr__(self) -> str:
        return f"<ModelCard {self.manifest.shown}{_held(self.holds)}>"

    def _repr_html_(self) -> str:
        return _card_html(self)


def model_card(registry: ModelRegistry, name: str, which: str | int | None = None) -> ModelCard:
    """Return the card of a version; left out: the champion, or the newest version where there is none."""
    if which is None:
        which = Alias.CHAMPION if Alias.CHAMPION in registry.aliases(name) else "latest"
    found = registry.resolve(name, which)
    uris = {file: registry.file_uri(found, file) for file in found.files}
    return ModelCard(found, registry.aliases(name), registry.history(name), uris)


def split_which(said: str) -> tuple[str, str | None]:
    """Return the two parts of ``NAME[/WHICH]``; ``UsageError`` where there are others.

    >>> split_which("late_arrival/3"), split_which("late_arrival")
    (('late_arrival', '3'), ('late_arrival', None))
    """
    name, slash, which = said.partition("/")
    if not name or (slash and not which):
        raise UsageError(f"{said!r} names no model: write NAME, NAME/VERSION, NAME/champion or NAME/latest")
    return name, which or None


def move_line(move: AliasMove) -> str:
    """Return one line of a model's history."""
    way = f"{_shown(move.previous)} → {_shown(move.version)}"
    reason = f": {move.reason}" if move.reason else ""
    return f"{move.at}  {move.alias} {way}  {move.kind} by {move.who}{reason}"


def _line(title: str, said: str) -> str:
    return f"{title:<{_WIDTH}}{said}"


def _held(holds: Sequence[str]) -> str:
    return f" ({' and '.join(holds)})" if holds else ""


def _shown(version: int | None) -> str:
    return NOTHING if version is None else str(version)


def _predicts(found: ModelManifest) -> str:
    request = f", with the request's {found.request}" if found.request else ""
    return (
        f"the probability that {found.label_set} is true, which is looked up by {found.label_key}; "
        f"from feature service {found.service}{request}"
    )


def _estimator(found: ModelManifest) -> str:
    asked = found.spec.get("parameters", found.parameters)
    said = ", ".join(f"{name}={value!r}" for name, value in asked.items()) if isinstance(asked, Mapping) else ""
    return f"{found.estimator}({said}), seed {found.seed}"


def _training_lines(training: Mapping[str, Any]) -> Iterator[str]:
    yield _line("training set", f"{training.get('name')}/{training.get('version')}: {training.get('rows', 0):,} rows")
    for split in training.get("splits", ()):
        rate = split.get("label_rate")
        yield _line(
            "  split",
            f"{split['name']}: {count(split['rows'], 'row')}, {share(rate)} true, {split['from']} to {split['to']}",
        )
    for reason, rows in training.get("excluded", {}).items():
        yield _line("  left out", f"{rows:,} {reason}")
    for dataset, curated in training.get("curated", {}).items():
        contract = curated.get("contract") or {}
        said = f", contract {contract.get('id')} {contract.get('version')}" if contract.get("id") else ""
        yield _line("  from", f"{dataset}: snapshot {curated.get('snapshot')}{said}")
    yield _line("  content", str(training.get("content_hash")))


def _columns(found: ModelManifest) -> str:
    kinds = Counter(str(column.kind) for column in found.columns)
    return f"{len(found.columns)}: {', '.join(f'{number} {kind}' for kind, number in sorted(kinds.items()))}"


def _names(found: ModelManifest, width: int = 100) -> Iterator[str]:
    line = ""
    for column in found.columns:
        if line and len(line) + len(column.name) + 2 > width:
            yield f"{line},"
            line = ""
        line = f"{line}, {column.name}" if line else column.name
    if line:
        yield line


def _rows(metrics: Mapping[str, Any]) -> str:
    said = f"{count(int(metrics.get('rows') or 0), 'row')} of {count(int(metrics.get('days') or 0), 'day')}"
    fitted = "; the calibrator was fitted to them" if metrics.get("calibrated_on") else ""
    return f"{said}, {share((metrics.get('base_rate') or {}).get('value'))} true{fitted}"


def _calibration(found: ModelManifest) -> str:
    kind = str(found.calibrator.get("kind", "none"))
    metrics = found.metrics.get(held_out(found.spec), {})
    curve: Sequence[Mapping[str, Any]] = metrics.get("curve") or ()
    rows = sum(one["rows"] for one in curve)
    if not rows:
        return kind
    said = sum(one["rows"] * one["said"] for one in curve) / rows
    true = sum(one["rows"] * one["true"] for one in curve) / rows
    low, high = curve[0], curve[-1]
    return (
        f"{kind}; on {held_out(found.spec)} it says {share(said)} and {share(true)} is true; "
        f"lowest bin {share(low['said'])} / {share(low['true'])}, highest {share(high['said'])} / {share(high['true'])}"
    )


def _card_html(card: ModelCard) -> str:
    found = card.manifest
    metrics = "".join(
        f"<tr><td>{escape(split)}</td><td>{int(one.get('rows') or 0):,}</td>"
        + "".join(f"<td>{escape(measure(one.get(name)))}</td>" for name in MEASURES)
        + "</tr>"
        for split, one in found.metrics.items()
    )
    strongest = "".join(
        f"<tr><td>{escape(str(one['name']))}</td><td>{one['drop']:+.4f}</td></tr>"
        for one in found.importance[:STRONGEST]
    )
    history = "".join(f"<li>{escape(move_line(move))}</li>" for move in reversed(card.history))
    titles = "".join(f"<th>{escape(shown)}</th>" for shown in MEASURES.values())
    return (
        f"<div><b>{escape(found.shown)}</b>{escape(_held(card.holds))}: {escape(_predicts(found))}<br>"
        f"trained {escape(found.created_at)} by {escape(found.created_by)} on "
        f"{escape(str(found.training.get('name')))} <code>{escape(str(found.training.get('version')))}</code>"
        f"<table><thead><tr><th>split</th><th>rows</th>{titles}</tr></thead><tbody>{metrics}</tbody></table>"
        f"calibration: {escape(_calibration(found))}"
        f"<table><thead><tr><th>column</th><th>AUC lost where it is shuffled</th></tr></thead>"
        f"<tbody>{strongest}</tbody></table><ul>{history}</ul></div>"
    )
