"""What an offline store of Feast must answer, as data: the same cases for every store, asked through Feast's own API.

``run(store, folder)`` asks one store all of them, and says for each case ``as expected`` or what came instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

AS_EXPECTED = "as expected"
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
KIND = pa.timestamp("us", "UTC")


def at(seconds: float) -> datetime:
    """Return a moment, in seconds after noon."""
    return NOON + timedelta(seconds=seconds)


@dataclass(frozen=True)
class Case:
    """One question: labels, a view's rows, and the value that each label must get, in the labels' order."""

    name: str
    says: str
    labels: Sequence[tuple[Any, ...]]
    """(keys …, moment)."""
    rows: Sequence[tuple[Any, ...]]
    """(keys …, event, created, value)."""
    expected: Sequence[Any]
    keys: Mapping[str, pa.DataType] = field(default_factory=lambda: {"user": pa.int64()})
    value: pa.DataType = field(default_factory=pa.int64)
    ttl: timedelta | None = None
    known: bool = False
    alias: Mapping[str, str] = field(default_factory=dict)
    """The rows' key → the labels' column, where it is called otherwise there."""
    label_kind: pa.DataType | None = None
    """Of the labels' keys, where it is not that of the rows."""
    moment_kind: pa.DataType = field(default_factory=lambda: KIND)
    ordered: bool = False
    """Whether the order of the answer is asked about; else labels are found again by their number."""


