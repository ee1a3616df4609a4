"""What an online store of Feast must answer, as data: the same cases for every store, asked through Feast's own API.

``run(store, folder, address)`` asks one store all of them, and says for each case ``as expected`` or what came
instead. ``address`` is that of a Redis server.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pandas as pd

AS_EXPECTED = "as expected"
NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
"""Ages are judged by the machine's clock, so moments are around it."""
PRESENT, NOT_FOUND, OUTSIDE_MAX_AGE = "PRESENT", "NOT_FOUND", "OUTSIDE_MAX_AGE"

Row = tuple[Any, datetime | None, datetime, Any]
"""Entity, event time, created time, value."""
Answer = tuple[Any, str]
"""Value and status."""


def at(seconds: float) -> datetime:
    """Return a moment, in seconds after the one that all cases begin at."""
    return NOW + timedelta(seconds=seconds)


@dataclass(frozen=True)
class Case:
    """Batches that are written one after the other, and what each entity asked for must then answer."""

    name: str
    says: str
    batches: Sequence[Sequence[Row]]
    asked: Sequence[Any]
    expected: Sequence[Answer]
    ttl: timedelta | None = None
    shuffled: bool = False
    """Whether the batches are written in every order, each into a view of its own."""
    push: bool = False
    """By ``push``, else by ``write_to_online_store``."""
    awaited: bool = False
    """By ``get_online_features_async``."""
    refused: bool = False
    """Whether the last batch has to be refused; what it holds must not be there afterwards."""
    events: Sequence[datetime | None] = field(default_factory=tuple)
    """Event times that the answer must give."""


