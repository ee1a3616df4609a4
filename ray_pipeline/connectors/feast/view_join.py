"""One view's join in blocks: rows are dealt out by their entity's number, and each block answers its own labels.

A block holds the whole history of its entities, so whatever their number the answers are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ray_pipeline.connectors.feast.view_plan import ViewPlan
from ray_pipeline.connectors.feast.view_rows import Piece, Span, conformed, read_piece
from ray_pipeline.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

    from ray_pipeline.features.asof import Ints

STATUS, EVENT = "__status", "__event"
"""What is added to a view's name."""
_ENTITY, _AT, _CREATED = "#entity", "#event", "#created"
"""Columns of a block's rows beside the features."""
_MOST = 0.5
_TOGETHER = 50_000
"""Rows of small files that are looked through in one go."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """The labels as one view sees them."""

    entities: pl.DataFrame
    """Each entity that is asked for, with its number."""
    entity: Ints
    """Of each label; -1 where its key is null in part."""
    at: Ints
    span: Span
    """Rows outside it answer nothing."""


def question(labels: pa.Table, plan: ViewPlan, at: Ints, *, statuses: bool) -> Question:
    """Number the entities of the labels, and say which rows can matter."""
    from ray_pipeline.features.join import number_entities

    entities, entity = number_entities(key_frame(labels, plan.keys), list(plan.keys))
    if not len(at):
        return Question(entities, entity, at, Span(None, None))
    first = None if plan.ttl_us is None or statuses else int(at.min()) - plan.ttl_us
    return Question(entities, entity, at, Span(first, int(at.max())))


def frame(table: pa.Table) -> pl.DataFrame:
    """Return an Arrow table as a polars frame."""
    import polars as pl

    made = pl.from_arrow(table)
    assert isinstance(made, pl.DataFrame)
    return made


def key_frame(table: pa.Table, keys: Iterable[str]) -> pl.DataFrame:
    """Return the columns of a key; of a view without one some other column, so that the rows can be counted."""
    return frame(table.select(list(keys) or table.column_names[:1]))


def read_share(plan: ViewPlan, share: Iterable[Piece], asked: Question) -> pa.Table:
    """Return the rows of a share that belong to entities of the labels, as :func:`deal` takes them."""
    found = [asked_rows(plan, rows, asked.entities) for rows in _gathered(plan, share, asked.span)]
    return pa.concat_tables(found) if found else asked_rows(plan, _no_rows(plan), asked.entities)


def _gathered(plan: ViewPlan, share: Iterable[Piece], span: Span) -> Iterator[pa.Table]:
    """Yield a share's rows, some files at a time: a table has one for each day, and to look through one costs."""
    waiting: list[pa.Table] = []
    for piece in share:
        for rows in read_piece(plan, piece, span):
            waiting.append(rows)
            if sum(one.num_rows for one in waiting) >= _TOGETHER:
                yield pa.concat_tables(waiting)
                waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def asked_rows(plan: ViewPlan, rows: pa.Table, entities: pl.DataFrame) -> pa.Table:
    """Return the rows of these entities: the entity's number, the moments in microseconds, and the features.

    Some rows of others may be among them, numbered -1: to leave out a few costs more than to carry them on.
    """
    from ray_pipeline.features.asof import NEVER
    from ray_pipeline.features.join import moments, number_rows

    keyed = frame(rows.select(list(dict.fromkeys((*plan.keys.values(), plan.event, *_created(plan))))))
    entity, event = number_rows(entities, keyed, plan.keys), moments(keyed[plan.event])
    columns = [entity, event] + [moments(keyed[name]) for name in _created(plan)]
    names = [_ENTITY, _AT, _CREATED][: len(columns)]
    table = pa.table([*columns, *(rows.column(name) for name in plan.features)], names=[*names, *plan.features])
    kept = (entity >= 0) & (event != NEVER)
    return table if np.count_nonzero(kept) >= _MOST * len(kept) else table.filter(pa.array(kept))


