"""Two versions of a model side by side, and on the same rows where there are any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from ray_pipeline.errors import ModelFileError
from ray_pipeline.model.manifest import PREDICTIONS, ModelManifest
from ray_pipeline.runtime.models.words import MEASURES, aligned, held_out, measure
from ray_pipeline.runtime.training_sets import flat
from ray_pipeline.text import count

if TYPE_CHECKING:
    from ray_pipeline.model.metrics import Paired
    from ray_pipeline.runtime.models.registry import ModelRegistry

_ASKED, _KEY, _LABEL, _SAID, _SPLIT = "asked_at", "key", "label", "probability", "split"
_PAIRED = ("auc", "log_loss", "brier")


@dataclass(frozen=True, slots=True)
class SharedRows:
    """What both versions were tested on."""

    first: int
    """Test rows of the first version …"""
    second: int
    """… and of the second."""
    both: int
    relabelled: int
    """Of both, but with another label in either: they judge nobody."""
    paired: Paired | None
    """The second one minus the first one; None where no row is left."""

    @property
    def same(self) -> bool:
        """Whether both were tested on the very same rows."""
        return self.both == self.first == self.second and not self.relabelled


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """What ``model compare`` says."""

    first: ModelManifest
    second: ModelManifest
    shared: SharedRows
    told: Mapping[str, tuple[object, object]]
    """Path in the manifest → what either says."""

    @property
    def same_predictions(self) -> bool:
        """Whether both say the same for every test row."""
        return self.first.predictions_sha256 == self.second.predictions_sha256

    def to_json(self) -> dict[str, Any]:
        """Return what ``model compare --output json`` prints."""
        shared = self.shared
        return {
            "model": self.first.name,
            "versions": [self.first.number, self.second.number],
            "same_predictions": self.same_predictions,
            "test": [self.first.metrics.get(_test(self.first)), self.second.metrics.get(_test(self.second))],
            "rows": {
                "first": shared.first,
                "second": shared.second,
                "both": shared.both,
                "relabelled": shared.relabelled,
                "same": shared.same,
            },
            "second_minus_first": None if shared.paired is None else shared.paired.to_json(),
            "manifest": {path: list(values) for path, values in self.told.items()},
        }

    def lines(self) -> Iterator[str]:
        """Yield the same for people."""
        yield from aligned(self._table())
        yield ""
        yield from self._judgement()
        if self.told:
            yield ""
        for path, (one, other) in self.told.items():
            yield f"{path}: {_said(one)} → {_said(other)}"

    def _table(self) -> list[tuple[str, ...]]:
        both = (self.first, self.second)
        tests = [one.metrics.get(_test(one), {}) for one in both]
        rows: list[tuple[str, ...]] = [("on its own test rows", *(one.shown for one in both))]
        rows.append(("rows", *(f"{int(one.get('rows') or 0):,}" for one in tests)))
        rows += [(shown, *(measure(one.get(name)) for one in tests)) for name, shown in MEASURES.items()]
        rows.append(("training set", *(f"{one.training.get('name')}/{one.training.get('version')}" for one in both)))
        return rows

    def _judgement(self) -> Iterator[str]:
        shared, found = self.shared, self.shared.paired
        if self.same_predictions:
            yield "both say the same for every test row"
            return
        if found is None:
            yield (
                "they were judged on different rows, so the figures above cannot be set against each other: train both "
                "on one training set"
            )
            return
        which = "the same test rows" if shared.same else f"the {count(shared.both, 'test row')} that both have"
        yield f"{self.second.shown} minus {self.first.shown} on {which}, paired over {count(found.days, 'day')}:"
        if shared.relabelled:
            yield f"  ({count(shared.relabelled, 'row')} left out: the label was corrected between the two)"
        yield from aligned([(MEASURES[name], measure(_as_json(found, name), 4, "+")) for name in _PAIRED], "  ")
        yield f"  {_verdict(found)}"

    def __repr__(self) -> str:
        return f"<ModelComparison {self.first.shown} and {self.second.shown}>"

    def _repr_html_(self) -> str:
        head, *rows = self._table()
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        said = "<br>".join(escape(line.strip()) for line in self._judgement())
        titles = "".join(f"<th>{escape(title)}</th>" for title in head)
        return f"<div><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table><p>{said}</p></div>"


def compare_versions(
    registry: ModelRegistry, name: str, first: str | int, second: str | int, resamples: int | None = None
) -> ModelComparison:
    """Compare two versions, each by number, alias or ``latest``.

    Metrics of different rows say little about the models. The rows that both were tested on are taken from the
    versions' own files, and the same days are drawn for both, ``resamples`` times (default: as the second one's spec
    says).
    """
    one, other = registry.resolve(name, first), registry.resolve(name, second)
    shared = _shared(_tested(registry, one), _tested(registry, other), _resamples(other, resamples), other.seed)
    return ModelComparison(one, other, shared, _told(one, other))


def _shared(one: pl.DataFrame, other: pl.DataFrame, resamples: int, seed: int) -> SharedRows:
    from ray_pipeline.model.metrics import days_of, paired

    both = one.join(other, on=[_KEY, _ASKED], how="inner", suffix="|second").sort(_ASKED, _KEY)
    alike = both.filter(pl.col(_LABEL).eq_missing(pl.col(f"{_LABEL}|second")))
    found = None
    if alike.height:
        labels, first, second, asked = (
            alike[column].to_numpy() for column in (_LABEL, _SAID, f"{_SAID}|second", _ASKED)
        )
        found = paired(labels, first, second, days_of(asked), resamples, seed)
    return SharedRows(one.height, other.height, both.height, both.height - alike.height, found)


def _tested(registry: ModelRegistry, found: ModelManifest) -> pl.DataFrame:
    """Return key, moment asked (microseconds), label and probability of a version's test rows."""
    from ray_pipeline.lake.parquet import decode_parquet

    try:
        table = decode_parquet(registry.file(found, PREDICTIONS))
    except pa.ArrowException:
        raise ModelFileError(found.shown, PREDICTIONS, "is no Parquet file that this version reads") from None
    key = found.label_key if found.label_key in table.column_names else _KEY
    missing = {key, _ASKED, _LABEL, _SAID} - set(table.column_names)
    if missing:
        raise ModelFileError(found.shown, PREDICTIONS, f"has no column {', '.join(sorted(missing))}")
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    if _SPLIT in frame.columns:
        frame = frame.filter(pl.col(_SPLIT) == _test(found))
    asked = pl.col(_ASKED)
    if frame.schema[_ASKED].is_temporal():
        asked = asked.dt.epoch("us")
    return frame.select(
        pl.col(key).cast(pl.String).alias(_KEY), asked.cast(pl.Int64).alias(_ASKED), pl.col(_LABEL), pl.col(_SAID)
    )


