"""A training set for people: as lines for a terminal, as a fragment for a notebook, and two of them compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from ray_pipeline.runtime.training_sets import TrainingSet, flat
from ray_pipeline.text import count

if TYPE_CHECKING:
    import polars as pl

_PREVIEW = 5


@dataclass(frozen=True, slots=True)
class TrainingDifference:
    """What tells two training sets apart."""

    manifest: Mapping[str, tuple[object, object]]
    """Path → what either says; None: it has no such entry."""
    only_first: int
    """Rows whose label key the other one does not have."""
    only_second: int
    both: int
    changed: Mapping[str, int] = field(default_factory=dict)
    """Column → rows of both whose values differ; a column that one lacks differs in every row."""

    @property
    def same_rows(self) -> bool:
        """Whether both hold the same rows."""
        return not (self.only_first or self.only_second or self.changed)

    @property
    def same(self) -> bool:
        """Whether nothing at all tells them apart."""
        return self.same_rows and not self.manifest

    def to_json(self) -> dict[str, Any]:
        """Return what ``training-set diff --output json`` prints."""
        return {
            "same": self.same,
            "same_rows": self.same_rows,
            "rows": {"only_first": self.only_first, "only_second": self.only_second, "both": self.both},
            "changed": dict(self.changed),
            "manifest": {path: list(values) for path, values in self.manifest.items()},
        }

    def lines(self) -> Iterator[str]:
        """Yield the same for people."""
        if self.same:
            yield "the same: manifest and rows"
            return
        alone = f"{self.only_first:,} only in the first, {self.only_second:,} only in the second"
        yield f"rows         {self.both:,} in both, {alone}"
        for name, rows in self.changed.items():
            yield f"  {name}: {count(rows, 'row')} differ"
        for path, (one, other) in self.manifest.items():
            yield f"{path}: {one} → {other}"


def compare(first: TrainingSet, second: TrainingSet) -> TrainingDifference:
    """Compare manifests entry by entry, and rows by their label key."""
    one, other = dict(flat(first.manifest)), dict(flat(second.manifest))
    told = {
        path: (one.get(path), other.get(path))
        for path in dict.fromkeys((*one, *other))
        if one.get(path) != other.get(path)
    }
    if first.manifest["content_hash"] == second.manifest["content_hash"]:
        return TrainingDifference(told, 0, 0, int(first.manifest["rows"]))
    return _rows_compared(told, first, second)


def _rows_compared(
    told: Mapping[str, tuple[object, object]], first: TrainingSet, second: TrainingSet
) -> TrainingDifference:
    import polars as pl

    left, right = (pl.from_arrow(one.table()) for one in (first, second))
    assert isinstance(left, pl.DataFrame)
    assert isinstance(right, pl.DataFrame)
    key, there = first.manifest["label_key"], second.manifest["label_key"]
    right = right.rename({there: key})
    both = left.join(right, on=key, how="inner", suffix="|second", maintain_order="left")
    changed = {}
    for name in dict.fromkeys((*left.columns, *right.columns)):
        rows = both.height if _lacks(left, right, name) else _differing(both, name, key)
        if rows:
            changed[name] = rows
    return TrainingDifference(told, left.height - both.height, right.height - both.height, both.height, changed)


def _lacks(left: pl.DataFrame, right: pl.DataFrame, name: str) -> bool:
    return name not in left.columns or name not in right.columns or left.schema[name] != right.schema[name]


def _differing(both: pl.DataFrame, name: str, key: str) -> int:
    return 0 if name == key else int(both[name].ne_missing(both[f"{name}|second"]).sum())


def as_lines(found: TrainingSet, rows: int = _PREVIEW) -> Iterator[str]:
    """Yield a training set for a terminal: what it is, what was left out, null shares, and its first rows."""
    manifest = found.manifest
    yield f"training set  {found.name}/{found.version}"
    yield f"file          {found.uri}"
    yield f"rows          {manifest['rows']:,} of {count(manifest['questions'], 'question')}"
    for reason, number in manifest["excluded"].items():
        yield f"  left out    {number:,}  {reason}"
    for split in manifest["splits"]:
        yield (
            f"split         {split['name']}: {count(split['rows'], 'row')}, label {_rate(split['label_rate'])}, "
            f"{split['from']} to {split['to']}"
        )
    yield f"content hash  {manifest['content_hash']}"
    for view in manifest["views"]:
        said = ", ".join(f"{number:,} {status}" for status, number in view["statuses"].items())
        yield f"view          {view['name']}: snapshot {view['snapshot']}; {said}"
    for feature in manifest["features"]:
        yield f"  {feature['name']}: {_share(feature['null_share'])} null"
    if rows:
        yield ""
        yield from str(found.preview(rows)).splitlines()


def as_html(found: TrainingSet) -> str:
    """Return what a notebook shows; colours are the notebook's own."""
    manifest = found.manifest
    splits = "".join(
        f"<tr><td>{escape(one['name'])}</td><td>{one['rows']:,}</td><td>{_rate(one['label_rate'])}</td>"
        f"<td>{escape(one['from'])}</td><td>{escape(one['to'])}</td></tr>"
        for one in manifest["splits"]
    )
    features = "".join(
        f"<tr><td>{escape(one['name'])}</td><td>{escape(one['type'])}</td><td>{_share(one['null_share'])}</td></tr>"
        for one in manifest["features"]
    )
    left_out = "; ".join(f"{number:,} {escape(reason)}" for reason, number in manifest["excluded"].items())
    return (
        f"<div><b>{escape(found.name)}</b> <code>{escape(found.version)}</code>: {manifest['rows']:,} rows of "
        f"{manifest['questions']:,} questions{f' ({left_out} left out)' if left_out else ''}"
        f"<table><thead><tr><th>split</th><th>rows</th><th>label</th><th>from</th><th>to</th></tr></thead>"
        f"<tbody>{splits}</tbody></table>"
        f"<table><thead><tr><th>feature</th><th>type</th><th>null</th></tr></thead><tbody>{features}</tbody></table>"
        f"{_preview_html(found)}</div>"
    )


def _preview_html(found: TrainingSet) -> str:
    rows = found.preview(_PREVIEW)
    head = "".join(f"<th>{escape(name)}</th>" for name in rows.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{'' if value is None else escape(str(value))}</td>" for value in row) + "</tr>"
        for row in rows.iter_rows()
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _rate(rate: float | None) -> str:
    return "unknown" if rate is None else f"{rate:.4g}"


def _share(share: float) -> str:
    return f"{share:.1%}"
