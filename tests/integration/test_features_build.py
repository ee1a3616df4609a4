"""Features built from gated lakes: whatever the history, the tables hold the rows of what is curated, and no others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from pyiceberg.catalog import load_catalog

from ray_pipeline.connectors.iceberg.catalog import open_catalog
from ray_pipeline.connectors.iceberg.feature_catalog import feature_source
from ray_pipeline.errors import (
    FeatureComputeError,
    FeatureTableError,
    FileCorruptError,
    StoreUnavailableError,
    UsageError,
)
from ray_pipeline.features.aggregates import count, mean
from ray_pipeline.runtime.curated import let_through
from ray_pipeline.runtime.failpoints import BUILD_NAMES
from ray_pipeline.runtime.jobs import features_build, features_unit
from ray_pipeline.runtime.jobs.features_build import Built, ensure_tables
from ray_pipeline.types import Outcome
from tests.feature_shop import FeatureShop, expected, moment, sorted_rows

pytestmark = pytest.mark.filterwarnings("ignore:Delete operation did not match:UserWarning")


def some(first: int, n: int, day: int, step: float = 1.0) -> list[tuple[int, Any, str | None]]:
    return [(first + i, moment(day, (i * step) % 24), f"c{i % 3}") for i in range(n)]


def check_against_everything_at_once(shop: FeatureShop) -> None:
    for view in shop.views:
        assert shop.features(view.name).equals(expected(shop, view)), view.name


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 8))])
def test_any_history_of_gates_and_builds_ends_in_the_rows_of_one_build_and_of_a_backfill(
    tmp_path: Path, seed: int
) -> None:
    rng = Random(seed)
    shop = FeatureShop(tmp_path)
    number = 0
    for _ in range(6):
        day = rng.randint(1, 12)  # days come in any order, and some again: late days, days held until they are full
        orders = [
            (number + i, moment(day, rng.uniform(0, 23.9)), rng.choice(["c1", "c2", None]))
            for i in range(rng.randint(1, 5))
        ]
        number += len(orders)
        late = timedelta(minutes=rng.choice([-90, -30, 0, 0, 30, 50, 90]))
        shop.place(orders, partition=rng.randint(0, 1), late=late)
        if rng.random() < 0.7:
            shop.gated()
        if rng.random() < 0.6:
            shop.build()
    for held in shop.held():
        let_through(shop.config, shop.store, "orders", held, "it is all there is")
    shop.gated()
    shop.build()
    check_against_everything_at_once(shop)
    built = shop.all_features()

    report = shop.build(start=moment(1, 0), end=moment(25, 0))
    assert {view.result for view in report.views} == {Built.UNCHANGED}
    assert all(view.days for view in report.views)
    report = shop.build(recreate=True)
    assert {view.result for view in report.views} == {Built.UNCHANGED}
    assert shop.all_features() == built


def test_a_day_that_is_released_later_changes_its_days_alone(tmp_path: Path) -> None:
    shop = FeatureShop(tmp_path)
    shop.place([*some(0, 6, 1), *some(10, 2, 3), *some(20, 6, 20)])  # two orders are too few: the 3rd is held
    shop.gated()
    shop.build()
    before = {file.day: file for file in shop.table("customer_day").files()}
    first = shop.table("customer_day").info()
    let_through(shop.config, shop.store, "orders", "2026-03-03", "a holiday")
    shop.gated()
    built = shop.built("customer_day")
    assert (built.first_day, built.last_day, built.events) == ("2026-03-03", "2026-03-04", 2)
    after = {file.day: file for file in shop.table("customer_day").files()}
    changed = {day for day in after.keys() | before.keys() if after.get(day) != before.get(day)}
    assert {features_build.day_text(day) for day in changed} == {"2026-03-03", "2026-03-04"}
    check_against_everything_at_once(shop)
    then = shop.table("customer_day").scan(first.snapshot_id)
    assert then.num_rows == first.rows == sum(file.rows for file in before.values())


def test_the_snapshot_says_what_it_rests_on(tmp_path: Path) -> None:
    shop = FeatureShop(tmp_path)
    shop.place(some(0, 6, 1))
    shop.place(some(10, 4, 1, 0.3), partition=1)
    shop.gated()
    shop.build(run_id="nightly")
    info = shop.table("last_order").info()
    curated = open_catalog(shop.config).table("orders")
    assert curated is not None
    assert info.run_id == "nightly"
    assert info.definition == shop.views[2].shape.definition
    assert info.inputs["orders"].snapshot_id == curated.info()["snapshot_id"]
    assert info.inputs["orders"].decision == curated.applied
    assert [(one.partition, one.first, one.last) for one in info.offsets] == [(0, 0, 5), (1, 0, 3)]
    assert info.horizon_us == int(moment(1, 5).timestamp() * 1e6)
    assert (info.build, info.rows) == (0, 9)


def test_nothing_new_is_not_published_and_a_run_is_published_once(tmp_path: Path) -> None:
    shop = FeatureShop(tmp_path)
    before_the_gate = shop.build()
    assert {view.curated_snapshot for view in before_the_gate.views} == {None}
    assert before_the_gate.outcome is Outcome.UNKNOWN  # no scheduler is to take it for a build
    assert shop.features("customer_day").num_rows == 0  # the table is there, so that a Feast source finds it
    shop.place(some(0, 6, 1))
    shop.gated()
    assert {view.result for view in shop.build(run_id="nightly").views} == {Built.PUBLISHED}
    snapshots = [one.snapshot_id for one in shop.table("customer_day").snapshots()]
    assert {view.result for view in shop.build().views} == {Built.UNCHANGED}
    shop.place(some(10, 6, 2))
    shop.gated()
    again = shop.build(run_id="nightly")
    assert again.repeated
    assert again.views[0].build == 0
    assert [one.snapshot_id for one in shop.table("customer_day").snapshots()] == snapshots
    report = shop.build()
    assert json.loads(json.dumps(report.to_json()))["outcome"] == "held"
    assert "customer_day" in str(report)
    assert "customer_day" in repr(report)
    assert "<table>" in report._repr_html_()


def test_events_that_count_nowhere_are_counted_by_reason(tmp_path: Path) -> None:
    shop = FeatureShop(tmp_path)
    shop.place([*some(0, 5, 1), (9, moment(1, 9), None)])
    shop.place(some(20, 2, 1), late=timedelta(hours=2))
    shop.place(some(30, 1, 1), late=-timedelta(hours=2))
    shop.gated()
    for built in shop.build().views:
        assert built.set_aside == {"no key": 1, "too late": 2, "ahead": 1}
        assert built.events == 5
    check_against_everything_at_once(shop)


def test_every_reader_of_iceberg_reads_every_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")
    shop = FeatureShop(tmp_path)
    shop.place(some(0, 9, 1))
    shop.gated()
    shop.build()
    shop.place(some(20, 9, 1, 0.7))
    shop.gated()
    shop.build()
    for view in shop.views:
        source = feature_source(shop.config, view.name)
        assert "ray_pipeline" not in json.dumps(source)
        catalog = load_catalog(
            source["catalog_name"],
            type=source["catalog_type"],
            uri=source["endpoint"],
            warehouse=source["warehouse"],
            **source["catalog_properties"],
        )
        plain = catalog.load_table(f"{source['namespace']}.{source['table']}")
        assert len(plain.snapshots()) == 2
        for snapshot in plain.snapshots():
            ours = shop.features(view.name, snapshot.snapshot_id)
            theirs = plain.scan(snapshot_id=snapshot.snapshot_id).to_arrow()
            assert sorted_rows(theirs).cast(ours.schema).equals(ours)
            frame = pl.scan_iceberg(plain.metadata_location, snapshot_id=snapshot.snapshot_id).collect()
            read = frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(ours.schema)
            assert sorted_rows(read).equals(ours)
            files = [file.uri for file in shop.table(view.name).files(snapshot.snapshot_id)]
            found = duckdb.sql(f"SELECT * FROM read_parquet({files})").to_arrow_table()
            assert sorted_rows(found.cast(ours.schema)).equals(ours)


def test_a_build_in_parts_of_any_size_gives_the_same_rows(tmp_path: Path) -> None:
    shop = FeatureShop(tmp_path)
    shop.place([(i, moment(1 + i % 4, i / 4), f"c{i % 7}") for i in range(80)])
    shop.gated()
    shop.build()
    check_against_everything_at_once(shop)
    whole = shop.all_features()
    info = shop.table("customer_week").info()
    for size in (4_000, 10_000):  # less than a file of a day, and a few days: buckets, and several units
        progress: list[Any] = []
        report = shop.build(recreate=True, unit_bytes=size, on_progress=progress.append)
        assert progress[-1].units == progress[-1].of > 2
        assert [view.events for view in report.views] == [80, 80, 80]
        assert shop.all_features() == whole
        again = shop.table("customer_week").info()
        assert (again.offsets, again.horizon_us) == (info.offsets, info.horizon_us)


def test_a_changed_definition_builds_the_view_anew_and_older_snapshots_stay_as_they_were(tmp_path: Path) -> None:
    shop = FeatureShop(tmp_path)
    shop.place(some(0, 9, 1))
    shop.gated()
    shop.build()
    old, first = shop.features("customer_day"), shop.table("customer_day").info()
    shop.views = shop.compiled(priced=count("amount"))
    report = {view.view: view for view in shop.build().views}
    assert report["customer_day"].why == features_build.CHANGED
    assert report["customer_week"].result is Built.UNCHANGED
    assert shop.features("customer_day").column_names[1:5] == ["orders", "spent", "mean_amount", "priced"]
    check_against_everything_at_once(shop)

    shop.views = shop.compiled(priced=mean("amount"))
    with pytest.raises(FeatureTableError, match=r"priced.*features build --recreate customer_day"):
        shop.build()
    shop.build("customer_day", recreate=True)
    check_against_everything_at_once(shop)
    assert shop.features("customer_day", first.snapshot_id).equals(old)
    source = feature_source(shop.config, "customer_day")
    plain = load_catalog(source["catalog_name"], type="sql", uri=source["endpoint"]).load_table(
        f"{source['namespace']}.customer_day"
    )
    for snapshot in plain.snapshots():  # by field ids, so that a column of the same name is not taken for another one
        ours = shop.features("customer_day", snapshot.snapshot_id)
        assert sorted_rows(plain.scan(snapshot_id=snapshot.snapshot_id).to_arrow()).cast(ours.schema).equals(ours)


def test_a_lost_catalog_and_an_expired_input_are_built_through(tmp_path: Path) -> None:
    shop = FeatureShop(tmp_path)
    shop.place(some(0, 9, 1))
    shop.gated()
    shop.build()
    rows = shop.all_features()
    snapshot = shop.table("customer_day").info().snapshot_id
    (tmp_path / "lake/shop/_gate/catalog.db").unlink()
    assert {view.result for view in shop.build().views} == {Built.UNCHANGED}
    assert shop.table("customer_day").info().snapshot_id == snapshot
    assert shop.all_features() == rows

    shop.place(some(20, 9, 2))
    shop.gated()
    _expire_all_but_the_newest(shop)
    assert {view.why for view in shop.build().views} == {features_build.EXPIRED}
    check_against_everything_at_once(shop)


def test_a_part_that_fails_publishes_nothing_and_the_next_build_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = FeatureShop(tmp_path)
    shop.place(some(0, 9, 1))
    shop.gated()
    shop.build()
    rows, info = shop.all_features(), shop.table("customer_day").info()
    shop.place(some(20, 9, 2))
    shop.gated()

    def broken(*_: Any) -> pl.DataFrame:
        raise FeatureComputeError("last_order", "half", "raised ZeroDivisionError")

    with monkeypatch.context() as patched:
        patched.setattr(features_unit, "history", broken)
        with pytest.raises(FeatureComputeError, match="half: raised"):
            shop.build()
    assert (shop.all_features(), shop.table("customer_day").info()) == (rows, info)
    shop.build()
    check_against_everything_at_once(shop)


def test_a_curated_file_that_was_changed_is_refused_before_a_byte_of_it_is_parsed(tmp_path: Path) -> None:
    shop = FeatureShop(tmp_path)
    shop.place(some(0, 9, 1))
    shop.gated()
    (file,) = shop.landed_files()
    path = Path(shop.config.store, file.key)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(FileCorruptError, match="SHA-256"):
        shop.build()
    assert shop.table("customer_day").info().snapshot_id is None


def test_of_two_builds_at_once_one_publishes_and_the_other_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = FeatureShop(tmp_path)
    shop.place(some(0, 9, 1))
    shop.gated()
    computed = features_build.run_features_pass

    def overtaken(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(features_build, "run_features_pass", computed)
        shop.build("customer_day", run_id="quicker")
        return computed(*arguments, **options)

    monkeypatch.setattr(features_build, "run_features_pass", overtaken)
    with pytest.raises(FeatureTableError, match="another build came before it; build again"):
        shop.build(run_id="slower")
    assert shop.table("customer_day").info().run_id == "quicker"
    assert len(shop.table("customer_day").snapshots()) == 1
    shop.build(run_id="slower")
    check_against_everything_at_once(shop)


def test_a_lost_reply_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyiceberg.catalog.sql import SqlCatalog

    shop = FeatureShop(tmp_path)
    shop.place(some(0, 9, 1))
    shop.gated()
    ensure_tables(shop.config, shop.views)
    commit = SqlCatalog.commit_table

    def lost(self: SqlCatalog, *arguments: Any, **options: Any) -> Any:
        commit(self, *arguments, **options)
        raise OSError("the reply was lost")

    with monkeypatch.context() as patched:
        patched.setattr(SqlCatalog, "commit_table", lost)
        assert {view.result for view in shop.build().views} == {Built.PUBLISHED}
    assert [len(shop.table(view.name).snapshots()) for view in shop.views] == [1, 1, 1]
    check_against_everything_at_once(shop)


class Died(BaseException):
    """The process ended here."""


def test_a_build_that_ends_anywhere_leaves_the_old_tables_or_the_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = FeatureShop(tmp_path)
    shop.place(some(0, 9, 1))
    shop.gated()
    shop.build()
    for i, (point, times) in enumerate([(name, 1) for name in BUILD_NAMES] + [("before_snapshot_commit", 2)]):
        old = shop.all_features()
        shop.views = shop.compiled(where=pl.col("items") != i)  # the definition changed: there is something to build
        new = {view.name: expected(shop, view) for view in shop.views}
        left = times

        def passes(name: str, point: str = point) -> None:
            nonlocal left
            left -= name == point
            if name == point and left == 0:
                raise Died

        with monkeypatch.context() as patched:
            patched.setattr(features_build, "failpoints", lambda passes=passes: passes)
            with pytest.raises(Died):
                shop.build(run_id=f"run {i}")
        for name, rows in shop.all_features().items():
            assert rows in (old[name], new[name]), (point, name)
        report = shop.build(run_id=f"run {i}")
        assert {view.result for view in report.views} <= {Built.PUBLISHED, Built.REPEATED}
        assert shop.all_features() == new
        assert [len(shop.table(view.name).snapshots()) for view in shop.views] == [2 + i] * 3


def test_a_full_disk_is_said_and_nothing_is_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray_pipeline.connectors.object_store.local import LocalObjectStore

    shop = FeatureShop(tmp_path)
    shop.place(some(0, 9, 1))
    shop.gated()

    def full(*_: Any) -> Iterator[None]:
        raise StoreUnavailableError("the store", "write", "the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(LocalObjectStore, "put", full)
        with pytest.raises(StoreUnavailableError, match="disk is full"):
            shop.build()
    assert shop.table("customer_day").info().snapshot_id is None
    shop.build()
    check_against_everything_at_once(shop)


def test_what_is_asked_wrongly_is_said_before_anything_is_read(tmp_path: Path) -> None:
    shop = FeatureShop(tmp_path)
    with pytest.raises(UsageError, match=r"nobody: unknown view; known are customer_day, customer_week, last_order"):
        shop.build("nobody")
    with pytest.raises(UsageError, match="offset from UTC"):
        shop.build(start=moment(1).replace(tzinfo=None))
    with pytest.raises(UsageError, match="there is no day"):
        shop.build(start=moment(2, 0), end=moment(2, 0))
    with pytest.raises(UsageError, match="cannot name a run"):
        shop.build(run_id=" ")


def test_the_build_is_told_as_openlineage_events(tmp_path: Path) -> None:
    shop = FeatureShop(tmp_path, more=f"lineage: {{transport: file, path: '{tmp_path / 'events.jsonl'}'}}")
    shop.place(some(0, 9, 1))
    shop.gated()
    shop.build()
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    mine = [event for event in events if event["job"]["name"] == "shop.features.customer_day"]
    assert [event["eventType"] for event in mine] == ["START", "COMPLETE"]
    gate = next(event for event in events if event["eventType"] == "COMPLETE" and ".gate." in event["job"]["name"])
    assert mine[1]["inputs"][0]["name"] == gate["outputs"][0]["name"]
    (output,) = mine[1]["outputs"]
    fields = output["facets"]["columnLineage"]["fields"]
    assert [one["field"] for one in fields["spent"]["inputFields"]] == ["amount"]
    assert "orders" not in fields
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == shop.table("customer_day").info().rows


def _expire_all_but_the_newest(shop: FeatureShop) -> None:
    source = feature_source(shop.config, "orders")
    table = load_catalog(source["catalog_name"], type="sql", uri=source["endpoint"]).load_table("shop.orders")
    newest = table.current_snapshot()
    assert newest is not None
    old = [one.snapshot_id for one in table.snapshots() if one.snapshot_id != newest.snapshot_id]
    table.maintenance.expire_snapshots().by_ids(old).commit()
    assert isinstance(table.scan().to_arrow(), pa.Table)