def deal(rows: pa.Table, blocks: int) -> list[pa.Table]:
    """Return the rows of each block. An entity's number counts within its block from here on."""
    if blocks == 1:
        return [rows]
    entity = rows.column(_ENTITY).to_numpy()
    block = np.where(entity < 0, blocks, entity % blocks).astype(np.uint16)  # those of no label come last, and are left
    order = np.argsort(block, kind="stable")
    bounds = np.searchsorted(block[order], np.arange(blocks + 1))
    order = order[: bounds[-1]]
    dealt = rows.set_column(0, _ENTITY, pa.array(entity // blocks)).take(pa.array(order))
    return [dealt.slice(first, last - first) for first, last in pairwise(bounds)]


def answer(plan: ViewPlan, entity: Ints, at: Ints, rows: pa.Table) -> pa.Table:
    """Return one row for each of a block's labels: features, status and moment, named as in the output."""
    from ray_pipeline.features.asof import Histories, find
    from ray_pipeline.features.join import content_ranks, status_columns

    def content(some: Ints) -> Ints:
        return content_ranks(frame(rows.select(sorted(plan.features)).take(pa.array(some))))

    created = rows.column(_CREATED).to_numpy() if plan.created else None
    histories = Histories(rows.column(_ENTITY).to_numpy(), rows.column(_AT).to_numpy(), created, content)
    found = find(entity, at, histories, ttl_us=plan.ttl_us, as_of_known=plan.as_of_known)
    picked = rows.select(list(plan.features)).take(pa.array(found.row, mask=found.row < 0))
    status, event = status_columns(found)
    said = [status.to_arrow().cast(pa.string()), event.to_arrow()]
    names = [*plan.features.values(), plan.name + STATUS, plan.name + EVENT]
    return pa.table([*picked.columns, *said], names=names)


def asked_of(asked: Question, blocks: int) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Yield for each block which labels are its own, their entities' numbers within it, and their moments."""
    for block in range(blocks):
        mine = np.flatnonzero(asked.entity % blocks == block)
        yield mine, asked.entity[mine] // blocks, asked.at[mine]


def gather(answers: Sequence[pa.Table], asked: Question) -> pa.Table:
    """Bring the blocks' answers into the order of the labels."""
    if len(answers) == 1:
        return answers[0]
    labels = np.concatenate([mine for mine, _, _ in asked_of(asked, len(answers))])
    place = np.empty(len(labels), np.int64)
    place[labels] = np.arange(len(labels))
    return pa.concat_tables(answers).take(pa.array(place))


def in_memory(plan: ViewPlan, asked: Question) -> pa.Table:
    """Return the plan's own rows as :func:`read_share` returns those of files."""
    assert plan.rows is not None
    return asked_rows(plan, conformed(plan, plan.rows), asked.entities)


def asked_moments(labels: pa.Table, at: str) -> Ints:
    """Return the labels' moments; ``UsageError`` where they are absent, null, or no moments."""
    from ray_pipeline.features.asof import NEVER
    from ray_pipeline.features.join import moments

    if at not in labels.column_names:
        raise UsageError(f"the labels have no column {at}: it says as of which moment each one asks")
    found = moments(frame(labels.select([at]))[at])
    if missing := int((found == NEVER).sum()):
        raise UsageError(f"{missing} of {len(found)} labels have no {at}: a feature is asked as of a moment")
    return found


def _created(plan: ViewPlan) -> tuple[str, ...]:
    return () if plan.created is None else (plan.created,)


def _no_rows(plan: ViewPlan) -> pa.Table:
    return pa.schema([plan.schema.field(name) for name in plan.columns]).empty_table()


def check(labels: pa.Table, plans: Sequence[ViewPlan], *, statuses: bool) -> None:
    """Raise ``UsageError`` where a label column is absent, or two columns of the output would share a name."""
    taken: dict[str, Any] = dict.fromkeys(labels.column_names, "the labels")
    for plan in plans:
        if missing := [key for key in plan.keys if key not in labels.column_names]:
            raise UsageError(f"the labels have no column {missing[0]}, the key of view {plan.name}")
        added = [*plan.features.values(), *([plan.name + STATUS, plan.name + EVENT] if statuses else [])]
        for name in added:
            if name in taken:
                raise UsageError(
                    f"column {name} would come twice, from {taken[name]} and from view {plan.name}: "
                    "ask for full feature names, or rename the label's column"
                )
            taken[name] = f"view {plan.name}"