HOUR = 3600
TWO_KEYS = {"user": pa.int64(), "shop": pa.string()}
CASES: tuple[Case, ...] = (
    Case(
        "newest",
        "of several earlier rows the newest one counts",
        [(1, at(30)), (2, at(30))],
        [(1, at(0), at(0), 10), (1, at(20), at(20), 11), (2, at(10), at(10), 20), (2, at(-5), at(-5), 19)],
        [11, 20],
    ),
    Case(
        "same moment",
        "a row of the label's own moment counts",
        [(1, at(30))],
        [(1, at(30), at(30), 10), (1, at(29), at(29), 9)],
        [10],
    ),
    Case(
        "future",
        "a row after the label's moment does not count",
        [(1, at(30))],
        [(1, at(31), at(31), 10), (1, at(29), at(29), 9)],
        [9],
    ),
    Case(
        "before any row",
        "a label before any row of its entity stays, with null",
        [(1, at(30)), (2, at(30))],
        [(1, at(40), at(40), 10), (2, at(0), at(0), 20)],
        [None, 20],
    ),
    Case(
        "unknown entity",
        "a label of an entity without rows stays, with null",
        [(1, at(30)), (7, at(30))],
        [(1, at(0), at(0), 10)],
        [10, None],
    ),
    Case(
        "ttl exceeded",
        "a value older than the ttl is null, and its label stays",
        [(1, at(0)), (1, at(2 * HOUR)), (2, at(0))],
        [(1, at(-60), at(-60), 10), (2, at(-60), at(-60), 20)],
        [10, None, 20],
        ttl=timedelta(hours=1),
    ),
    Case(
        "ttl edge",
        "a value exactly as old as the ttl counts, and one a microsecond older does not",
        [(1, at(HOUR)), (2, at(HOUR) + timedelta(microseconds=1))],
        [(1, at(0), at(0), 10), (2, at(0), at(0), 20)],
        [10, None],
        ttl=timedelta(hours=1),
    ),
    Case(
        "ttl of zero",
        "a ttl of zero is no ttl, as Feast documents it",
        [(1, at(1000 * HOUR))],
        [(1, at(0), at(0), 10)],
        [10],
        ttl=timedelta(0),
    ),
    Case(
        "late correction",
        "of two rows of one event time the later created one counts",
        [(1, at(30)), (2, at(30))],
        [(1, at(0), at(9), 11), (1, at(0), at(5), 10), (2, at(0), at(5), 20), (2, at(0), at(9), 21)],
        [11, 21],
    ),
    Case(
        "as known: correction",
        "as of then, a correction that was made later is not known",
        [(1, at(7)), (1, at(9))],
        [(1, at(0), at(5), 10), (1, at(0), at(8), 11)],
        [10, 11],
        known=True,
    ),
    Case(
        "as known: older event",
        "as of then, an older event stands in for a newer one that was published later",
        [(1, at(20)), (1, at(31))],
        [(1, at(0), at(1), 10), (1, at(15), at(30), 11)],
        [10, 11],
        known=True,
    ),
    Case(
        "as known: late old event",
        "as of then, an old event that arrives late does not replace a newer one",
        [(1, at(30)), (1, at(9))],
        [(1, at(5), at(6), 11), (1, at(0), at(20), 10)],
        [11, 11],
        known=True,
    ),
    Case(
        "as known: nothing yet",
        "as of then, a label before anything was published stays, with null",
        [(1, at(2)), (1, at(20))],
        [(1, at(0), at(10), 10)],
        [None, 10],
        known=True,
    ),
    Case(
        "microseconds",
        "event times differ by microseconds",
        [(1, NOON + timedelta(microseconds=2)), (1, NOON + timedelta(microseconds=1))],
        [
            (1, NOON + timedelta(microseconds=1), at(0), 10),
            (1, NOON + timedelta(microseconds=2), at(0), 11),
            (1, NOON + timedelta(microseconds=3), at(0), 12),
        ],
        [11, 10],
    ),
    Case(
        "null key of a label",
        "a label whose key is null stays, with null",
        [(None, at(30)), (1, at(30))],
        [(1, at(0), at(0), 10)],
        [None, 10],
    ),
    Case(
        "null keys on both sides",
        "a null key is not equal to another one",
        [(1, "a", at(30)), (1, None, at(30))],
        [(1, "a", at(0), at(0), 10), (1, None, at(0), at(0), 99)],
        [10, None],
        keys=TWO_KEYS,
    ),
    Case(
        "labels twice",
        "a label that is there twice comes back twice",
        [(1, at(30)), (1, at(30)), (2, at(30))],
        [(1, at(0), at(0), 10), (2, at(0), at(0), 20)],
        [10, 10, 20],
    ),
    Case(
        "two keys",
        "a key of two columns, with entities whose times interleave",
        [(1, "a", at(30)), (1, "b", at(30)), (2, "a", at(30))],
        [
            (1, "a", at(0), at(0), 10),
            (1, "b", at(5), at(5), 11),
            (2, "a", at(2), at(2), 20),
            (1, "a", at(3), at(3), 12),
        ],
        [12, 11, 20],
        keys=TWO_KEYS,
    ),
    Case(
        "alias",
        "the labels call the key otherwise",
        [(1, at(30)), (2, at(30))],
        [(1, at(0), at(0), 10), (2, at(0), at(0), 20)],
        [10, 20],
        alias={"user": "buyer"},
    ),
    Case(
        "no entity",
        "a view without an entity has one history for all labels",
        [(at(30),), (at(5),)],
        [(at(0), at(0), 10), (at(20), at(20), 11)],
        [11, 10],
        keys={},
    ),
    Case(
        "narrow key",
        "the key is an integer of 32 bits on one side",
        [(1, at(30)), (2, at(30))],
        [(1, at(0), at(0), 10), (2, at(0), at(0), 20)],
        [10, 20],
        label_kind=pa.int32(),
    ),
    Case(
        "other zone",
        "labels are written in another time zone",
        [(1, at(30).astimezone(ZoneInfo("America/New_York")))],
        [(1, at(0), at(0), 10), (1, at(HOUR), at(HOUR), 11)],
        [10],
        moment_kind=pa.timestamp("us", "America/New_York"),
    ),
    Case(
        "no zone",
        "moments without a zone are UTC",
        [(1, at(30))],
        [(1, at(0), at(0), 10), (1, at(HOUR), at(HOUR), 11)],
        [10],
        moment_kind=pa.timestamp("us"),
    ),
    Case(
        "large integers",
        "an integer above 2^53 arrives as it is, beside a null",
        [(1, at(30)), (7, at(30))],
        [(1, at(0), at(0), 2**53 + 1)],
        [2**53 + 1, None],
    ),
    Case(
        "null value",
        "the newest row counts, also where its value is null",
        [(1, at(30)), (2, at(30))],
        [(1, at(0), at(0), "old"), (1, at(20), at(20), None), (2, at(0), at(0), "x")],
        [None, "x"],
        value=pa.string(),
    ),
    Case(
        "order of labels",
        "labels come back in the order in which they were asked",
        [(2, at(30)), (1, at(10)), (3, at(20)), (1, at(5))],
        [(1, at(0), at(0), 10), (2, at(0), at(0), 20), (3, at(0), at(0), 30), (1, at(7), at(7), 11)],
        [20, 11, 30, 10],
        ordered=True,
    ),
)
"""In the order of the page."""

STORES: Mapping[str, Mapping[str, Any]] = {
    "ours": {"type": "ray_pipeline.connectors.feast.offline.PointInTimeOfflineStore"},
    "ours on Ray": {
        "type": "ray_pipeline.connectors.feast.offline.PointInTimeOfflineStore",
        "local_bytes": -1,
        "blocks": 4,
    },
    "dask": {"type": "dask"},
    "duckdb": {"type": "duckdb"},
    "ray": {"type": "ray", "broadcast_join_threshold_mb": 100},
    "ray, large": {"type": "ray", "broadcast_join_threshold_mb": -1},
}
"""Name → the ``offline_store`` section. The last one is Feast's Ray store as it works on large sources."""


