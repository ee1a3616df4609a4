"""How many records were published on each day, by Kafka's timestamp."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ray_pipeline.sla.measure import State, Where

_DAY = 86_400_000


@dataclass(frozen=True, slots=True)
class PublishedOn:
    """ISO day (UTC) → records; one without a timestamp counts for 1970-01-01."""

    days: Mapping[str, int] = field(default_factory=dict)

    def merge(self, other: PublishedOn) -> PublishedOn:
        names = sorted({*self.days, *other.days})
        return PublishedOn({name: self.days.get(name, 0) + other.days.get(name, 0) for name in names})

    def state(self) -> State:
        return State({"days": dict(sorted(self.days.items()))})


@dataclass(frozen=True, slots=True)
class PublicationDays:
    """Counts records by the day that they were published on."""

    @property
    def id(self) -> str:
        return "publicationDays"

    @property
    def columns(self) -> tuple[str, ...]:
        return ("_timestamp",)

    def zero(self) -> PublishedOn:
        return PublishedOn()

    def of(self, batch: pa.Table, where: Where) -> PublishedOn:  # noqa: ARG002  the interface's
        if not batch.num_rows:
            return PublishedOn()
        published = pc.fill_null(batch.column("_timestamp").cast(pa.int64()), 0).to_numpy()
        days, counts = np.unique(np.floor_divide(published, _DAY), return_counts=True)
        return PublishedOn({str(np.datetime64(int(day), "D")): int(n) for day, n in zip(days, counts, strict=True)})

    def load(self, state: State) -> PublishedOn:
        return PublishedOn({str(day): int(n) for day, n in state.values["days"].items()})
