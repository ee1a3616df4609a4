"""Feast's materialisation with our engine: what fails moves no watermark, and what is written is what is offline."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.infra.compute_engines.local.nodes import LocalFilterNode
from feast.types import Float64, Int64, String

from ray_pipeline.errors import MaterializationError, OnlineStoreUnavailableError, UsageError
from ray_pipeline.features.shape import FEED_TAG

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
ENGINE = "ray_pipeline.connectors.feast.engine.ReconcilingComputeEngine"
OURS = "ray_pipeline.connectors.feast.sqlite.GuardedSqliteOnlineStore"
START = datetime(2013, 2, 1, tzinfo=UTC)
END = START + timedelta(days=2)


class Shop:
    """A Feast repository in a folder: one view over a Parquet file."""

    def __init__(self, folder: Path, online: str = OURS) -> None:
        self.folder = folder
        self.file = folder / "rows.parquet"
        store: dict[str, Any] = {"type": online, "path": str(folder / "online.db")}
        config = RepoConfig(
            project="shop",
            provider="local",
            registry=str(folder / "registry.db"),
            online_store=store,
            offline_store={"type": "file"},
            batch_engine=ENGINE,
            entity_key_serialization_version=3,
            repo_path=folder,
        )
        self.entity = Entity(name="driver", join_keys=["driver"], value_type=ValueType.STRING)
        self.store = FeatureStore(config=config)

    def view(self, name: str = "trips", *, ttl: timedelta | None = timedelta(days=1), feed: str = "") -> FeatureView:
        source = FileSource(
            name=f"{name}_rows", path=str(self.file), timestamp_field="event_timestamp",
            created_timestamp_column="created_timestamp",
        )  # fmt: skip
        return FeatureView(
            name=name,
            entities=[self.entity],
            schema=[
                Field(name="trips", dtype=Int64),
                Field(name="mean", dtype=Float64),
                Field(name="last", dtype=String),
                Field(name="driver", dtype=String),
            ],
            source=source,
            ttl=ttl,
            tags={FEED_TAG: feed} if feed else {},
        )

    def write(self, *rows: tuple[str, float, int | None]) -> None:
        """Rows as (driver, hours after the start, trips)."""
        frame = pd.DataFrame(
            {
                "driver": [row[0] for row in rows],
                "event_timestamp": pd.to_datetime([START + timedelta(hours=row[1]) for row in rows]),
                "created_timestamp": pd.to_datetime([START + timedelta(hours=row[1], minutes=1) for row in rows]),
                "trips": pd.array([row[2] for row in rows], dtype="Int64"),
                "mean": [row[1] / 3 for row in rows],
                "last": [f"{row[0]}-{row[1]}" for row in rows],
            }
        )
        frame.to_parquet(self.file)

    def apply(self, *views: FeatureView) -> None:
        self.store.apply([self.entity, *(views or (self.view(),))])

    def watermark(self, name: str = "trips") -> datetime | None:
        found: datetime | None = self.store.get_feature_view(name).most_recent_end_time
        return found

    def online(self, *drivers: str) -> dict[str, tuple[datetime, Any] | None]:
        """Return (event time, trips) of each driver, whatever its age."""
        from feast.protos.feast.types.EntityKey_pb2 import EntityKey
        from feast.protos.feast.types.Value_pb2 import Value

        from ray_pipeline.connectors.feast.reconcile import read_stored

        keys = [EntityKey(join_keys=["driver"], entity_values=[Value(string_val=name)]) for name in drivers]
        provider: Any = self.store._get_provider()
        found = read_stored(provider.online_store, self.store.config, self.store.get_feature_view("trips"), keys)
        return {
            name: None if row is None else (row.event, row.values["trips"].int64_val)
            for name, row in zip(drivers, found, strict=True)
        }


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(tmp_path)
    made.write(("a", 1, 3), ("a", 5, None), ("b", 2, 7), ("c", 30, 2**53 - 1))
    made.apply()
    return made


def _at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def test_the_newest_rows_are_online_and_the_watermark_moves(shop: Shop) -> None:
    shop.store.materialize(START, END)
    assert shop.online("a", "b", "c", "d") == {
        "a": (_at(5), 0),
        "b": (_at(2), 7),
        "c": (_at(30), 2**53 - 1),
        "d": None,
    }
    assert shop.watermark() == END


def test_what_is_older_than_the_ttl_is_not_skipped_in_silence(shop: Shop) -> None:
    """Every row is years older than a day: Feast alone would start a day ago and find nothing."""
    shop.store.materialize_incremental(datetime.now(UTC))
    assert shop.online("a", "b") == {"a": (_at(5), 0), "b": (_at(2), 7)}


def test_a_row_that_was_built_behind_the_watermark_is_not_skipped(shop: Shop) -> None:
    shop.store.materialize(START, END)
    shop.write(("a", 1, 3), ("a", 5, None), ("b", 2, 7), ("c", 30, 9), ("d", 40, 4))
    shop.store.materialize_incremental(END + timedelta(days=1))
    assert shop.online("d") == {"d": (_at(40), 4)}


def test_a_newer_row_that_is_online_stays_and_is_no_error(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    newer = pd.DataFrame(
        {
            "driver": ["a"], "trips": [99], "mean": [0.5], "last": ["pushed"],
            "event_timestamp": [_at(9)], "created_timestamp": [_at(9)],
        }
    )  # fmt: skip
    shop.store.write_to_online_store("trips", newer)
    with caplog.at_level(logging.INFO, logger="ray_pipeline.connectors.feast.engine"):
        shop.store.materialize(START, END)
    assert "2 rows online as offline, 1 newer online" in caplog.text
    assert shop.online("a") == {"a": (_at(9), 99)}


def test_an_expression_that_raises_fails_the_run_and_a_later_one_gives_the_exact_rows(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(*_: Any) -> Any:
        raise ZeroDivisionError("in a transformation")

    with monkeypatch.context() as broken:
        broken.setattr(LocalFilterNode, "execute", raises)
        with pytest.raises(ZeroDivisionError):
            shop.store.materialize(START, END)
        assert shop.watermark() is None
    shop.store.materialize(START, END)
    assert shop.online("a", "b") == {"a": (_at(5), 0), "b": (_at(2), 7)}


def test_a_source_that_is_missing_fails_the_run(shop: Shop) -> None:
    moved = shop.file.rename(shop.file.with_suffix(".gone"))
    with pytest.raises(FileNotFoundError):
        shop.store.materialize(START, END)
    assert shop.watermark() is None
    moved.rename(shop.file)
    shop.store.materialize(START, END)
    assert shop.online("b") == {"b": (_at(2), 7)}


def test_a_store_that_is_down_fails_the_run(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray_pipeline.connectors.online.sqlite import SqliteStore

    def down(self: Any, *_: Any, **__: Any) -> Any:
        raise OnlineStoreUnavailableError("online.db", "be written", "database or disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(SqliteStore, "write_rows", down)
        with pytest.raises(OnlineStoreUnavailableError, match="full"):
            shop.store.materialize(START, END)
        assert shop.watermark() is None
    shop.store.materialize(START, END)
    assert shop.online("a", "c") == {"a": (_at(5), 0), "c": (_at(30), 2**53 - 1)}


@pytest.mark.parametrize("fault", ["lost", "changed", "half"])
def test_a_store_that_says_written_and_has_not_is_found_out(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    from ray_pipeline.connectors.feast.sqlite import GuardedSqliteOnlineStore

    honest = GuardedSqliteOnlineStore.online_write_batch

    def lies(self: Any, config: Any, table: Any, data: list[Any], progress: Any) -> None:
        if fault == "half":
            honest(self, config, table, data[:1], progress)
        if fault == "changed":
            for _, values, _, _ in data:
                values["trips"].int64_val += 1
            honest(self, config, table, data, progress)

    with monkeypatch.context() as broken:
        broken.setattr(GuardedSqliteOnlineStore, "online_write_batch", lies)
        with pytest.raises(MaterializationError) as caught:
            shop.store.materialize(START, END)
    kinds = {"lost": "3 of 3 entities", "changed": "different", "half": "2 of 3 entities"}
    assert kinds[fault] in str(caught.value)
    assert shop.watermark() is None


def test_all_rows_are_written_however_many_chunks_a_table_has(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Feast writes the first chunk of a table alone, and says nothing of the others."""
    from feast.infra.compute_engines.backends.polars_backend import PolarsBackend

    honest = PolarsBackend.from_arrow

    def in_chunks(self: Any, table: Any) -> Any:
        frame = honest(self, table)
        return frame if not len(frame) else frame[:1].vstack(frame[1:])

    monkeypatch.setattr(PolarsBackend, "from_arrow", in_chunks)
    shop.store.materialize(START, END)
    assert all(shop.online("a", "b", "c").values())


