"""A view of ours as one of Feast's: its schema comes from the contract, its rows from the offline table we build."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from feast import Entity, FeatureView, Field, PushSource
from feast.infra.data_sources.contrib.iceberg_catalog.iceberg_source import IcebergSource
from feast.repo_config import RepoConfig
from feast.types import Bool, FeastType, Float64, Int64, String, UnixTimestamp

from ray_pipeline.connectors.feast.loading import definitions_for
from ray_pipeline.connectors.iceberg.feature_catalog import feature_source
from ray_pipeline.features.definition import CompiledView, ViewDefinition
from ray_pipeline.features.shape import DEFINITION_TAG, FEED_TAG, SHAPE_TAG, Feed, ValueType

if TYPE_CHECKING:
    import polars as pl

    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.features.aggregates import Aggregate

TYPES: Mapping[ValueType, FeastType] = {
    ValueType.INT64: Int64,
    ValueType.FLOAT64: Float64,
    ValueType.STRING: String,
    ValueType.BOOL: Bool,
    ValueType.TIMESTAMP: UnixTimestamp,
}
EVENT_TIMESTAMP, CREATED_TIMESTAMP = "event_timestamp", "created_timestamp"
_DEFINITION = "_ray_pipeline_definition"
_COMPILED = "_ray_pipeline_compiled"


class OfflineTable(IcebergSource):
    """Where a view's rows will be. In Feast's registry it is an ``IcebergSource`` as any other."""

    def validate(self, config: RepoConfig) -> None:
        """Find nothing wrong with a table that is not there yet: the first ``features build`` makes it."""


def feature_view(
    name: str,
    *,
    entity: Entity | Sequence[Entity],
    dataset: str,
    keys: Mapping[str, pl.Expr | str],
    features: Mapping[str, Aggregate | pl.Expr | str],
    window: timedelta | None = None,
    where: pl.Expr | None = None,
    ttl: timedelta | None = None,
    feed: Feed | str = Feed.STREAM,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    owner: str = "",
    online: bool = True,
) -> FeatureView:
    """Return a view that this pipeline computes from the events of ``dataset``; to Feast it is a view like any other.

    ``keys`` says where in an event each join key is, ``features`` what is computed: with a ``window`` named aggregates,
    without one expressions over the newest event. Types come from the dataset's contract. A value older than ``ttl``
    is not given. ``feed="materialized"``: the online values are written by ``feast materialize`` and by pushes to
    ``<name>_push``, not by the stream.
    """
    caller = sys._getframe(1)
    definition = ViewDefinition(
        name=name,
        dataset=dataset,
        keys=dict(keys),
        features=dict(features),
        window=window,
        where=where,
        ttl=ttl,
        feed=cast("Feed", feed),
        file=caller.f_code.co_filename,
        line=caller.f_lineno,
        description=description,
    )
    entities = [entity] if isinstance(entity, Entity) else list(entity)
    definitions = definitions_for(definition.file)
    compiled = definitions.compile(definition, (one.join_key for one in entities))
    source = _source(definitions.config, definition)
    view = FeatureView(
        name=name,
        entities=entities,
        schema=_schema(definition, compiled, entities),
        source=source if feed != Feed.MATERIALIZED else PushSource(name=f"{name}_push", batch_source=source),
        ttl=ttl or timedelta(0),
        online=online,
        description=description,
        tags={**(tags or {}), **_tags(compiled)},
        owner=owner,
    )
    setattr(view, _DEFINITION, definition)
    setattr(view, _COMPILED, compiled)
    return view


def definition_of(view: Any) -> ViewDefinition | None:
    """Return what a view was defined by; None where it is not one of ours, or came from Feast's registry."""
    found: ViewDefinition | None = getattr(view, _DEFINITION, None)
    return found


def place(view: Any) -> tuple[str, int]:
    """Return where a view of ours is written: views are shown in that order."""
    definition = definition_of(view)
    return ("", 0) if definition is None else (definition.file, definition.line)


def compiled_of(view: Any) -> CompiledView | None:
    """Return the compiled view; None where it is wrong, or none of ours."""
    found: CompiledView | None = getattr(view, _COMPILED, None)
    return found


def _source(config: PipelineConfig, definition: ViewDefinition) -> OfflineTable:
    arguments = {
        "name": definition.name,
        **feature_source(config, definition.name),
        "timestamp_field": EVENT_TIMESTAMP,
        "created_timestamp_column": CREATED_TIMESTAMP,
    }
    return OfflineTable(**arguments)


def _schema(definition: ViewDefinition, compiled: CompiledView | None, entities: Sequence[Entity]) -> list[Field]:
    """The view's columns. One that is wrong gets some, so that the rest of the file can be read and judged too."""
    if compiled is not None:
        shape = compiled.shape
        typed = [(one.name, one.type) for one in shape.keys] + [(one.name, one.type) for one in shape.features]
        return [Field(name=name, dtype=TYPES[kind]) for name, kind in typed]
    keys = {one.join_key for one in entities}
    return [Field(name=name, dtype=String) for name in definition.features if name not in keys]


def _tags(compiled: CompiledView | None) -> dict[str, str]:
    if compiled is None:
        return {}
    shape = compiled.shape
    return {DEFINITION_TAG: shape.definition, SHAPE_TAG: shape.to_json(), FEED_TAG: shape.feed}
