"""One decision, one snapshot: whoever publishes it, however often, and wherever they are killed."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from sqlalchemy.exc import OperationalError

from ray_pipeline.config import PipelineConfig
from ray_pipeline.connectors.iceberg import durable, publication
from ray_pipeline.connectors.iceberg.catalog import CuratedCatalog, open_catalog
from ray_pipeline.connectors.iceberg.table import CuratedTable
from ray_pipeline.errors import (
    CatalogConflictError,
    CatalogDeniedError,
    CatalogUnavailableError,
    LakeError,
    StoreUnavailableError,
)
from tests.curated import config, land, plain, rows

KILL_POINTS = (
    "before_snapshot_manifests",
    *(f"{when} file {k}" for k in (1, 2, 3) for when in ("within", "after")),
    "before_snapshot_commit",
    "before sql",
    "after sql",
    "after_snapshot_commit",
)
PROGRAM = """
import json, os, sys
from pathlib import Path
from ray_pipeline.connectors.iceberg import durable
from ray_pipeline.connectors.iceberg import data_files, trouble
from ray_pipeline.connectors.iceberg.catalog import open_catalog
from pyiceberg.catalog.sql import SqlCatalog
from tests.curated import config, rows

def die_at(point):
    def effect(name):
        if name == point:
            os._exit(9)
    if " file " in point:
        when, _, k = point.split()
        left, close, write = [int(k)], durable._SyncedStream.close, durable._SyncedStream.write
        def closing(self):
            left[0] -= not self.closed
            close(self)
            if left[0] == 0 and when == "after":
                os._exit(9)
        def writing(self, data):
            if left[0] == 1 and when == "within":
                write(self, data[: len(data) // 2])
                self.flush()
                os._exit(9)
            return write(self, data)
        durable._SyncedStream.close, durable._SyncedStream.write = closing, writing
    if " sql" in point:
        commit = SqlCatalog.commit_table
        def committing(self, *args):
            if point == "before sql":
                os._exit(9)
            commit(self, *args)
            os._exit(9)
        SqlCatalog.commit_table = committing
    return effect

def publish(folder, n, uris, point):
    settings = config(Path(folder))
    with open_catalog(settings, effects=die_at(point)) as catalog:
        catalog.table("departures").publish(n, uris, {"run": "r"}, rows(1).schema)

jobs = json.loads(sys.argv[1])
codes = []
for job in jobs:  # nothing has started a thread yet, so each child is a process that was killed
    children = []
    for point in job["points"]:
        child = os.fork()
        if child == 0:
            try:
                publish(job["folder"], job["n"], job["uris"], point)
            except BaseException as error:
                print(type(error).__name__, error, file=sys.stderr)
                os._exit(1)
            os._exit(0)
        children.append(child)
    codes.append([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
print(json.dumps(codes))
"""


def run(jobs: list[dict[str, Any]]) -> list[list[int]]:
    """Run each job's publishers, all of one job at once, and return their exit codes."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(jobs)], capture_output=True, text=True, check=True, timeout=240
    )
    assert not done.stderr, done.stderr
    codes: list[list[int]] = json.loads(done.stdout)
    return codes


@pytest.fixture
def settings(tmp_path: Path) -> PipelineConfig:
    return config(tmp_path)


@pytest.fixture
def catalog(settings: PipelineConfig) -> Iterator[CuratedCatalog]:
    with open_catalog(settings) as catalog:
        yield catalog


@pytest.fixture
def table(settings: PipelineConfig, catalog: CuratedCatalog) -> CuratedTable:
    """A table that holds decision 0."""
    table = catalog.ensure("departures", rows(1).schema, "at")
    table.publish(0, [land(settings, "day-1", rows(1))], {}, rows(1).schema)
    return table


def test_a_kill_at_any_step_leaves_the_old_snapshot_or_the_new_one_and_the_next_try_ends_at_the_new(
    tmp_path: Path,
) -> None:
    worlds = {point: config(tmp_path / str(i)) for i, point in enumerate(KILL_POINTS)}
    jobs = []
    for point, settings in worlds.items():
        with open_catalog(settings) as catalog:
            first = catalog.ensure("departures", rows(1).schema, "at")
            first.publish(0, [land(settings, "day-1", rows(1))], {}, rows(1).schema)
        folder = str(Path(settings.store).parent)
        jobs.append({"folder": folder, "n": 1, "uris": [land(settings, "day-2", rows(2))], "points": [point]})
    assert run(jobs) == [[9]] * len(KILL_POINTS)
    for point, settings in worlds.items():
        with open_catalog(settings) as catalog:
            table = catalog.table("departures")
            assert table is not None
            landed = point in ("after sql", "after_snapshot_commit")
            assert (table.applied, table.scan().num_rows) == ((1, 8) if landed else (0, 4)), point
            for _ in range(2):
                table.publish(1, [f"{settings.store}/flights/data/departures/00000/day-2.parquet"], {"run": "r"})
                assert [s.decision for s in table.snapshots()] == [0, 1], point
                assert table.scan().num_rows == 8, point


def test_of_several_processes_that_publish_one_decision_at_once_one_makes_the_snapshot(tmp_path: Path) -> None:
    settings = config(tmp_path)
    with open_catalog(settings) as catalog:
        catalog.ensure("departures", rows(1).schema, "at")
    uris = [land(settings, f"day-{day}", rows(day)) for day in range(1, 6)]
    jobs = [{"folder": str(tmp_path), "n": n, "uris": [uris[n]], "points": ["", "", ""]} for n in range(5)]
    assert run(jobs) == [[0, 0, 0]] * 5
    with open_catalog(settings) as catalog:
        table = catalog.table("departures")
        assert table is not None
        assert [s.decision for s in table.snapshots()] == [0, 1, 2, 3, 4]
        assert len(table.files()) == 5
        assert table.info()["rows"] == 20


def test_two_publishers_that_both_saw_the_old_table_make_one_snapshot(
    settings: PipelineConfig, catalog: CuratedCatalog, table: CuratedTable
) -> None:
    uri, together, ids = land(settings, "day-2", rows(2)), threading.Barrier(2), []

    def publish() -> None:
        met = []

        def effect(name: str) -> None:
            if name == "before_snapshot_commit" and not met:
                met.append(together.wait(30))

        with open_catalog(settings, effects=effect) as catalog:
            mine = catalog.table("departures")
            assert mine is not None
            ids.append(mine.publish(1, [uri], {}))

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(publish) for _ in range(2)]:
            done.result()
    assert ids[0] == ids[1] == table.snapshot_of(1)
    assert [s.decision for s in table.snapshots()] == [0, 1]
    assert table.info()["rows"] == 8
    # What the loser left is not mistaken for the table when the catalog itself is lost afterwards.
    left = [file.name[:5] for file in Path(table.info()["metadata"]).parent.glob("*.metadata.json")]
    assert sorted(left) == ["00000", "00001", "00002", "00002"]
    catalog.close()
    Path(settings.store, "flights", "_gate", "catalog.db").unlink()
    with open_catalog(settings) as again:
        found = again.ensure("departures", rows(1).schema, "at")
        assert [s.decision for s in found.snapshots()] == [0, 1]
        assert plain(found.scan()) == plain(pa.concat_tables([rows(1), rows(2)]))


def test_a_commit_of_another_engine_in_between_is_built_upon_and_never_lost(
    settings: PipelineConfig, catalog: CuratedCatalog, table: CuratedTable
) -> None:
    others, done = SqlCatalog("flights", **catalog._settings.properties), []
    theirs = land(settings, "day-3", rows(3).drop(["far", "born"]))

    def intrude(name: str) -> None:
        if name == "before_snapshot_commit" and not done:
            done.append(True)
            others.load_table(("flights", "departures")).add_files([theirs])

    with open_catalog(settings, effects=intrude) as mine:
        found = mine.table("departures")
        assert found is not None
        found.publish(1, [land(settings, "day-2", rows(2))], {})
    others.close()
    assert [s.decision for s in table.snapshots()] == [0, None, 1]
    assert table.info()["rows"] == 12


@pytest.mark.parametrize(
    "lost",
    [
        CommitStateUnknownException("the reply was lost"),
        OperationalError("COMMIT", {}, sqlite3.OperationalError("disk I/O error")),
        ConnectionResetError("reset"),
    ],
)
@pytest.mark.parametrize("landed", [True, False])
def test_a_commit_whose_reply_was_lost_is_looked_up(
    settings: PipelineConfig, table: CuratedTable, monkeypatch: pytest.MonkeyPatch, lost: Exception, landed: bool
) -> None:
    uri = land(settings, "day-2", rows(2))
    with interrupted(monkeypatch, lost, landed):
        if landed:
            assert table.publish(1, [uri], {}) == table.snapshot_of(1)
        else:
            with pytest.raises(LakeError) as raised:
                table.publish(1, [uri], {})
            assert raised.value.retryable
            assert table.applied == 0
    table.publish(1, [uri], {})
    assert [s.decision for s in table.snapshots()] == [0, 1]
    assert table.info()["rows"] == 8


def test_a_lost_reply_with_the_catalog_gone_says_that_nobody_knows(
    settings: PipelineConfig, catalog: CuratedCatalog, table: CuratedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, load = SqlCatalog.commit_table, SqlCatalog.load_table
    gone = OperationalError("SELECT", {}, sqlite3.OperationalError("database is locked"))

    def committing(self: SqlCatalog, *args: Any) -> Any:
        commit(self, *args)
        monkeypatch.setattr(SqlCatalog, "load_table", failing)
        raise gone

    def failing(*_: Any) -> Any:
        raise gone

    monkeypatch.setattr(SqlCatalog, "commit_table", committing)
    uri = land(settings, "day-2", rows(2))
    with pytest.raises(CatalogUnavailableError, match="nobody can say whether it landed"):
        table.publish(1, [uri], {})
    monkeypatch.setattr(SqlCatalog, "load_table", load)
    monkeypatch.setattr(SqlCatalog, "commit_table", commit)
    assert table.publish(1, [uri], {}) == table.snapshot_of(1)
    assert table.info()["rows"] == 8


class interrupted:
    """For one commit: it lands or not, and then the error comes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: Exception, landed: bool) -> None:
        self._monkeypatch, self._error, self._landed = monkeypatch, error, landed

    def __enter__(self) -> None:
        commit, error, landed = SqlCatalog.commit_table, self._error, self._landed
        self._commit: Callable[..., Any] = commit

        def committing(catalog: SqlCatalog, *args: Any) -> Any:
            if landed:
                commit(catalog, *args)
            raise error

        self._monkeypatch.setattr(SqlCatalog, "commit_table", committing)

    def __exit__(self, *_: object) -> None:
        self._monkeypatch.setattr(SqlCatalog, "commit_table", self._commit)


def test_a_table_that_changes_during_each_attempt_is_given_up_with_a_sentence(
    settings: PipelineConfig, table: CuratedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, said = land(settings, "day-2", rows(2)), "others changed the table during each of 10 attempts"
    with (
        interrupted(monkeypatch, CommitFailedException("again"), landed=False),
        pytest.raises(CatalogConflictError, match=said),
    ):
        table.publish(1, [uri], {})
    assert plain(table.scan()) == plain(rows(1))


def test_a_locked_catalog_is_waited_for_and_then_named(
    settings: PipelineConfig, catalog: CuratedCatalog, table: CuratedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = land(settings, "day-2", rows(2))
    catalog.close()
    holder = sqlite3.connect(f"{settings.store}/flights/_gate/catalog.db", isolation_level=None)
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3.dbapi2, "connect", lambda *a, **k: connect(*a, **{**k, "timeout": 0.05}))
    holder.execute("BEGIN EXCLUSIVE")
    with (
        open_catalog(settings) as other,
        pytest.raises(CatalogUnavailableError, match="another process holds its lock"),
    ):
        other.ensure("departures", rows(1).schema, "at")
    holder.execute("ROLLBACK")
    holder.execute("BEGIN IMMEDIATE")  # readers may read, nobody else may write
    with open_catalog(settings) as other:
        mine = other.table("departures")
        assert mine is not None
        with pytest.raises(CatalogUnavailableError, match=r"publish decision 1.*another process holds its lock"):
            mine.publish(1, [uri], {})
        assert (mine.applied, mine.info()["rows"]) == (0, 4)
        holder.execute("ROLLBACK")
        mine.publish(1, [uri], {})
        assert (mine.applied, mine.info()["rows"]) == (1, 8)
    holder.close()


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_disk_that_fills_up_in_mid_publication_leaves_the_table_as_it_was(
    settings: PipelineConfig, table: CuratedTable, monkeypatch: pytest.MonkeyPatch, k: int
) -> None:
    uri = land(settings, "day-2", rows(2))
    left, sync = [2 * k - 1], os.fsync  # each file is synced, then its folder

    def syncing(descriptor: int) -> None:
        left[0] -= 1
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    before = table.info()
    monkeypatch.setattr(durable.os, "fsync", syncing)
    with pytest.raises(StoreUnavailableError, match="the disk is full") as raised:
        table.publish(1, [uri], {})
    assert raised.value.retryable
    assert table.info() == before
    assert plain(table.scan()) == plain(rows(1))
    monkeypatch.setattr(durable.os, "fsync", sync)
    table.publish(1, [uri], {})
    assert table.info()["rows"] == 8


def test_a_full_disk_below_the_catalog_itself_is_named(
    settings: PipelineConfig, table: CuratedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OperationalError("UPDATE", {}, sqlite3.OperationalError("database or disk is full"))
    with interrupted(monkeypatch, full, landed=False), pytest.raises(CatalogUnavailableError, match="the disk is full"):
        table.publish(1, [], {})
    assert table.applied == 0


def test_a_catalog_file_that_is_none_is_refused_and_left_alone(settings: PipelineConfig) -> None:
    file = Path(settings.store, "flights", "_gate", "catalog.db")
    file.parent.mkdir(parents=True)
    file.write_bytes(b"these are somebody's notes, and no database at all. " * 50)
    with open_catalog(settings) as catalog, pytest.raises(CatalogDeniedError, match="is not a SQLite database"):
        catalog.ensure("departures", rows(1).schema, "at")
    assert file.read_bytes().startswith(b"these are")


def test_damaged_metadata_is_named_and_not_overwritten(table: CuratedTable) -> None:
    Path(table.info()["metadata"]).write_text('{"format-version": 2')
    with pytest.raises(CatalogDeniedError, match="the table's metadata file is damaged"):
        table.publish(1, [], {})


def test_a_clock_that_was_set_back_publishes_nothing(table: CuratedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    monkeypatch.setattr(publication.time, "time", lambda: real() - 7200)
    with pytest.raises(CatalogUnavailableError, match=r"clock is 7[12][0-9][0-9] s behind the table's last change"):
        table.publish(1, [], {})
    monkeypatch.setattr(publication.time, "time", real)
    table.publish(1, [], {})


def test_several_first_gates_at_once_make_one_table(tmp_path: Path) -> None:
    settings = config(tmp_path)
    together = threading.Barrier(4)

    def first() -> int:
        with open_catalog(settings) as catalog:
            together.wait(30)
            table = catalog.ensure("departures", rows(1).schema, "at")
            table.publish(0, [], {})
            return table.info()["snapshot_id"] or 0

    with ThreadPoolExecutor(4) as pool:
        ids = [done.result() for done in [pool.submit(first) for _ in range(4)]]
    assert len(set(ids)) == 1