def _told(one: ModelManifest, other: ModelManifest) -> dict[str, tuple[object, object]]:
    left, right = dict(flat(_facts(one))), dict(flat(_facts(other)))
    return {
        path: (left.get(path), right.get(path))
        for path in dict.fromkeys((*left, *right))
        if left.get(path) != right.get(path)
    }


def _facts(found: ModelManifest) -> dict[str, Any]:
    """What tells two versions apart, without what differs between any two."""
    training = {name: found.training.get(name) for name in ("name", "version", "content_hash", "rows")}
    columns = {one.name: str(one.kind) for one in found.columns}
    categories = {one.name: f"{len(one.categories)} categories" for one in found.columns if one.categories}
    return {
        "estimator": found.estimator,
        "spec": dict(found.spec),
        "training": training,
        "columns": columns | {name: f"{columns[name]}, {said}" for name, said in categories.items()},
        "views": {one.name: f"definition {one.definition}, snapshot {one.snapshot}" for one in found.views},
        "code": dict(found.code),
    }


def _test(found: ModelManifest) -> str:
    return held_out(found.spec)


def _resamples(found: ModelManifest, asked: int | None) -> int:
    said = found.spec.get("bootstrap")
    return asked if asked is not None else said if isinstance(said, int) else 200


def _as_json(found: Paired, name: str) -> Mapping[str, Any]:
    value: Mapping[str, Any] = found.to_json()[name]
    return value


def _verdict(found: Paired) -> str:
    low, high = found.log_loss.low, found.log_loss.high
    if low is None or high is None:
        return "one day alone says nothing about another one: there is no interval"
    if high < 0:
        return "the second one is better: its log loss is lower, and the interval is below 0"
    if low > 0:
        return "the first one is better: its log loss is lower, and the interval is above 0"
    return "neither is shown to be better: the interval of the log loss holds 0"


def _said(value: object) -> str:
    return "none" if value is None else str(value)