def run(store_name: str, tmp_path: Path, only: Sequence[str] | None = None) -> dict[str, str]:
    """Ask one store every case, or only some; return for each ``as expected`` or what came instead."""
    store = _opened(store_name, tmp_path)
    return {case.name: _outcome(store, case) for case in CASES if only is None or case.name in only}


def _opened(store_name: str, folder: Path) -> Any:
    from feast import FeatureStore, RepoConfig

    section = dict(STORES[store_name])
    if section["type"] == "ray":
        section["storage_path"] = str(folder / "ray")
    config = RepoConfig(
        project="conformance",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        offline_store=section,
        entity_key_serialization_version=3,
        repo_path=folder,
    )
    store = FeatureStore(config=config)
    objects = [one for number, case in enumerate(CASES) for one in _objects(number, case, folder)]
    store.apply(list({(type(one), one.name): one for one in objects}.values()))
    return store


def _objects(number: int, case: Case, folder: Path) -> list[Any]:
    from feast import Entity, FeatureView, Field, FileSource, ValueType
    from feast.types import Int64, String

    names = [*case.keys, "event_timestamp", "created", f"value_{number}"]
    kinds = [*case.keys.values(), KIND, KIND, case.value]
    columns = [pa.array([row[i] for row in case.rows], kind) for i, kind in enumerate(kinds)]
    path = folder / f"rows_{number}.parquet"
    pq.write_table(pa.table(columns, names=names), path)
    kinds_of = {pa.int64(): (ValueType.INT64, Int64), pa.string(): (ValueType.STRING, String)}
    entities = [Entity(name=name, join_keys=[name], value_type=kinds_of[kind][0]) for name, kind in case.keys.items()]
    schema = [Field(name=name, dtype=kinds_of[kind][1]) for name, kind in case.keys.items()]
    view = FeatureView(
        name=f"view_{number}",
        entities=entities,
        ttl=case.ttl,
        schema=[*schema, Field(name=f"value_{number}", dtype=kinds_of[case.value][1])],
        source=FileSource(path=str(path), timestamp_field="event_timestamp", created_timestamp_column="created"),
    )
    return [*entities, view]


def _outcome(store: Any, case: Case) -> str:
    try:
        table = _ask(store, case)
    except Exception as error:
        text = str(error).strip().splitlines()
        return f"{type(error).__name__}: {text[0][:160] if text else ''}".rstrip(": ")
    value = next((name for name in table.column_names if name.startswith("value_")), None)
    if value is None:
        return "the feature is not in the answer"
    if table.num_rows != len(case.labels):
        return f"{table.num_rows} of {len(case.labels)} labels come back"
    found = dict(zip(table.column("label").to_pylist(), map(_plain, table.column(value).to_pylist()), strict=True))
    values = [found.get(i) for i in range(len(case.labels))]
    if values != list(case.expected):
        return f"{values} instead of {list(case.expected)}"
    if case.ordered and table.column("label").to_pylist() != list(range(len(case.labels))):
        return "labels come back in another order"
    return AS_EXPECTED


def _plain(value: Any) -> Any:
    """pandas writes a missing integer as NaN, and so every integer beside it as a float: this alone is no fault."""
    if isinstance(value, float):
        return None if value != value else int(value)
    return value


def _ask(store: Any, case: Case) -> pa.Table:
    import pandas as pd

    number = CASES.index(case)
    names = [*(case.alias.get(name, name) for name in case.keys), "event_timestamp"]
    columns: dict[str, Any] = {"label": list(range(len(case.labels)))}
    for i, name in enumerate(names):
        found = [label[i] for label in case.labels]
        if name == "event_timestamp":
            moments = pa.array(found, KIND).cast(case.moment_kind)
            columns[name] = moments.to_pandas().to_numpy() if case.moment_kind.tz is None else moments.to_pandas()
        elif any(isinstance(one, str) for one in found):
            columns[name] = pd.Series(found, dtype="object")
        elif None in found:
            columns[name] = pd.Series(found, dtype="Int64")
        else:
            columns[name] = pd.Series(found, dtype="int32" if case.label_kind == pa.int32() else "int64")
    view: Any = store.get_feature_view(f"view_{number}")
    more = {"filter_by_created_timestamp": True} if case.known else {}
    if case.alias:
        from feast import FeatureService

        features: Any = FeatureService(name=f"service_{number}", features=[view.with_join_key_map(dict(case.alias))])
        store.apply([features])
    else:
        features = [f"view_{number}:value_{number}"]
    return store.get_historical_features(entity_df=pd.DataFrame(columns), features=features, **more).to_arrow()
