"""Online stores: a push next to Feast's own SQLite store, and merged reads. ``python -m tests.bench.features_online``.

The push is what Feast hands to a store, ten features of ten thousand rows, and the same push with all that Feast does
before that, which no store can make quicker. The stores take turns and the best of each counts, wall and processor time
of this process: on a busy machine the second says more (of Redis it is the client's share alone).
"""

from __future__ import annotations

import contextlib
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from ray_pipeline.connectors.online import OnlineSettings, open_online
from ray_pipeline.connectors.online.reading import Moment, state_readings
from ray_pipeline.connectors.online.settings import Kind
from ray_pipeline.features import aggregates
from ray_pipeline.features.ports import OnlineStore
from ray_pipeline.features.reading import Status
from ray_pipeline.features.shape import ViewShape
from tests.feature_oracle import BASE, HOUR, MINUTE, OracleEvent, feature_shape, view_shape
from tests.online_states import write_events
from tests.servers.redis import RedisServer, RedisUnavailableError

ROWS, FEATURES, ENTITIES, EVENTS, PARTITIONS = 10_000, 10, 100, 480, 4
ROUNDS = 7
TYPES = {
    "feast's sqlite": "sqlite",
    "our sqlite": "ray_pipeline.connectors.feast.sqlite.GuardedSqliteOnlineStore",
    "our redis": "ray_pipeline.connectors.feast.redis.GuardedRedisOnlineStore",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, _redis() as server:
        _pushes(Path(folder), server)
        _reads(Path(folder), server)


@contextlib.contextmanager
def _redis() -> Iterator[RedisServer | None]:
    try:
        server = RedisServer().start()
    except RedisUnavailableError as reason:
        print(f"no Redis: {reason}")
        yield None
        return
    try:
        yield server
    finally:
        server.stop()


def _pushes(folder: Path, server: RedisServer | None) -> None:
    kinds = {name: kind for name, kind in TYPES.items() if server is not None or name != "our redis"}
    clients = {
        name: _client(folder / name.replace(" ", "-").replace("'", ""), kind, server) for name, kind in kinds.items()
    }
    written: dict[str, list[Took]] = {name: [] for name in kinds}
    pushed: dict[str, list[Took]] = {name: [] for name in kinds}
    for number in range(ROUNDS):
        for name, (store, view) in clients.items():
            online, data = store._get_provider().online_store, _handed_over(store, view, _frame(2 * number))
            written[name].append(_took(online.online_write_batch, store.config, view, data, None))
            pushed[name].append(_took(store.push, "push", _frame(2 * number + 1)))
    for what, found in (("write by the store", written), ("push of a frame", pushed)):
        theirs = Took(*map(min, zip(*found["feast's sqlite"], strict=True)))
        for name, each in found.items():
            ours = Took(*map(min, zip(*each, strict=True)))
            print(
                f"{what}, {name}: {ours.wall * 1000:.0f} ms, {theirs.wall / ours.wall:.1f} x Feast's SQLite; "
                f"processor {ours.processor * 1000:.0f} ms, {theirs.processor / ours.processor:.1f} x"
            )


def _client(folder: Path, kind: str, server: RedisServer | None) -> tuple[Any, Any]:
    warnings.simplefilter("ignore")
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, PushSource
    from feast.types import Float64, Int64
    from feast.value_type import ValueType

    folder.mkdir()
    where = (
        f"connection_string: {server.address}" if kind.endswith("RedisOnlineStore") and server else "path: online.db"
    )
    (folder / "feature_store.yaml").write_text(
        f"project: bench\nprovider: local\nregistry: {folder}/registry.db\nentity_key_serialization_version: 3\n"
        f"online_store:\n  type: {kind}\n  {where}\n"
    )
    _frame(0).head(1).to_parquet(folder / "rows.parquet")
    source = FileSource(
        name="file", path=str(folder / "rows.parquet"), timestamp_field="at", created_timestamp_column="made"
    )
    view = FeatureView(
        name="view",
        entities=[Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)],
        ttl=timedelta(days=9000),
        schema=[Field(name=f"f{n}", dtype=Int64 if n % 2 else Float64) for n in range(FEATURES)],
        source=PushSource(name="push", batch_source=source),
    )
    store = FeatureStore(repo_path=str(folder))
    store.apply([Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64), view])
    return store, store.get_feature_view("view")


