"""The ordinary Feast client on our online stores: nothing of this package in what its user writes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, PushSource
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus
from feast.types import Float64, Int64, String
from feast.value_type import ValueType as FeastType

from ray_pipeline.connectors.online import open_online
from ray_pipeline.errors import UsageError
from ray_pipeline.features.aggregates import Kind
from ray_pipeline.features.ports import SourceMark, WriteCounts
from ray_pipeline.features.shape import FEED_TAG, SHAPE_TAG, KeyShape, ValueType
from tests.feature_oracle import BASE, HOUR, MINUTE, OracleEvent, feature_shape, value_at, view_shape
from tests.online_states import write_events
from tests.servers.redis import RedisServer

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:feast"),
    pytest.mark.filterwarnings("ignore::FutureWarning:feast"),
    pytest.mark.filterwarnings("ignore::UserWarning:feast"),
]

NOW = datetime.now(UTC)
Client = Callable[..., FeatureStore]


@pytest.fixture(params=["sqlite", "redis"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Client:
    """Make a repository, apply it and return Feast's client."""

    def made(*objects: Any, **options: Any) -> FeatureStore:
        if request.param == "sqlite":
            block = f"type: ray_pipeline.connectors.feast.sqlite.GuardedSqliteOnlineStore\n  path: {tmp_path}/online.db"
        else:
            server: RedisServer = request.getfixturevalue("redis_server")
            kind = "ray_pipeline.connectors.feast.redis.GuardedRedisOnlineStore"
            block = f"type: {kind}\n  connection_string: {server.address}"
        more = "".join(f"\n  {name}: {value}" for name, value in options.items())
        (tmp_path / "feature_store.yaml").write_text(
            f"project: {tmp_path.name}\nprovider: local\nregistry: {tmp_path}/registry.db\n"
            f"entity_key_serialization_version: 3\nonline_store:\n  {block}{more}\n"
        )
        store = FeatureStore(repo_path=str(tmp_path))
        store.apply(list(objects))
        return store

    return made


DRIVER = Entity(name="driver", join_keys=["driver_id"], value_type=FeastType.INT64)
CITY = Entity(name="city", join_keys=["city_name"], value_type=FeastType.STRING)


def view(tmp_path: Path, name: str = "stats", **options: Any) -> FeatureView:
    file = tmp_path / f"{name}.parquet"
    row = {"driver_id": 1, "city_name": "a", "trips": 1, "rate": 1.0, "at": NOW, "made": NOW}
    pd.DataFrame([row]).to_parquet(file)
    batch = FileSource(name=f"{name}_file", path=str(file), timestamp_field="at", created_timestamp_column="made")
    options = {"entities": [DRIVER], "ttl": timedelta(hours=1)} | options
    fields = [Field(name="trips", dtype=Int64), Field(name="rate", dtype=Float64)]
    return FeatureView(name=name, schema=fields, source=PushSource(name=f"{name}_push", batch_source=batch), **options)