def test_a_stream_fed_view_is_passed_over_with_its_watermark_and_refused_by_name(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.write(("a", 1, 3))
    shop.apply(shop.view(), shop.view("streamed", feed="stream"))
    shop.store.materialize(START, END)
    assert (shop.watermark(), shop.watermark("streamed")) == (END, None)
    assert shop.online("a") == {"a": (_at(1), 3)}
    with pytest.raises(UsageError, match="fed by the stream"):
        shop.store.materialize(START, END, feature_views=["streamed"])
    assert shop.watermark("streamed") is None


def test_one_view_that_fails_does_not_stop_the_others_and_fails_the_run(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray_pipeline.connectors.feast.sqlite import GuardedSqliteOnlineStore

    shop.apply(shop.view(), shop.view("other"))
    honest = GuardedSqliteOnlineStore.online_write_batch

    def fails(self: Any, config: Any, table: Any, data: list[Any], progress: Any) -> None:
        if table.name == "other":
            raise OnlineStoreUnavailableError("online.db", "be written", "locked")
        honest(self, config, table, data, progress)

    monkeypatch.setattr(GuardedSqliteOnlineStore, "online_write_batch", fails)
    with pytest.raises(OnlineStoreUnavailableError):
        shop.store.materialize(START, END)
    assert (shop.watermark(), shop.watermark("other")) == (END, None)


def test_it_reconciles_feasts_own_sqlite_store_too(tmp_path: Path) -> None:
    shop = Shop(tmp_path, online="sqlite")
    shop.write(("a", 1, 3), ("a", 5, 4), ("b", 2, 7))
    shop.apply()
    shop.store.materialize(START, END)
    assert shop.watermark() == END
    assert shop.online("a", "b") == {"a": (_at(5), 4), "b": (_at(2), 7)}
