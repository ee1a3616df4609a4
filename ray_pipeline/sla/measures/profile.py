"""What columns look like, for people: no check rests on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla import stored
from ray_pipeline.sla.column_look import Look, look_at
from ray_pipeline.sla.columns import measure_id, values
from ray_pipeline.sla.look_text import render
from ray_pipeline.sla.measure import Array, State, Where
from ray_pipeline.sla.result import ColumnProfile

ProfiledColumn = tuple[Column, bool]
"""A column's path, and whether it is classified: then nothing of its values is kept."""


@dataclass(frozen=True, slots=True)
class Profile:
    """By column and Arrow type (a column's type may change from file to file), what it looks like."""

    columns: tuple[ProfiledColumn, ...]
    looks: Mapping[tuple[int, str], Look] = field(default_factory=dict)
    """By the column's number in ``columns`` and the type's name."""

    def merge(self, other: Profile) -> Profile:
        looks = dict(self.looks)
        for key, look in other.looks.items():
            looks[key] = looks[key].merge(look) if key in looks else look
        return Profile(self.columns, looks)

    def value(self) -> tuple[ColumnProfile, ...]:
        """Return each column's profile, in the measure's order."""
        by_column: list[dict[str, Look]] = [{} for _ in self.columns]
        for (column, kind), look in sorted(self.looks.items(), key=lambda item: item[0]):
            by_column[column][kind] = look
        return tuple(
            render(".".join(path), looks, classified)
            for (path, classified), looks in zip(self.columns, by_column, strict=True)
        )

    def state(self) -> State:
        listed: list[dict[str, Any]] = []
        arrays: dict[str, Array] = {}
        for number, ((column, kind), look) in enumerate(sorted(self.looks.items(), key=lambda item: item[0])):
            state = look.state()
            listed.append({"column": column, "type": kind, **state.values})
            arrays |= {f"{number}.{name}": array for name, array in state.arrays.items()}
        return State({"looks": listed}, arrays)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Profile) and stored.same_state(self.state(), other.state())

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class ColumnProfileMeasure:
    """Looks at the columns of the first rows of each file: nulls, ends, histogram and top values.

    The first ``sample_rows`` rows are those by :attr:`Where.first_row`. Of a classified column only rows and nulls.
    """

    profiled: tuple[ProfiledColumn, ...]
    sample_rows: int = 16_384

    @property
    def id(self) -> str:
        return measure_id("column_profile", columns=self.profiled, sample_rows=self.sample_rows)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(path[0] for path, _ in self.profiled))

    def zero(self) -> Profile:
        return Profile(self.profiled)

    def of(self, batch: pa.Table, where: Where) -> Profile:
        sampled = min(max(self.sample_rows - where.first_row, 0), batch.num_rows)
        if not sampled:
            return self.zero()
        first = batch.slice(0, sampled)
        looks = {}
        for i, (path, classified) in enumerate(self.profiled):
            column = values(first, path)
            looks[i, str(column.type)] = look_at(column, sampled, classified)
        return Profile(self.profiled, looks)

    def load(self, state: State) -> Profile:
        listed = state.values.get("looks")
        if not isinstance(listed, list):
            raise ValueError("has no looks")  # noqa: TRY004
        looks: dict[tuple[int, str], Look] = {}
        for number, entry in enumerate(listed):
            if not isinstance(entry, dict):
                raise ValueError("a look without names")  # noqa: TRY004
            one = State(entry, _arrays(state, number))
            column, kind = stored.whole(one, "column"), stored.text(one, "type")
            if column >= len(self.profiled) or (looks and (column, kind) <= max(looks)):
                raise ValueError("looks that are not in order")
            looks[column, kind] = Look.load(one, kind, classified=self.profiled[column][1])
        return Profile(self.profiled, looks)


def _arrays(state: State, number: int) -> dict[str, Array]:
    names = ("keys", "counts")
    return {name: state.arrays[f"{number}.{name}"] for name in names if f"{number}.{name}" in state.arrays}
