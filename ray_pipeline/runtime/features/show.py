"""What the offline tables hold: how fresh each view is, how far it reaches, and how its features are distributed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from ray_pipeline.clock import Clock, WallClock
from ray_pipeline.connectors.iceberg.catalog import open_catalog
from ray_pipeline.connectors.iceberg.feature_catalog import open_feature_catalog
from ray_pipeline.features.definition import CompiledView
from ray_pipeline.features.shape import FeatureShape, ValueType
from ray_pipeline.runtime.jobs.features_build import chosen_views, day_text
from ray_pipeline.runtime.jobs.features_source import CuratedSources

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.iceberg.feature_table import FeatureFile, FeatureTable

DAYS = 31
"""Of the newest days so many are looked at."""
SAMPLE = 100_000
"""Rows at most that quantiles are taken from, evenly spread."""
TOP = 5
_KEPT = 1000
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class FeatureShown:
    """One feature over the days looked at."""

    name: str
    type: str
    null_share: float | None
    """None where there is no row."""
    least: float | None = None
    mean: float | None = None
    greatest: float | None = None
    quantiles: dict[str, float] = field(default_factory=dict)
    """Of an even sample where there are many rows."""
    top: tuple[tuple[str, float], ...] = ()
    """The most frequent values with their shares of the rows, of text and truth values."""


@dataclass(frozen=True, slots=True)
class ViewShown:
    """One view."""

    view: str
    dataset: str
    note: str
    """What keeps the table from being what the definition and the curated table say; empty where nothing does."""
    build: int
    snapshot_id: int | None
    metadata: str | None
    horizon: str | None
    """Publication of the newest event in it."""
    age_seconds: float | None
    """How long ago that was."""
    curated_rows_behind: int
    """Rows that are curated, and not in the features yet."""
    rows: int
    first_day: str | None
    last_day: str | None
    days_with_rows: int
    coverage: float | None
    """Share of the days between the first and the last one that have rows."""
    shown_from: str | None
    """The features below, and the entities, are of the days from here on."""
    shown_rows: int
    entities: int
    features: tuple[FeatureShown, ...]


@dataclass(frozen=True, slots=True)
class FeaturesShown:
    """Every view that was asked for."""

    pipeline: str
    at: str
    views: tuple[ViewShown, ...]

    def to_json(self) -> dict[str, Any]:
        """Return what ``features show --output json`` prints."""
        return asdict(self)


def show_features(
    config: PipelineConfig,
    views: Sequence[str] | None = None,
    *,
    days: int = DAYS,
    compiled: Sequence[CompiledView] | None = None,
    clock: Clock | None = None,
) -> FeaturesShown:
    """Return what is built of some views, or of all. Distributions are over the newest ``days`` that have rows."""
    now = (clock or WallClock()).now()
    with open_feature_catalog(config) as tables, open_catalog(config) as curated:
        sources = CuratedSources(curated)
        shown = [
            _shown(view, tables.table(view.name), sources, days, now) for view in chosen_views(config, views, compiled)
        ]
    return FeaturesShown(config.pipeline, now.isoformat(), tuple(shown))


def _shown(
    view: CompiledView, table: FeatureTable | None, sources: CuratedSources, days: int, now: datetime
) -> ViewShown:
    info = None if table is None else table.info()
    files = [] if table is None else table.files()
    there = sorted({file.day for file in files})
    looked = there[-days:]
    folded = _Folded(view)
    if table is not None:
        folded.read(table, [file for file in files if file.day in looked])
    behind, why = _behind(view, sources, None if info is None else info.definition, info and info.inputs)
    horizon = None if info is None or info.horizon_us is None else info.horizon_us
    return ViewShown(
        view=view.name,
        dataset=view.shape.dataset,
        note=why,
        build=-1 if info is None else info.build,
        snapshot_id=None if info is None else info.snapshot_id,
        metadata=None if info is None else info.metadata,
        horizon=None if horizon is None else _moment(horizon),
        age_seconds=None if horizon is None else round(now.timestamp() - horizon / 1e6, 3),
        curated_rows_behind=behind,
        rows=0 if info is None else info.rows,
        first_day=day_text(there[0]) if there else None,
        last_day=day_text(there[-1]) if there else None,
        days_with_rows=len(there),
        coverage=len(there) / (there[-1] - there[0] + 1) if there else None,
        shown_from=day_text(looked[0]) if looked else None,
        shown_rows=folded.rows,
        entities=folded.entities.height,
        features=tuple(folded.features()),
    )


def _behind(view: CompiledView, sources: CuratedSources, definition: str | None, inputs: Any) -> tuple[int, str]:
    """Return how many curated rows are not in the features yet, and why not, for people."""
    source = sources.of(view)
    if source is None:
        return 0, "nothing is curated yet"
    rows = sum(file.rows for file in source.files)
    if definition is None:
        return rows, "not built yet"
    known = (inputs or {}).get(view.shape.dataset)
    before = None if known is None else source.files_at(known.snapshot_id)
    behind = sum(file.rows for file in set(source.files) - set(before or ()))
    if definition != view.shape.definition:
        return behind, "built from another definition; the next build makes it anew"
    return behind, "curated rows are not in it yet; build again" if behind else ""


class _Folded:
    """What the files add up to, one at a time, so that memory holds a file and a sample."""

    def __init__(self, view: CompiledView) -> None:
        self._features = view.shape.features
        self._keys = [key.name for key in view.shape.keys]
        self.rows = 0
        self.entities = pl.DataFrame()
        self._numbers: list[pl.DataFrame] = []
        self._nulls: Counter[str] = Counter()
        self._sums: dict[str, float] = {}
        self._bounds: dict[str, tuple[float, float]] = {}
        self._top: dict[str, Counter[str]] = {
            one.name: Counter() for one in self._features if one.type in (ValueType.STRING, ValueType.BOOL)
        }

    def read(self, table: FeatureTable, files: Sequence[FeatureFile]) -> None:
        """Take the files in. A feature that the table lacks yet is null in every row."""
        step = max(1, sum(file.rows for file in files) // SAMPLE)
        known = set(table.schema.names)
        columns = [name for name in (*self._keys, *(one.name for one in self._features)) if name in known]
        for file in files:
            frame = pl.from_arrow(table.scan_files([file.uri], columns))
            assert isinstance(frame, pl.DataFrame)
            missing = [pl.lit(None).alias(one.name) for one in self._features if one.name not in known]
            self._take(frame.with_columns(missing), step)

    def features(self) -> list[FeatureShown]:
        """Return what is known of every feature."""
        sample = pl.concat(self._numbers, how="vertical_relaxed") if self._numbers else pl.DataFrame()
        return [self._feature(one, sample) for one in self._features]

    def _take(self, frame: pl.DataFrame, step: int) -> None:
        keys = frame.select(name for name in self._keys if name in frame.columns).unique()
        self.entities = keys if self.entities.is_empty() else pl.concat([self.entities, keys]).unique()
        first = -self.rows % step
        self.rows += frame.height
        numbers = {}
        for one in self._features:
            values = frame[one.name]
            self._nulls[one.name] += values.null_count()
            if one.name in self._top:
                self._count(self._top[one.name], values)
                continue
            values = values.dt.timestamp("us") if isinstance(values.dtype, pl.Datetime) else values
            values = values.cast(pl.Float64)
            numbers[one.name] = values.gather_every(step, first)
            if values.null_count() < len(values):
                least, greatest = self._bounds.get(one.name, (float("inf"), float("-inf")))
                found: Any = (values.min(), values.max())
                self._bounds[one.name] = (min(least, found[0]), max(greatest, found[1]))
                self._sums[one.name] = self._sums.get(one.name, 0.0) + float(values.sum())
        if numbers:
            self._numbers.append(pl.DataFrame(numbers))

    def _count(self, top: Counter[str], values: pl.Series) -> None:
        for value, n in values.drop_nulls().cast(pl.String).value_counts().iter_rows():
            top[value] += n
        for value, _ in top.most_common()[_KEPT:]:
            del top[value]

    def _feature(self, one: FeatureShape, sample: pl.DataFrame) -> FeatureShown:
        if not self.rows:
            return FeatureShown(one.name, one.type, None)
        nulls = self._nulls[one.name]
        share = nulls / self.rows
        if one.name in self._top:
            top = tuple((value, n / self.rows) for value, n in self._top[one.name].most_common(TOP))
            return FeatureShown(one.name, one.type, share, top=top)
        if one.name not in self._bounds:
            return FeatureShown(one.name, one.type, share)
        least, greatest = self._bounds[one.name]
        quantiles = {f"p{round(q * 100)}": sample[one.name].quantile(q, "nearest") for q in _QUANTILES}
        known = {name: value for name, value in quantiles.items() if value is not None}
        mean = self._sums[one.name] / (self.rows - nulls)
        return FeatureShown(one.name, one.type, share, least, mean, greatest, known)


def _moment(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1e6, UTC).isoformat()
