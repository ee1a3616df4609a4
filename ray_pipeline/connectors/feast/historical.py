"""From Feast's views and references to a join: which columns, of which types, joined by what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ray_pipeline.connectors.feast.sources import SourceRows, open_source
from ray_pipeline.connectors.feast.view_plan import ViewPlan
from ray_pipeline.connectors.feast.view_rows import Span, widened
from ray_pipeline.errors import FeatureTableError, UsageError

if TYPE_CHECKING:
    from feast.feature_view import FeatureView
    from feast.repo_config import RepoConfig

DEFAULT_AT = "event_timestamp"
_DUMMY_KEY = "__dummy_id"
"""The join key of Feast's views without an entity; no source has it."""


def moment_column(labels: pa.Table) -> str:
    """Return the labels' column of moments: ``event_timestamp``, else the only one of timestamps."""
    if DEFAULT_AT in labels.column_names:
        return DEFAULT_AT
    found = [one.name for one in labels.schema if pa.types.is_timestamp(one.type)]
    if len(found) == 1:
        return str(found[0])
    raise UsageError(
        f"the labels have no column {DEFAULT_AT}, and {len(found)} other columns of timestamps: "
        f"name the moment as of which each label asks {DEFAULT_AT}"
    )


def in_utc(labels: pa.Table, at: str) -> pa.Table:
    """Return the labels with their moments in UTC; a moment without a zone is UTC already, as Feast has it."""
    kind = labels.schema.field(at).type
    if not pa.types.is_timestamp(kind):
        raise UsageError(f"the labels' {at} is {kind}, and has to be a timestamp")
    there = labels.column_names.index(at)
    moments = labels.column(at).cast(pa.timestamp(kind.unit, "UTC"))
    return labels.set_column(there, pa.field(at, moments.type), moments)


def view_plan(
    config: RepoConfig,
    view: FeatureView,
    features: Sequence[str],
    asked: tuple[int, int] | None,
    *,
    full_feature_names: bool,
    as_of_known: bool,
) -> ViewPlan:
    """Return how to join some features of a view to labels whose moments lie between two ones.

    Raises ``FeatureTableError`` where its source lacks a column, or holds one of another kind than the view says.
    """
    source = view.batch_source
    if source is None:
        raise UsageError(f"view {view.name} has no batch source: there is nothing offline to read")
    columns = source_columns(source.field_mapping)
    ttl = ttl_of(view.ttl)
    event = columns(source.timestamp_field)
    created = columns(source.created_timestamp_column) if source.created_timestamp_column else None
    keys = {
        view.projection.join_key_map.get(one.name, one.name): columns(one.name)
        for one in view.entity_columns
        if one.name != _DUMMY_KEY
    }
    prefix = f"{view.projection.name_alias or view.name}__" if full_feature_names else ""
    outputs = {columns(name): f"{prefix}{name}" for name in dict.fromkeys(features)}
    wanted = list(dict.fromkeys((*keys.values(), event, *([created] if created else []), *outputs)))
    span = Span(None, None) if asked is None else Span(None if ttl is None else asked[0] - ttl, asked[1])
    rows = open_source(config, view.name, source, wanted, span)
    declared = {columns(one.name): one.dtype for one in (*view.features, *view.entity_columns)}
    return ViewPlan(
        str(view.projection.name_to_use()),  # type: ignore[no-untyped-call]
        keys,
        outputs,
        row_schema(view.name, rows, wanted, declared, [event, *([created] if created else [])]),
        event,
        created,
        ttl,
        as_of_known,
        rows.files,
        rows.open,
        rows.rows,
    )


def source_columns(mapping: Mapping[str, str] | None) -> Any:
    """Return what tells the source's name of a column from the view's."""
    back = {there: here for here, there in (mapping or {}).items()}
    return lambda name: back.get(name, name)


def ttl_of(ttl: timedelta | None) -> int | None:
    """Return a ttl in microseconds; Feast's zero is no ttl."""
    return ttl // timedelta(microseconds=1) if ttl else None


def row_schema(
    view: str, rows: SourceRows, columns: Sequence[str], declared: Mapping[str, Any], moments: Sequence[str]
) -> pa.Schema:
    """Return the types of some columns: the source's, or the view's where that one is wider."""
    fields = []
    for name in columns:
        if name not in rows.schema.names:
            raise FeatureTableError(view, f"its source has no column {name}")
        there = rows.schema.field(name).type
        if name in moments:
            if not (pa.types.is_timestamp(there) or pa.types.is_date(there)):
                raise FeatureTableError(view, f"column {name} is {there}, and has to be a timestamp")
            fields.append(pa.field(name, there))
            continue
        said = _arrow(declared.get(name))
        kind = there if said is None else _common(there, said)
        if kind is None:
            raise FeatureTableError(
                view, f"column {name} is {there} in its source and {said} in the view: correct the view, or rebuild"
            )
        fields.append(pa.field(name, kind))
    return pa.schema(fields)


def _common(there: pa.DataType, said: pa.DataType) -> pa.DataType | None:
    if not (_plain(there) and _plain(said)):
        return there  # Feast's words for nested values, decimals and JSON are not Arrow's
    if pa.types.is_unsigned_integer(there) and pa.types.is_integer(said):
        return there  # Feast has no word for it
    return widened(there, said)


def _plain(kind: pa.DataType) -> bool:
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string, pa.types.is_timestamp)
    return any(test(kind) for test in tests)


def _arrow(dtype: Any) -> pa.DataType | None:
    """Return Feast's type as Arrow's; None where it has none, or says nothing about how it is stored."""
    from feast.types import Decimal, Json, TimeUuid, Uuid, from_feast_to_pyarrow_type

    if dtype is None or dtype in (Decimal, Json, TimeUuid, Uuid):
        return None
    try:
        return from_feast_to_pyarrow_type(dtype)
    except ValueError:
        return None
