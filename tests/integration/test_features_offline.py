"""The offline store through Feast's own API: conformance, Iceberg, pushes, saved datasets, and the join on Ray."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.data_sources.contrib.iceberg_catalog.iceberg_source import IcebergSource
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, String
from pyiceberg.catalog.sql import SqlCatalog

from ray_pipeline.connectors.feast.ray_join import FeatureFile, ViewPlan, join_views
from ray_pipeline.errors import FeatureComputeError, FeatureTableError, UsageError
from ray_pipeline.features.shape import FEED_TAG
from tests.conformance.offline import AS_EXPECTED, CASES, KIND, NOON, STORES, at, run

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:feast"),
    pytest.mark.filterwarnings("ignore:On demand feature view is an experimental feature:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Saving dataset is an experimental feature:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Retrieving datasets is an experimental feature:RuntimeWarning"),
]


def test_our_store_answers_every_case(tmp_path: Path) -> None:
    assert run("ours", tmp_path) == {case.name: AS_EXPECTED for case in CASES}


def _store(folder: Path, **offline: Any) -> FeatureStore:
    return FeatureStore(
        config=RepoConfig(
            project="shop",
            provider="local",
            registry=str(folder / "registry.db"),
            online_store={"type": "sqlite", "path": str(folder / "online.db")},
            offline_store={**STORES["ours"], **offline},
            entity_key_serialization_version=3,
            repo_path=folder,
        )
    )


USER = Entity(name="user", join_keys=["user"], value_type=ValueType.INT64)
ROWS = pa.table(
    {
        "user": pa.array([1, 1, 2], pa.int64()),
        "event_timestamp": pa.array([at(0), at(20), at(0)], KIND),
        "created": pa.array([at(1), at(21), at(1)], KIND),
        "spent": pa.array([1.5, 2.5, 3.5], pa.float64()),
    }
)
LABELS = pd.DataFrame({"user": [1, 2, 1, 9], "event_timestamp": [at(30), at(30), at(10), at(30)]})


def _view(source: Any, name: str = "spending", **more: Any) -> FeatureView:
    schema = [Field(name="user", dtype=Int64), Field(name="spent", dtype=Float64)]
    return FeatureView(name=name, entities=[USER], schema=more.pop("schema", schema), source=source, **more)


def _file(path: Path, rows: pa.Table = ROWS, **more: Any) -> FileSource:
    path.parent.mkdir(exist_ok=True)
    pq.write_table(rows, path)
    return FileSource(
        path=more.pop("uri", str(path)), timestamp_field="event_timestamp", created_timestamp_column="created", **more
    )


def _spent(store: FeatureStore, labels: Any = LABELS, features: Any = ("spending:spent",), **more: Any) -> list[Any]:
    features = list(features) if isinstance(features, tuple) else features
    table = store.get_historical_features(entity_df=labels, features=features, **more).to_arrow()
    return table.column(table.column_names[-1]).to_pylist()


def _table(folder: Path) -> tuple[Any, IcebergSource]:
    uri = f"sqlite:///{folder}/catalog.db"
    catalog = SqlCatalog("shop", uri=uri, warehouse=f"file://{folder}/warehouse")
    catalog.create_namespace("features")
    table = catalog.create_table("features.spending", ROWS.schema)
    source = IcebergSource(
        catalog_type="sql",
        catalog_name="shop",
        catalog_properties={"uri": uri},
        warehouse=f"file://{folder}/warehouse",
        namespace="features",
        table="spending",
        timestamp_field="event_timestamp",
        created_timestamp_column="created",
    )
    return table, source


def test_an_iceberg_table_is_read_as_it_is_now(tmp_path: Path) -> None:
    table, source = _table(tmp_path)
    store = _store(tmp_path)
    store.apply([USER, _view(source)])
    assert _spent(store) == [None] * 4
    table.append(ROWS.slice(0, 1))
    table.append(ROWS.slice(1))
    assert _spent(store) == [2.5, 3.5, 1.5, None]
    job = store.get_historical_features(entity_df=LABELS, features=["spending:spent"])
    table.delete("user = 2")
    assert _spent(store) == [2.5, None, 1.5, None]
    assert job.to_arrow()["spent"].to_pylist() == [2.5, 3.5, 1.5, None]  # as of the moment of the call


def test_an_iceberg_column_is_its_own_whatever_it_was_called(tmp_path: Path) -> None:
    table, source = _table(tmp_path)
    table.append(ROWS)
    with table.update_schema() as change:
        change.rename_column("spent", "paid")
    store = _store(tmp_path)
    schema = [Field(name="user", dtype=Int64), Field(name="paid", dtype=Float64)]
    store.apply([USER, _view(source, schema=schema)])
    assert _spent(store, features=("spending:paid",)) == [2.5, 3.5, 1.5, None]


def test_pushed_rows_are_appended_and_those_of_a_stream_are_refused(tmp_path: Path) -> None:
    table, source = _table(tmp_path)
    table.append(ROWS.slice(0, 1))
    store = _store(tmp_path)
    folder = tmp_path / "folder"
    views = {
        "iceberg": _view(source, "iceberg"),
        "file": _view(_file(tmp_path / "one.parquet", ROWS.slice(0, 1)), "file"),
        "folder": _view(_file(folder / "a.parquet", ROWS.slice(0, 1), uri=str(folder), name="folder"), "folder"),
    }
    live = _view(_file(tmp_path / "live.parquet"), "live", tags={FEED_TAG: "stream"})
    store.apply([USER, live, *views.values()])
    for name in views:
        store.write_to_offline_store(name, ROWS.slice(1).to_pandas())
        assert _spent(store, features=(f"{name}:spent",)) == [2.5, 3.5, 1.5, None], name
    with pytest.raises(UsageError, match="live is fed by the stream"):
        store.write_to_offline_store("live", ROWS.to_pandas())


def test_names_aliases_and_on_demand_views_work_as_in_feast(tmp_path: Path) -> None:
    store = _store(tmp_path)
    source = _file(tmp_path / "rows.parquet")
    view = _view(source)

    @on_demand_feature_view(sources=[view], schema=[Field(name="double", dtype=Float64)], mode="pandas")
    def doubled(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"double": inputs["spent"] * 2})

    buyer = view.with_name("of_buyer").with_join_key_map({"user": "buyer"})
    seller = view.with_name("of_seller").with_join_key_map({"user": "seller"})
    pair = FeatureService(name="pair", features=[buyer, seller])
    store.apply([USER, view, doubled, pair])
    assert _spent(store, features=("spending:spent", "doubled:double")) == [5.0, 7.0, 3.0, None]
    labels = pd.DataFrame({"buyer": [1], "seller": [2], "event_timestamp": [at(30)]})
    found = store.get_historical_features(entity_df=labels, features=pair, full_feature_names=True).to_arrow()
    assert found.select(found.column_names[3:]).to_pylist() == [{"of_buyer__spent": 2.5, "of_seller__spent": 3.5}]


def test_labels_may_be_arrow_or_polars_and_keep_their_columns(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.apply([USER, _view(_file(tmp_path / "rows.parquet"), ttl=timedelta(seconds=15))])
    table = pa.Table.from_pandas(LABELS).append_column("note", pa.array(["a", "b", "c", "d"]))
    for labels in (table, pl.DataFrame(table)):
        job = store.get_historical_features(entity_df=labels, features=["spending:spent"])
        found = job.to_arrow()
        assert found.column_names == ["user", "event_timestamp", "note", "spent"]
        assert found["spent"].to_pylist() == [2.5, None, 1.5, None]
        assert (job.metadata.min_event_timestamp, job.metadata.max_event_timestamp) == (at(10), at(30))
        assert sorted(job.metadata.keys) == ["note", "user"]


def test_as_of_known_leaves_out_what_was_created_later(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.apply([USER, _view(_file(tmp_path / "rows.parquet"))])
    labels = pd.DataFrame({"user": [1, 1], "event_timestamp": [at(20), at(21)]})
    assert _spent(store, labels) == [2.5, 2.5]
    assert _spent(store, labels, filter_by_created_timestamp=True) == [1.5, 2.5]


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ("SELECT 1", "not SQL"),
        (LABELS.drop(columns="event_timestamp"), "no column event_timestamp"),
        (LABELS.drop(columns="user"), "no column user, the key of view spending"),
        (LABELS.assign(event_timestamp=[NOON, pd.NaT, NOON, NOON]), "1 of 4 labels have no event_timestamp"),
        (LABELS.assign(user=["1", 2, None, 4]), "the labels cannot be a table"),
        (None, "pass entity_df"),
    ],
)
def test_labels_that_say_too_little_are_refused(tmp_path: Path, labels: Any, sentence: str) -> None:
    store = _store(tmp_path)
    store.apply([USER, _view(_file(tmp_path / "rows.parquet"))])
    with pytest.raises(UsageError, match=sentence):
        store.get_historical_features(entity_df=labels, features=["spending:spent"]).to_arrow()


def test_a_feature_whose_type_changed_is_named(tmp_path: Path) -> None:
    store = _store(tmp_path)
    schema = [Field(name="user", dtype=Int64), Field(name="spent", dtype=String)]
    store.apply([USER, _view(_file(tmp_path / "rows.parquet"), schema=schema)])
    with pytest.raises(FeatureTableError, match="column spent is double in its source and string in the view"):
        _spent(store)


def test_a_saved_dataset_is_the_same_rows(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.apply([USER, _view(_file(tmp_path / "rows.parquet"))])
    for path in ("saved.parquet", "saved"):
        job = store.get_historical_features(entity_df=LABELS, features=["spending:spent"])
        storage = SavedDatasetFileStorage(path=str(tmp_path / path))
        store.create_saved_dataset(from_=job, name=path.replace(".", "_"), storage=storage, allow_overwrite=True)
        again = store.get_saved_dataset(path.replace(".", "_")).to_df()
        assert sorted(again["spent"].dropna()) == [1.5, 2.5, 3.5]
        with pytest.raises(SavedDatasetLocationAlreadyExists):
            job.persist(storage)
        job.persist(storage, allow_overwrite=True)
        assert pq.read_table(tmp_path / path).num_rows == 4


def test_each_entitys_newest_row_is_what_materialize_reads(tmp_path: Path) -> None:
    store = _store(tmp_path)
    late = ROWS.slice(1, 1).set_column(2, "created", pa.array([at(99)], KIND))
    later = late.set_column(3, "spent", pa.array([9.5]))
    source = _file(tmp_path / "folder" / "a.parquet", pa.concat_tables([ROWS, later]), uri=str(tmp_path / "folder"))
    pq.write_table(ROWS, tmp_path / "folder" / "b.parquet")
    store.apply([USER, _view(source)])
    pull = store._get_provider().offline_store.pull_latest_from_table_or_query
    read = (store.config, source, ["user"], ["spent"], "event_timestamp", "created")
    found = pull(*read, at(-9), at(20)).to_arrow().sort_by("user")
    assert found.column_names == ["user", "event_timestamp", "created", "spent"] or set(found.column_names) == {
        "user",
        "spent",
        "event_timestamp",
        "created",
    }
    assert found.select(["user", "spent"]).to_pylist() == [{"user": 1, "spent": 9.5}, {"user": 2, "spent": 3.5}]
    assert pull(*read, at(-9), at(0)).to_arrow().sort_by("user")["spent"].to_pylist() == [1.5, 3.5]
    every = store._get_provider().offline_store.pull_all_from_table_or_query
    assert every(*read, at(0), at(0)).to_arrow().num_rows == 4


def test_the_store_is_imported_without_ray_and_polars() -> None:
    code = (
        "import sys, ray_pipeline.connectors.feast.offline; "
        "print([name for name in ('ray', 'polars', 'pyiceberg') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _many(folder: Path, files: int) -> tuple[pa.Table, ViewPlan]:
    random = np.random.default_rng(5)
    schema = pa.schema([("user", pa.int64()), ("t", KIND), ("c", KIND), ("v", pa.float64()), ("note", pa.string())])
    held = []
    for i in range(files):
        event = random.integers(0, 10**6, 4_000)
        columns: list[Any] = [
            random.integers(0, 300, 4_000),
            event.astype("datetime64[us]"),
            (event + random.integers(-5, 9_000, 4_000)).astype("datetime64[us]"),
            random.choice([0.5, -0.0, 0.0], 4_000),
            [f"n{i % 3}" for i in event],
        ]
        path = folder / f"{i}.parquet"
        pq.write_table(pa.table(dict(zip(schema.names, columns, strict=True))).cast(schema), path, row_group_size=900)
        held.append(FeatureFile(str(path), path.stat().st_size))
    labels = pa.table(
        {
            "user": pa.array(random.integers(0, 320, 5_000), mask=random.random(5_000) < 0.02),
            "event_timestamp": pa.array(random.integers(0, 10**6, 5_000).astype("datetime64[us]")).cast(KIND),
        }
    )
    features = {"v": "v", "note": "note"}
    return labels, ViewPlan("v", {"user": "user"}, features, schema, "t", "c", 50_000, True, tuple(held))


class BrokenFiles:
    """Opens nothing, with an error that no other process knows how to make."""

    def __init__(self, kind: type[Exception]) -> None:
        self.kind = kind

    def __call__(self, uri: str) -> Any:
        raise self.kind(f"{uri} with a secret")


@pytest.mark.ray
def test_on_ray_the_blocks_do_not_show_and_a_failed_task_fails_the_join(tmp_path: Path, local_ray: None) -> None:
    from dataclasses import replace

    labels, plan = _many(tmp_path, 5)
    here = join_views(labels, [plan], statuses=True)
    for blocks in (1, 4, 16):
        found = join_views(labels, [plan], statuses=True, blocks=blocks, local_bytes=-1)
        assert found.schema == here.schema
        for name in found.column_names:
            one, other = (table[name].combine_chunks() for table in (found, here))
            if pa.types.is_floating(one.type):  # 0.0 equals -0.0
                one, other = (side.view(pa.int64()) for side in (one, other))
            assert one.equals(other), (blocks, name)
    rows = pa.concat_tables([pq.read_table(file.uri) for file in plan.files])
    assert join_views(labels, [replace(plan, files=(), rows=rows)], statuses=True, local_bytes=-1).equals(here)
    gone = replace(plan, files=(*plan.files, FeatureFile(str(tmp_path / "gone.parquet"), 9)))
    with pytest.raises(FeatureTableError, match=r"gone\.parquet cannot be read"):
        join_views(labels, [gone], local_bytes=-1)
    with pytest.raises(FeatureComputeError, match="a task of the join failed: ValueError") as caught:
        join_views(labels, [replace(plan, open=BrokenFiles(ValueError))], local_bytes=-1)
    assert "secret" not in str(caught.value)
