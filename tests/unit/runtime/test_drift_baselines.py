"""Baselines are numbered once, checked when they are read, and made of what landed; counts are read or counted."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ray_pipeline.drift.baseline import Baseline, make_baseline
from ray_pipeline.drift.counts import merge
from ray_pipeline.drift.footer import KEY
from ray_pipeline.drift.lens import RowLens
from ray_pipeline.errors import BaselineError, FileCorruptError, StoreUnavailableError, UsageError
from ray_pipeline.lake.verify import verify
from ray_pipeline.lake.verify_report import Status
from ray_pipeline.runtime.drift import keys
from ray_pipeline.runtime.drift.baseline_log import BaselineLog
from ray_pipeline.runtime.drift.baselines import compatible, dataset_baseline
from ray_pipeline.runtime.drift.counting import FileCounting
from ray_pipeline.runtime.drift.read_counts import places, read_counts
from ray_pipeline.testing.clock import FrozenClock
from ray_pipeline.testing.store import MemoryStore
from tests.gate_lake import GateLake

CONTRACT = """\
apiVersion: v3.2.0
kind: DataContract
id: shop.sales
version: 1.0.0
status: active
schema:
  - id: sales
    name: sales
    logicalType: object
    properties:
      - {name: sale_id, logicalType: string, required: true, unique: true}
      - {name: sold_at, logicalType: timestamp, logicalTypeOptions: {timezone: true}, required: true}
      - {name: amount, logicalType: number}
      - {name: shop, logicalType: string}
      - {name: note, logicalType: string}
      - {name: gift, logicalType: boolean}
      - name: place
        logicalType: object
        properties:
          - {name: floor, logicalType: integer}
customProperties:
  - {property: eventTime, value: sold_at}