HOUR = 3600
CASES: tuple[Case, ...] = (
    Case("newest", "what was written is read", [[(1, at(0), at(0), 10)]], [1], [(10, PRESENT)]),
    Case(
        "out of order",
        "an older event that is pushed later does not replace a newer one",
        [[(1, at(20), at(20), 11)], [(1, at(0), at(0), 10)]],
        [1],
        [(11, PRESENT)],
    ),
    Case(
        "any order",
        "three batches in any order end in the same value",
        [[(1, at(20), at(20), 11)], [(1, at(30), at(30), 12)], [(1, at(0), at(0), 10)]],
        [1],
        [(12, PRESENT)],
        shuffled=True,
    ),
    Case(
        "one batch",
        "within one batch the newest event wins, wherever it stands",
        [[(1, at(0), at(0), 10), (1, at(30), at(30), 12), (1, at(20), at(20), 11)]],
        [1],
        [(12, PRESENT)],
    ),
    Case(
        "duplicates",
        "the same rows again change nothing",
        [[(1, at(20), at(20), 11)], [(1, at(0), at(0), 10)], [(1, at(20), at(20), 11), (1, at(0), at(0), 10)]],
        [1],
        [(11, PRESENT)],
    ),
    Case(
        "tie",
        "of two rows of one event time the later created one wins, in any order",
        [[(1, at(0), at(5), 10)], [(1, at(0), at(9), 11)]],
        [1],
        [(11, PRESENT)],
        shuffled=True,
    ),
    Case(
        "microseconds",
        "event times that differ by a microsecond are in order",
        [[(1, at(0.000002), at(1), 11)], [(1, at(0.000001), at(1), 10)]],
        [1],
        [(11, PRESENT)],
    ),
    Case(
        "event time",
        "the answer says the event time, to the microsecond",
        [[(1, at(0.123457), at(1), 10)]],
        [1],
        [(10, PRESENT)],
        events=[at(0.123457)],
    ),
    Case(
        "unknown entity",
        "an entity that was never written is NOT_FOUND, with null",
        [[(1, at(0), at(0), 10)]],
        [7, 1],
        [(None, NOT_FOUND), (10, PRESENT)],
    ),
    Case(
        "too old",
        "a value older than the ttl is OUTSIDE_MAX_AGE, with null",
        [[(1, at(-2 * HOUR), at(-2 * HOUR), 10), (2, at(0), at(0), 20)]],
        [1, 2],
        [(None, OUTSIDE_MAX_AGE), (20, PRESENT)],
        ttl=timedelta(hours=1),
    ),
    Case(
        "ttl of zero",
        "a ttl of zero is no ttl, as Feast documents it",
        [[(1, at(-9000 * HOUR), at(0), 10)]],
        [1],
        [(10, PRESENT)],
        ttl=timedelta(0),
    ),
    Case(
        "null value",
        "a newer row counts, also where its value is null",
        [[(1, at(0), at(0), 10)], [(1, at(20), at(20), None), (2, at(0), at(0), 20)]],
        [1, 2],
        [(None, PRESENT), (20, PRESENT)],
    ),
    Case(
        "large integers",
        "an integer above 2^53 arrives as it is",
        [[(1, at(0), at(0), 2**53 + 1)]],
        [1],
        [(2**53 + 1, PRESENT)],
    ),
    Case(
        "large integers beside a null",
        "an integer above 2^53 arrives as it is, also where another row's value is null",
        [[(1, at(0), at(0), 2**53 + 1), (2, at(0), at(0), None)]],
        [1],
        [(2**53 + 1, PRESENT)],
    ),
    Case(
        "order of the request",
        "answers come in the order of the request, and as often as an entity is asked for",
        [[(1, at(0), at(0), 10), (2, at(0), at(0), 20), (3, at(0), at(0), 30)]],
        [3, 1, 3, 9, 2],
        [(30, PRESENT), (10, PRESENT), (30, PRESENT), (None, NOT_FOUND), (20, PRESENT)],
    ),
    Case(
        "null entity in a request",
        "an entity that is null is NOT_FOUND, and the others are answered",
        [[(1, at(0), at(0), 10)]],
        [1, None],
        [(10, PRESENT), (None, NOT_FOUND)],
    ),
    Case(
        "null entity in a batch",
        "a row whose entity is null refuses its batch, of which nothing is written",
        [[(1, at(0), at(0), 10)], [(1, at(20), at(20), 11), (None, at(20), at(20), 99)]],
        [1],
        [(10, PRESENT)],
        refused=True,
    ),
    Case(
        "no event time",
        "a row without event time refuses its batch, of which nothing is written",
        [[(1, at(0), at(0), 10)], [(1, at(20), at(20), 11), (2, None, at(20), 99)]],
        [1, 2],
        [(10, PRESENT), (None, NOT_FOUND)],
        refused=True,
    ),
    Case(
        "push",
        "push is guarded as well",
        [[(1, at(20), at(20), 11)], [(1, at(0), at(0), 10)]],
        [1, 7],
        [(11, PRESENT), (None, NOT_FOUND)],
        push=True,
    ),
    Case(
        "async",
        "the asynchronous read answers the same",
        [[(1, at(0), at(0), 10), (2, at(-2 * HOUR), at(0), 20)]],
        [1, 2, 7],
        [(10, PRESENT), (None, OUTSIDE_MAX_AGE), (None, NOT_FOUND)],
        ttl=timedelta(hours=1),
        awaited=True,
    ),
)
"""In the order of the page."""

Section = Callable[[Path, str], dict[str, Any]]
STORES: Mapping[str, Section] = {
    "ours, SQLite": lambda folder, _: {
        "type": "ray_pipeline.connectors.feast.sqlite.GuardedSqliteOnlineStore",
        "path": str(folder / "ours.db"),
    },
    "ours, Redis": lambda _, address: {
        "type": "ray_pipeline.connectors.feast.redis.GuardedRedisOnlineStore",
        "connection_string": address,
    },
    "Feast's SQLite": lambda folder, _: {"type": "sqlite", "path": str(folder / "theirs.db")},
    "Feast's Redis": lambda _, address: {"type": "redis", "connection_string": address},
}
"""Name → the ``online_store`` section."""
OURS = ("ours, SQLite", "ours, Redis")
ON_REDIS = ("ours, Redis", "Feast's Redis")


def run(store_name: str, folder: Path, address: str = "", only: Sequence[str] | None = None) -> dict[str, str]:
    """Ask one store every case, or only some; return for each ``as expected`` or what came instead."""
    asking = _Asking(store_name, folder, address)
    return {case.name: asking.outcome(case) for case in CASES if only is None or case.name in only}