def _frame(number: int) -> Any:
    import pandas as pd

    at = datetime(2013, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    columns: dict[str, Any] = {"user_id": range(ROWS), "at": [at] * ROWS, "made": [at] * ROWS}
    for n in range(FEATURES):
        columns[f"f{n}"] = [i * 7 if n % 2 else i / 7 for i in range(ROWS)]
    return pd.DataFrame(columns)


def _handed_over(store: Any, view: Any, frame: Any) -> list[Any]:
    """What Feast makes of a frame before a store sees it."""
    import pyarrow as pa
    from feast.utils import _convert_arrow_to_proto
    from feast.value_type import ValueType

    table = pa.Table.from_pandas(frame)
    return list(_convert_arrow_to_proto(table, view, {"user_id": ValueType.INT64}))


def _reads(folder: Path, server: RedisServer | None) -> None:
    shape = view_shape(
        [
            feature_shape("count", aggregates.Kind.COUNT, ""),
            feature_shape("mean", aggregates.Kind.MEAN, "float"),
            feature_shape("share", aggregates.Kind.SHARE, "bool"),
        ],
        window=24 * HOUR,
    )
    names = [f'["e{n}"]' for n in range(ENTITIES)]
    step = 24 * HOUR // EVENTS
    events = [
        OracleEvent(name, at, at + MINUTE, (i + n) % PARTITIONS, i * ENTITIES + n, (None, i * 0.37, i % 3 == 0))
        for i, at in enumerate(range(BASE, BASE + 24 * HOUR, step))
        for n, name in enumerate(names)
    ]
    moment = Moment(BASE + 24 * HOUR)
    kinds = {"sqlite": OnlineSettings(Kind.SQLITE, uuid.uuid4().hex, path=folder / "reads.db")}
    if server is not None:
        kinds["redis"] = OnlineSettings(Kind.REDIS, uuid.uuid4().hex, connection=server.address)
    for kind, settings in kinds.items():
        store = open_online(settings)
        write_events(store, shape, events)
        for number, times, limit in ((1, 500, 10), (ENTITIES, 100, 40)):
            took: list[Took] = []
            for i in range(times):
                asked = names[i % ENTITIES : i % ENTITIES + 1] if number == 1 else names
                took.append(_took(_read, store, shape, asked, moment))
            wall, processor = (sorted(seconds * 1000 for seconds in column) for column in zip(*took, strict=True))
            middle, worst = times // 2, int(times * 0.99)
            print(
                f"merged read, {kind}, entities: {number}, {PARTITIONS} partitions, {EVENTS} events in 24 h each: "
                f"median {wall[middle]:.1f} ms, p99 {wall[worst]:.1f} ms (limit {limit} ms); "
                f"processor median {processor[middle]:.1f} ms, p99 {processor[worst]:.1f} ms"
            )
        sizes = [len(row.state) for rows in store.read_states(shape.name, shape.definition, names) for row in rows]
        print(f"states, {kind}: {sum(sizes) // len(sizes):,} bytes each")
        store.close()


def _read(store: OnlineStore, shape: ViewShape, entities: list[str], moment: Moment) -> None:
    found = state_readings(store, shape, entities, [moment] * len(entities))
    assert all(one.status is Status.PRESENT for one in found)


class Took(NamedTuple):
    """Seconds."""

    wall: float
    processor: float


def _took(call: Callable[..., object], *args: object) -> Took:
    wall, processor = time.perf_counter(), time.process_time()
    call(*args)
    return Took(time.perf_counter() - wall, time.process_time() - processor)


if __name__ == "__main__":
    main()