def pushed(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame([{"made": NOW, **row} for row in rows])


def answer(store: FeatureStore, features: Any, rows: list[dict[str, Any]], **options: Any) -> dict[str, list[Any]]:
    """Return (value, status) of each row by feature, the same from both calls."""
    named = store.get_online_features(features, rows, **options)
    again = asyncio.run(store.get_online_features_async(features, rows, **options))
    assert named.proto == again.proto
    values = named.to_dict()
    return {
        name: list(zip(values[name], map(FieldStatus.Name, vector.statuses), strict=True))
        for name, vector in zip(named.proto.metadata.feature_names.val, named.proto.results, strict=True)
    }


def test_a_push_is_read_with_a_status_for_every_value(client: Client, tmp_path: Path) -> None:
    store = client(DRIVER, view(tmp_path))
    store.push(
        "stats_push",
        pushed(
            [
                {"driver_id": 1, "trips": 5, "rate": 0.5, "at": NOW},
                {"driver_id": 2, "trips": 6, "rate": None, "at": NOW},
                {"driver_id": 3, "trips": 7, "rate": 0.7, "at": NOW - timedelta(hours=2)},
            ]
        ),
    )
    rows = [{"driver_id": number} for number in (3, 1, 2, 9, None, 1)]
    found = answer(store, ["stats:trips", "stats:rate"], rows)
    old, absent = (None, "OUTSIDE_MAX_AGE"), (None, "NOT_FOUND")
    assert found["trips"] == [old, (5, "PRESENT"), (6, "PRESENT"), absent, absent, (5, "PRESENT")]
    assert found["rate"] == [old, (0.5, "PRESENT"), (None, "PRESENT"), absent, absent, (0.5, "PRESENT")]


def test_the_event_time_is_exact_and_told_of_what_is_too_old_as_well(client: Client, tmp_path: Path) -> None:
    store = client(DRIVER, view(tmp_path))
    at = NOW.replace(microsecond=123_457)
    old = at - timedelta(days=1)
    store.push(
        "stats_push", pushed([{"driver_id": n, "trips": 1, "rate": 1.0, "at": t} for n, t in ((1, at), (2, old))])
    )
    vector = store.get_online_features(["stats:trips"], [{"driver_id": n} for n in (1, 2, 3)]).proto.results[1]
    times = [stamp.ToDatetime(UTC) if stamp.seconds else None for stamp in vector.event_timestamps]
    assert times == [at, old, None]


def test_an_older_push_never_replaces_a_newer_one(client: Client, tmp_path: Path) -> None:
    store = client(DRIVER, view(tmp_path))
    microsecond = timedelta(microseconds=1)
    for trips, at in ((2, NOW), (1, NOW - microsecond), (2, NOW), (3, NOW - timedelta(minutes=1))):
        store.push("stats_push", pushed([{"driver_id": 1, "trips": trips, "rate": 0.0, "at": at}]))
    assert answer(store, ["stats:trips"], [{"driver_id": 1}])["trips"] == [(2, "PRESENT")]
    online = store._get_provider().online_store
    assert online.counts["stats"] == WriteCounts(written=1, older=3)
    store.push("stats_push", pushed([{"driver_id": 1, "trips": 9, "rate": 0.0, "at": NOW, "made": NOW + microsecond}]))
    assert answer(store, ["stats:trips"], [{"driver_id": 1}])["trips"] == [(9, "PRESENT")]


def test_a_view_without_a_ttl_never_ages(client: Client, tmp_path: Path) -> None:
    store = client(DRIVER, view(tmp_path, ttl=timedelta(0)))
    at = datetime(1999, 1, 1, tzinfo=UTC)
    store.push("stats_push", pushed([{"driver_id": 1, "trips": 1, "rate": 1.0, "at": at, "made": at}]))
    assert answer(store, ["stats:trips"], [{"driver_id": 1}])["trips"] == [(1, "PRESENT")]


def test_a_view_of_two_entities_and_a_service_of_two_views(client: Client, tmp_path: Path) -> None:
    pair = view(tmp_path, "pair", entities=[DRIVER, CITY])
    single = view(tmp_path)
    store = client(DRIVER, CITY, single, pair, FeatureService(name="both", features=[single, pair[["rate"]]]))
    store.push("stats_push", pushed([{"driver_id": 1, "trips": 5, "rate": 0.5, "at": NOW}]))
    store.push("pair_push", pushed([{"driver_id": 1, "city_name": "Zoë", "trips": 1, "rate": 0.1, "at": NOW}]))
    rows = [{"driver_id": 1, "city_name": "Zoë"}, {"driver_id": 1, "city_name": "other"}]
    service = store.get_feature_service("both")
    found = answer(store, service, rows, full_feature_names=True)
    assert found["stats__rate"] == [(0.5, "PRESENT")] * 2
    assert found["pair__rate"] == [(0.1, "PRESENT"), (None, "NOT_FOUND")]
    assert "pair__trips" not in found
    with pytest.raises(UsageError, match="view pair needs the entity key city_name"):
        store.get_online_features(["pair:rate"], [{"driver_id": 1}])


def test_write_to_online_store_and_materialize_write_what_push_writes(client: Client, tmp_path: Path) -> None:
    store = client(DRIVER, view(tmp_path))
    store.write_to_online_store("stats", pushed([{"driver_id": 2, "trips": 4, "rate": 0.4, "at": NOW}]))
    assert answer(store, ["stats:trips"], [{"driver_id": 2}])["trips"] == [(4, "PRESENT")]
    store.materialize(NOW - timedelta(hours=1), NOW + timedelta(seconds=1))
    assert answer(store, ["stats:trips"], [{"driver_id": n} for n in (1, 2)])["trips"] == [
        (1, "PRESENT"),
        (4, "PRESENT"),
    ]


@pytest.mark.parametrize("bad", [{"driver_id": None, "at": NOW}, {"driver_id": 1, "at": None}])
def test_a_row_without_entity_or_event_time_is_refused_with_its_batch(
    client: Client, tmp_path: Path, bad: dict[str, Any]
) -> None:
    store = client(DRIVER, view(tmp_path))
    rows = pushed([{"driver_id": 7, "trips": 1, "rate": 1.0, "at": NOW}, {"trips": 1, "rate": 1.0, **bad}])
    rows["driver_id"] = rows["driver_id"].astype("Int64")
    with pytest.raises(UsageError, match=r"view stats, row 1: .* nothing of the batch was written"):
        store.push("stats_push", rows)
    assert answer(store, ["stats:trips"], [{"driver_id": 7}])["trips"] == [(None, "NOT_FOUND")]


def test_a_view_that_leaves_the_repository_leaves_the_store(client: Client, tmp_path: Path) -> None:
    stats = view(tmp_path)
    store = client(DRIVER, stats)
    store.push("stats_push", pushed([{"driver_id": 1, "trips": 5, "rate": 0.5, "at": NOW}]))
    store.apply([], objects_to_delete=[stats], partial=False)
    store.apply([DRIVER, view(tmp_path)])
    assert answer(store, ["stats:trips"], [{"driver_id": 1}])["trips"] == [(None, "NOT_FOUND")]
    store.teardown()


def test_a_second_version_of_a_push_that_lacks_a_feature_is_told_apart(client: Client, tmp_path: Path) -> None:
    store = client(DRIVER, view(tmp_path))
    store.push("stats_push", pushed([{"driver_id": 1, "trips": 5, "rate": 0.5, "at": NOW}]))
    wider = view(tmp_path)
    wider.features.append(Field(name="city", dtype=String))
    wider.projection.features.append(Field(name="city", dtype=String))
    store.apply([DRIVER, wider])
    found = answer(store, ["stats:trips", "stats:city"], [{"driver_id": 1}])
    assert found["trips"] == [(5, "PRESENT")]
    assert found["city"] == [(None, "NOT_FOUND")]


# --- stream-fed views ---------------------------------------------------------------------------------------------

FEATURES = (
    feature_shape("n", Kind.COUNT, ""),
    feature_shape("mean", Kind.MEAN, "float"),
    feature_shape("newest", Kind.LAST, "string"),
    feature_shape("latest", Kind.MAX, "timestamp"),
)
STREAMED = replace(
    view_shape(FEATURES, window=2 * HOUR, ttl=4 * HOUR), name="live", keys=(KeyShape("driver_id", ValueType.INT64),)
)


def live(tmp_path: Path) -> FeatureView:
    from feast.types import UnixTimestamp

    types = {"n": Int64, "mean": Float64, "newest": String, "latest": UnixTimestamp}
    made = view(tmp_path, "live", tags={SHAPE_TAG: STREAMED.to_json(), FEED_TAG: "stream"}, ttl=timedelta(hours=4))
    made.features[:] = [Field(name=name, dtype=kind) for name, kind in types.items()]
    made.projection.features[:] = list(made.features)
    return made


def events(now: int) -> list[OracleEvent]:
    """Of two entities on three partitions, one of them late."""
    return [
        OracleEvent(f"[{n % 2}]", at, at + n * MINUTE, n % 3, n, (None, n / 10, f"v{n}", now - n))
        for n, at in enumerate(range(now, now - 20 * 7 * MINUTE, -7 * MINUTE))
    ]


def wall_now() -> int:
    return int(datetime.now(UTC).timestamp() * 1e6)


@pytest.mark.parametrize("clock", ["wall", "replay"])
def test_states_of_all_partitions_are_one_value_by_the_stores_clock(client: Client, tmp_path: Path, clock: str) -> None:
    store = client(DRIVER, live(tmp_path), clock=clock)
    now = BASE if clock == "replay" else wall_now()
    online = store._get_provider().online_store
    inner = open_online(online.settings(store.config))
    write_events(inner, STREAMED, events(now))
    rows = [{"driver_id": number} for number in (0, 1, 2)]
    before = wall_now()
    response = store.get_online_features([f"live:{one.name}" for one in FEATURES], rows)
    moments = [now] if clock == "replay" else [before, wall_now()]  # a hop may have ended between them
    found = response.to_dict()
    for number in (0, 1):
        mine = [one for one in events(now) if one.entity == f"[{number}]"]
        values = [found[one.name][number] for one in FEATURES]
        values[3] = int(values[3].timestamp())
        expected = [value_at(STREAMED, mine, moment).values for moment in moments]
        assert values in [[*one[:3], one[3] // 1_000_000] for one in expected]
    assert [found[one.name][2] for one in FEATURES] == [None] * 4
    assert response.proto.results[1].statuses == [1, 1, 3]
    inner.close()


def test_a_replay_has_its_own_now(client: Client, tmp_path: Path) -> None:
    store = client(DRIVER, live(tmp_path), view(tmp_path), clock="replay")
    at = datetime.fromtimestamp(BASE / 1e6, UTC)
    store.push("stats_push", pushed([{"driver_id": 0, "trips": 1, "rate": 1.0, "at": at, "made": at}]))
    assert answer(store, ["live:n"], [{"driver_id": 0}])["n"] == [(None, "NOT_FOUND")]
    assert answer(store, ["stats:trips"], [{"driver_id": 0}])["trips"] == [(None, "INVALID")]
    online = store._get_provider().online_store
    inner = open_online(online.settings(store.config))
    statuses = []
    for ahead in (-MINUTE, 0, HOUR, HOUR + 1):
        inner.write_states([], [SourceMark("live", STREAMED.definition, "t/id/0", 1, BASE + ahead)])
        statuses += answer(store, ["stats:trips"], [{"driver_id": 0}])["trips"]
    assert statuses == [(None, "INVALID"), (1, "PRESENT"), (1, "PRESENT"), (None, "OUTSIDE_MAX_AGE")]
    inner.close()


def test_nothing_but_the_stream_writes_a_stream_fed_view(client: Client, tmp_path: Path) -> None:
    store = client(DRIVER, live(tmp_path))
    row = {"driver_id": 1, "n": 1, "mean": 1.0, "newest": "x", "latest": NOW, "at": NOW}
    with pytest.raises(UsageError, match="view live is stream-fed"):
        store.push("live_push", pushed([row]))
    with pytest.raises(UsageError, match="view live is stream-fed"):
        store.write_to_online_store("live", pushed([row]))