"""
FIRST = datetime(2013, 2, 1, tzinfo=UTC)
DAYS = ("2013-02-01", "2013-02-13")
ALL = {"first_day": "2013-02-01", "until_day": "2013-03-01"}


def sales(day: int, rows: int = 40, seed: int = 0) -> list[dict[str, Any]]:
    rng = Random(seed * 1000 + day)
    return [
        {
            "sale_id": f"{seed}-{day}-{row}",
            "sold_at": (FIRST + timedelta(days=day, minutes=row)).isoformat(),
            "amount": rng.choice([None, rng.gauss(20, 5), 0.0]),
            "shop": rng.choice(["north", "south", "east"]),
            "note": rng.choice([None, f"note {rng.random()}"]),
            "gift": rng.random() < 0.2,
            "place": rng.choice([None, {"floor": rng.randrange(4)}]),
        }
        for row in range(rows)
    ]


@pytest.fixture
def lake(tmp_path: Path) -> GateLake:
    return GateLake(tmp_path, {"sales": CONTRACT})


def land(lake: GateLake, days: Iterable[int], seed: int = 0) -> None:
    for day in days:
        lake.land("sales", sales(day, seed=seed), partition=day % 3)


def counting(lake: GateLake) -> FileCounting:
    found = FileCounting(lake.store, lake.config.pipeline, "sales", clock=lake.clock)
    lake.describe["sales"] = found.footer
    return found


def footers(lake: GateLake) -> list[bool]:
    """Say of each landed file whether it was counted."""
    names = [key for key in lake.store.list("shop/data") if key.endswith(".parquet")]
    read = (pq.ParquetFile(pa.BufferReader(lake.store.get(key) or b"")) for key in names)
    return [KEY.encode() in (file.metadata.metadata or {}) for file in read]


def small(value: float = 1.0) -> Baseline:
    return make_baseline({"n": ("number", [value])}, ["2013-02-01"], fit_mask=[True])


def add(log: BaselineLog, baseline: Baseline, subject: str = "sales", **more: Any) -> int:
    days = {"first_day": "2013-02-01", "until_day": "2013-02-02"}
    return log.add(subject, baseline, **(days | {"who": "tests"} | more)).number


# -- the log of baselines -------------------------------------------------------------------------------------------


def test_baselines_are_numbered_and_the_newest_counts() -> None:
    store = MemoryStore()
    log = BaselineLog(store, "shop", clock=FrozenClock())
    assert log.newest("sales") is None
    assert [add(log, small(1)), add(log, small(2)), add(log, small(1)), add(log, small(3), "other")] == [1, 2, 3, 1]
    again = BaselineLog(store, "shop")
    assert [one.number for one in again.all("sales")] == [1, 2, 3]
    newest = again.newest("sales")
    assert newest is not None and newest.baseline == small(1) and newest.digest == again.get("sales", 1).digest
    assert again.newest_after("sales", 1) == newest
    assert again.newest_after("sales", 3) is None
    with pytest.raises(BaselineError, match="the baseline of sales: there is none of number 4"):
        again.get("sales", 4)


def test_the_same_baseline_is_added_once_but_not_under_another_model_or_contract(lake: GateLake) -> None:
    log = BaselineLog(MemoryStore(), "shop")
    contract = lake.contract("sales").ref
    assert [add(log, small()), add(log, small())] == [1, 1]
    assert [add(log, small(), model="late/1"), add(log, small(), model="late/2")] == [2, 3]
    assert [add(log, small(), contract=contract), add(log, small(), contract=contract)] == [4, 4]
    assert len({one.digest for one in log.all("sales")}) == 3  # what is counted, a contract does not change


def test_many_who_add_at_once_get_a_number_each() -> None:
    store = MemoryStore()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: add(BaselineLog(store, "shop"), small(n)), range(16)))
    assert sorted(found) == list(range(1, 17))


def test_a_reply_that_was_lost_makes_no_second_one() -> None:
    class Lossy(MemoryStore):
        def put_if_absent(self, key: str, data: bytes) -> bool:
            if super().put_if_absent(key, data):
                raise StoreUnavailableError(self.url, "write", "the reply was lost")
            return False

    log = BaselineLog(Lossy(), "shop", clock=FrozenClock())
    assert [add(log, small(1)), add(log, small(2))] == [1, 2]


def test_a_changed_byte_is_not_believed() -> None:
    store = MemoryStore()
    add(BaselineLog(store, "shop"), small())
    document = keys.baseline_key("shop", "sales", 1)
    files = [key for key in store.objects if key.startswith("shop/_drift/files/")]
    assert len(files) == 2
    for key in (document, *files):
        whole = store.objects[key]
        for broken in (whole.replace(b"1", b"2", 1), whole[:-9], b""):
            store.objects[key] = broken
            with pytest.raises(FileCorruptError, match=key):
                BaselineLog(store, "shop").newest("sales")
        store.objects[key] = whole
    assert BaselineLog(store, "shop").newest("sales") is not None
    store.objects.pop(files[0])
    with pytest.raises(FileCorruptError, match="is gone, and a baseline rests on it"):
        BaselineLog(store, "shop").newest("sales")


def test_a_document_of_another_place_is_not_believed() -> None:
    store = MemoryStore()
    add(BaselineLog(store, "shop"), small())
    data = store.objects[keys.baseline_key("shop", "sales", 1)]
    store.objects[keys.baseline_key("shop", "sales", 2)] = data
    with pytest.raises(FileCorruptError, match="says that it is number 1 of sales"):
        BaselineLog(store, "shop").newest("sales")
    store.objects["shop/_drift/sales/baselines/readme.txt"] = b""
    with pytest.raises(FileCorruptError, match=r"readme\.txt: is not the document"):
        BaselineLog(store, "shop").newest("sales")


@pytest.mark.parametrize("days", [("2013-02-02", "2013-02-02"), ("2013-2-1", "2013-02-02"), ("", "x")])
def test_days_that_are_none_are_refused(days: tuple[str, str]) -> None:
    with pytest.raises(BaselineError, match="is no range of ISO days"):
        add(BaselineLog(MemoryStore(), "shop"), small(), first_day=days[0], until_day=days[1])


# -- of a dataset -----------------------------------------------------------------------------------------------------


def test_a_dataset_s_baseline_is_of_the_days_that_are_asked_for(lake: GateLake) -> None:
    land(lake, range(14))
    found = dataset_baseline(lake.config, "sales", *DAYS, who="tests", reason="first", clock=lake.clock)
    assert (found.subject, found.number, found.model, found.contract) == ("sales", 1, None, lake.contract("sales").ref)
    assert found.baseline.names == ("amount", "shop", "gift", "place.floor")
    assert found.baseline.rows == 12 * 40
    assert (found.baseline.blocks[0], found.baseline.blocks[-1]) == ("2013-02-01", "2013-02-12")
    assert found.notices == ("note is left out: more than half of its values are distinct",)
    assert dataset_baseline(lake.config, "sales", *DAYS, who="tests").number == 1


def test_what_is_not_to_be_watched_is_not(lake: GateLake) -> None:
    land(lake, range(12))
    drift = lake.config.drift.model_copy(update={"without": {"sales": ("shop", "colour")}})
    config = lake.config.model_copy(update={"drift": drift})
    found = dataset_baseline(config, "sales", *DAYS, who="tests")
    assert "shop" not in found.baseline.names
    assert "drift.without names colour, which is not watched anyway" in found.notices


def test_too_little_to_compare_with_is_said(lake: GateLake) -> None:
    with pytest.raises(BaselineError, match="no row landed of 2013-02-01 to 2013-02-13; nothing of it has landed yet"):
        dataset_baseline(lake.config, "sales", *DAYS, who="tests")
    land(lake, range(5))
    with pytest.raises(BaselineError, match="what landed is of 2013-02-01 to 2013-02-05"):
        dataset_baseline(lake.config, "sales", "2013-03-01", "2013-04-01", who="tests")
    with pytest.raises(BaselineError, match=r"of 5 days only .* 10 are needed .*drift\.min_blocks"):
        dataset_baseline(lake.config, "sales", *DAYS, who="tests")
    with pytest.raises(UsageError, match="sails"):
        dataset_baseline(lake.config, "sails", *DAYS, who="tests")


def test_columns_of_another_contract_are_told(lake: GateLake, tmp_path: Path) -> None:
    land(lake, range(12))
    found = dataset_baseline(lake.config, "sales", *DAYS, who="tests")
    assert compatible(found, lake.contract("sales")) == ()
    changed = CONTRACT.replace("{name: shop, logicalType: string}", "{name: shop, logicalType: integer}")
    (tmp_path / "new").mkdir()
    other = GateLake(tmp_path / "new", {"sales": changed.replace("name: gift", "name: present")})
    assert compatible(found, other.contract("sales")) == ("shop", "gift")
    assert compatible(replace(found, model="late/1"), other.contract("sales")) == ()


# -- counting ---------------------------------------------------------------------------------------------------------


def test_files_are_counted_as_they_land_and_counts_are_those_of_their_rows(lake: GateLake) -> None:
    """Before a baseline, in an older one's bins, in the newest one's: the same numbers for each."""
    owner = counting(lake)
    land(lake, range(12))
    assert not any(footers(lake))
    first = dataset_baseline(lake.config, "sales", *DAYS, who="tests")
    lake.clock.advance(30)
    land(lake, [12])
    assert owner.watched is None  # it looked less than a minute ago
    lake.clock.advance(30)
    land(lake, range(13, 16))
    second = dataset_baseline(lake.config, "sales", "2013-02-02", "2013-02-17", who="tests")
    assert second.number == 2
    lake.clock.advance(60)
    land(lake, range(16, 19), seed=1)
    for watched in (first, second):
        found = read_counts(lake.config, watched, **ALL)
        assert (found.counted_files, found.recounted_files) == (3, 16)
        assert found.rows == {f"2013-02-{day:02}": 40 for day in range(1, 20)}
        for name in watched.baseline.names:
            assert found.columns[name].rows == 19 * 40
        assert found == read_counts(lake.config, watched, **ALL, parts=3)
        assert found == read_counts(lake.config, watched, **ALL, parts=32)
    # The days of a baseline count again what it counted, and days add up to ranges.
    again = read_counts(lake.config, second, first_day="2013-02-02", until_day="2013-02-17")
    for name in second.baseline.names:
        assert again.columns[name] == second.baseline.of(name)
    halves = [read_counts(lake.config, first, first_day=a, until_day=b) for a, b in (DAYS, (DAYS[1], "2013-03-01"))]
    assert all(merge([one.columns[name] for one in halves]) == again_ for name, again_ in all_of(lake, first).items())


def all_of(lake: GateLake, watched: Any) -> Any:
    return read_counts(lake.config, watched, **ALL).columns


def test_files_that_are_counted_are_otherwise_what_they_were(tmp_path: Path) -> None:
    """Same rows, same Arrow schema, as every reader sees them; without a baseline the same bytes."""
    import duckdb
    import polars as pl

    lakes = []
    for name in ("plain", "looked", "counted"):
        (tmp_path / name).mkdir()
        lake = GateLake(tmp_path / name, {"sales": CONTRACT})
        if name != "plain":
            counting(lake)
        if name == "counted":
            add(
                BaselineLog(lake.store, "shop"),
                make_baseline({"amount": ("number", [1.0])}, ["2013-02-01"], fit_mask=[True]),
            )
        land(lake, range(2))
        lakes.append(lake)
    keys_ = [list(lake.store.list("shop/data")) for lake in lakes]
    assert keys_[0] == keys_[1] == keys_[2]
    for key in keys_[0]:
        plain, looked, counted = (lake.store.get(key) for lake in lakes)
        assert plain == looked != counted
        assert plain is not None and counted is not None
        files = [pq.ParquetFile(pa.BufferReader(data)) for data in (plain, counted)]
        assert files[0].schema_arrow.equals(files[1].schema_arrow, check_metadata=True)
        assert files[0].read().equals(files[1].read())
        uris = [lake.store.uri(key) for lake in (lakes[0], lakes[2])]
        assert pl.read_parquet(uris[0]).equals(pl.read_parquet(uris[1]))
        assert duckdb.read_parquet(uris[0]).fetchall() == duckdb.read_parquet(uris[1]).fetchall()
    for lake in lakes:
        report = verify(lake.store, "shop")
        assert report.first_breach is None
        assert Status.BROKEN not in {one.status for one in report.results}


def test_counts_as_of_an_entry_are_of_what_the_log_said_then(lake: GateLake) -> None:
    land(lake, range(12))
    watched = dataset_baseline(lake.config, "sales", *DAYS, who="tests")
    then = places(lake.config, "sales")
    before = read_counts(lake.config, watched, **ALL)
    assert [one.n for one in then] == [5, 5, 5]
    assert before.places == then
    assert then[0].event_time_max_us == int((FIRST + timedelta(days=9, minutes=39)).timestamp() * 1e6)
    assert then[0].committed_at_us == int(lake.clock.now().timestamp() * 1e6)
    land(lake, range(12, 16))
    lake.land("sales", sales(3, seed=5), partition=9)  # a partition that was not there then
    through = {one.log: one.n for one in then}
    assert read_counts(lake.config, watched, **ALL, through=through) == before
    assert read_counts(lake.config, watched, **ALL, through={}).rows == {}
    assert sum(read_counts(lake.config, watched, **ALL).rows.values()) == 17 * 40
    with pytest.raises(UsageError, match="one part at least"):
        read_counts(lake.config, watched, **ALL, parts=0)


@pytest.mark.parametrize("footer", [b"{", b"[]", b'{"format":1}', "rows", "digest"])
def test_a_footer_that_lies_is_counted_again(lake: GateLake, footer: bytes | str) -> None:
    land(lake, range(12))
    watched = dataset_baseline(lake.config, "sales", *DAYS, who="tests")
    expected = read_counts(lake.config, watched, **ALL)
    honest = counting(lake)

    def lying(rows: pa.Table) -> Any:
        if isinstance(footer, bytes):
            return {KEY: footer}
        said = json.loads((honest.footer(rows) or {})[KEY])
        said |= {"rows": 41, "counted": 41} if footer == "rows" else {"baseline": "0" * 64}
        return {KEY: json.dumps(said).encode()}

    lake.describe["sales"] = lying
    land(lake, [12])
    found = read_counts(lake.config, watched, **ALL)
    assert found.recounted_files == 13
    assert found.rows == expected.rows | {"2013-02-13": 40}


def test_a_changed_file_is_not_counted(lake: GateLake) -> None:
    land(lake, range(12))
    watched = dataset_baseline(lake.config, "sales", *DAYS, who="tests")
    key = next(lake.store.list("shop/data"))
    lake.store.put(key, (lake.store.get(key) or b"").replace(b"PAR1", b"PAR2"))
    with pytest.raises(FileCorruptError, match=key):
        read_counts(lake.config, watched, **ALL)


def test_what_cannot_be_counted_lands_all_the_same(
    lake: GateLake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("of another shape")

    land(lake, range(12))
    dataset_baseline(lake.config, "sales", *DAYS, who="tests")
    counting(lake)
    monkeypatch.setattr(RowLens, "look", refuse)
    land(lake, range(12, 14))
    assert not any(footers(lake))
    assert [one.message for one in caplog.records] == [
        "rows of sales cannot be counted in baseline 1: of another shape"
    ]


def test_a_store_that_does_not_answer_stops_no_landing(caplog: pytest.LogCaptureFixture) -> None:
    class Away(MemoryStore):
        away = True

        def list(self, prefix: str) -> Any:
            if self.away:
                raise StoreUnavailableError(self.url, "list", "away")
            return super().list(prefix)

    store, clock = Away(), FrozenClock()
    owner = FileCounting(store, "shop", "sales", clock=clock)
    rows = pa.table({"n": [1.0, None]})
    assert owner.footer(rows) is None
    assert "the baseline of sales cannot be read" in caplog.text
    store.away = False
    add(BaselineLog(store, "shop"), small())
    assert owner.footer(rows) is None  # a minute has not passed
    clock.advance(60)
    assert owner.footer(rows) is not None
    assert owner.footer(pa.table({"m": [1.0]})) is not None  # nothing of it to count