class _Asking:
    def __init__(self, store_name: str, folder: Path, address: str) -> None:
        from feast import Entity, FeatureStore, RepoConfig, ValueType

        self._folder = folder
        config = RepoConfig(
            project=f"conformance_{uuid.uuid4().hex}",
            provider="local",
            registry=str(folder / "registry.db"),
            online_store=STORES[store_name](folder, address),
            offline_store={"type": "file"},
            entity_key_serialization_version=3,
            repo_path=folder,
        )
        self._entity = Entity(name="user", join_keys=["user"], value_type=ValueType.INT64)
        self._store = FeatureStore(config=config)
        self._views = 0

    def outcome(self, case: Case) -> str:
        orders = permutations(case.batches) if case.shuffled else [tuple(case.batches)]
        for batches in orders:
            try:
                if (what := self._one(case, batches)) is not None:
                    return what
            except Exception as error:
                return f"raises {type(error).__name__}"
        return AS_EXPECTED

    def _one(self, case: Case, batches: Sequence[Sequence[Row]]) -> str | None:
        view = self._view(case)
        accepted = None
        for number, batch in enumerate(batches):
            last = case.refused and number == len(batches) - 1
            try:
                self._write(case, view, batch)
            except Exception:
                if not last:
                    raise
            else:
                accepted = "the batch is accepted" if last else None
        return self._answered(case, view) or accepted

    def _view(self, case: Case) -> str:
        from feast import FeatureView, Field, FileSource, PushSource
        from feast.types import Int64

        self._views += 1
        name = f"view_{self._views}"
        file = FileSource(
            name=f"{name}_rows",
            path=str(self._folder / f"{name}.parquet"),
            timestamp_field="event_timestamp",
            created_timestamp_column="created",
        )
        _frame([(0, NOW, NOW, 0)]).to_parquet(self._folder / f"{name}.parquet")
        source: Any = PushSource(name=f"{name}_push", batch_source=file) if case.push else file
        schema = [Field(name="user", dtype=Int64), Field(name="value", dtype=Int64)]
        view = FeatureView(name=name, entities=[self._entity], ttl=case.ttl, schema=schema, source=source)
        self._store.apply([self._entity, view])
        return name

    def _write(self, case: Case, view: str, batch: Sequence[Row]) -> None:
        frame = _frame(batch)
        if case.push:
            self._store.push(f"{view}_push", frame)
        else:
            self._store.write_to_online_store(view, frame)

    def _answered(self, case: Case, view: str) -> str | None:
        rows = [{"user": user} for user in case.asked]
        ask: Any = {"features": [f"{view}:value"], "entity_rows": rows}
        if case.awaited:
            response = asyncio.run(self._store.get_online_features_async(**ask))
        else:
            response = self._store.get_online_features(**ask)
        from feast.protos.feast.serving.ServingService_pb2 import FieldStatus

        vector = response.proto.results[list(response.proto.metadata.feature_names.val).index("value")]
        found = [
            (value.int64_val if value.WhichOneof("val") == "int64_val" else None, FieldStatus.Name(status))
            for value, status in zip(vector.values, vector.statuses, strict=True)
        ]
        if found != list(case.expected):
            return f"{_shown(found)} instead of {_shown(case.expected)}"
        events = [moment.ToDatetime(UTC) for moment in vector.event_timestamps]
        if case.events and events != list(case.events):
            return "the event time has lost its fraction of a second"
        return None


def _shown(answers: Sequence[Answer]) -> str:
    return ", ".join(f"{'null' if value is None else value} {status}" for value, status in answers)


def _frame(rows: Sequence[Row]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "user": pd.array([row[0] for row in rows], dtype="Int64"),
            "event_timestamp": pd.to_datetime([row[1] for row in rows], utc=True),
            "created": pd.to_datetime([row[2] for row in rows], utc=True),
            "value": pd.array([row[3] for row in rows], dtype="Int64"),
        }
    )
