"""All rows of a source within a time range, or each entity's newest: what ``feast materialize`` reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ray_pipeline.connectors.feast.historical import row_schema
from ray_pipeline.connectors.feast.sources import open_source
from ray_pipeline.connectors.feast.view_join import frame, key_frame
from ray_pipeline.connectors.feast.view_plan import ViewPlan
from ray_pipeline.connectors.feast.view_rows import Piece, Span, conformed, read_piece

if TYPE_CHECKING:
    from feast.repo_config import RepoConfig

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AT_A_TIME = 500_000
"""So many rows are gathered before they are brought down to each entity's newest."""


def pull_plan(
    config: RepoConfig,
    source: Any,
    keys: Sequence[str],
    features: Sequence[str],
    event: str,
    created: str | None,
    span: Span,
) -> ViewPlan:
    """Return the rows of a source within a span, by its own names of columns."""
    wanted = list(dict.fromkeys((*keys, *features, event, *([created] if created else []))))
    rows = open_source(config, source.name, source, wanted, span)
    schema = row_schema(source.name, rows, wanted, {}, [event, *([created] if created else [])])
    same = {name: name for name in features}
    return ViewPlan(
        source.name,
        {key: key for key in keys},
        same,
        schema,
        event,
        created,
        files=rows.files,
        open=rows.open,
        rows=rows.rows,
    )


def span_of(start: datetime | None, end: datetime | None) -> Span:
    """Return a time range in microseconds, both ends included; a moment without a zone is UTC."""
    first, last = (
        None if one is None else (one if one.tzinfo else one.replace(tzinfo=UTC)) - _EPOCH for one in (start, end)
    )
    us = timedelta(microseconds=1)
    return Span(None if first is None else first // us, None if last is None else last // us)


def all_rows(plan: ViewPlan, span: Span) -> pa.Table:
    """Return the rows within the span, in the order of the files."""
    return pa.concat_tables([_empty(plan), *_within(plan, span)])


def newest_rows(plan: ViewPlan, span: Span) -> pa.Table:
    """Return each entity's newest row within the span, by event, creation and content; memory is bounded by entities.

    An entity whose key is null in part is none.
    """
    gathered, count = [_empty(plan)], 0
    for rows in _within(plan, span):
        gathered.append(rows)
        count += rows.num_rows
        if count > _AT_A_TIME + gathered[0].num_rows:
            gathered, count = [_newest(plan, pa.concat_tables(gathered))], 0
    return _newest(plan, pa.concat_tables(gathered))


def _newest(plan: ViewPlan, rows: pa.Table) -> pa.Table:
    from ray_pipeline.features.asof import Histories, Ints, find
    from ray_pipeline.features.join import content_ranks, moments, number_entities

    def content(some: Ints) -> Ints:
        return content_ranks(frame(rows.select(sorted(plan.features)).take(pa.array(some))))

    keys = list(plan.keys)
    entities, entity = number_entities(key_frame(rows, keys), keys)
    times = frame(rows.select([plan.event, *([plan.created] if plan.created else [])]))
    event = moments(times[plan.event])
    created = moments(times[plan.created]) if plan.created else None
    if not rows.num_rows:
        return rows
    asked = np.arange(entities.height, dtype=np.int64)
    found = find(
        asked,
        np.full(len(asked), event.max()),
        Histories(entity, event, created, content),
        ttl_us=None,
        as_of_known=False,
    )
    return rows.take(pa.array(found.row[found.row >= 0]))


def _within(plan: ViewPlan, span: Span) -> Iterator[pa.Table]:
    from ray_pipeline.features.asof import NEVER
    from ray_pipeline.features.join import moments

    for rows in _tables(plan, span):
        event = moments(frame(rows.select([plan.event]))[plan.event])
        kept = event != NEVER
        if span.first is not None:
            kept &= event >= span.first
        if span.last is not None:
            kept &= event <= span.last
        yield rows if kept.all() else rows.filter(pa.array(kept))


def _tables(plan: ViewPlan, span: Span) -> Iterator[pa.Table]:
    for file in plan.files:
        yield from read_piece(plan, Piece(file), span)
    if plan.rows is not None:
        yield conformed(plan, plan.rows)


def _empty(plan: ViewPlan) -> pa.Table:
    return pa.schema([plan.schema.field(name) for name in plan.columns]).empty_table()
