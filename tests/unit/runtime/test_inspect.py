"""The inspection lane: files that our ingest did not write are judged like those that it did."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ray_pipeline.errors import UsageError
from ray_pipeline.runtime.jobs import inspect_reading
from ray_pipeline.runtime.jobs.gate import run_gate
from ray_pipeline.runtime.jobs.inspect import inspect_path, store_options
from ray_pipeline.sla.measure import RowRef
from ray_pipeline.sla.result import DatasetResult, Disposition, Verdict
from ray_pipeline.types import Outcome
from tests.gate_lake import GateLake

from .inspected import AT, CONTRACT, Delivery, by_check, vendor_rows


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery(tmp_path)


def test_rows_that_our_ingest_landed_get_the_verdicts_of_the_gate(tmp_path: Path) -> None:
    lake = GateLake(tmp_path, {"orders": CONTRACT})
    records = [
        {
            "order_id": str(i % 31),
            "shop": "s",
            "placed_at": f"2026-01-{1 + i % 3:02d}T{i % 24:02d}:00:00Z",
            "e_mail": f"{i % 38}@x",
            "amount": None if i % 7 == 0 else i * 1.5,
            "customer": {"id": "a", "age": i},
            "lines": [{"sku": "x"}],
        }
        for i in range(40)
    ]
    for partition in (0, 1):
        lake.land("orders", records[partition::2], partition=partition, committed_at="2026-01-04T00:00:00.000000Z")
    (gated,) = run_gate(lake.config, at=AT, dry_run=True).datasets
    lake_folder = lake.store.url
    (inspected,) = inspect_path(lake_folder, lake.config.datasets["orders"].contract, at=AT).datasets
    ours, theirs = by_check(gated), by_check(inspected)
    shared = ours.keys() & theirs.keys()
    assert {check for _, check in shared} >= {"primaryKey", "unique.e_mail", "amount.nullValues", "rowCount"}
    assert {check for _, check in ours.keys() - theirs.keys()} == {"latency"}
    assert {check for _, check in theirs.keys() - ours.keys()} == {"conformance"}
    for key in shared:
        assert (theirs[key].value, theirs[key].verdict) == (ours[key].value, ours[key].verdict), key
    assert any(theirs[key].verdict is Verdict.FAILED and key[1] == "primaryKey" for key in shared)
    assert all(check.value == 0 for (_, name), check in theirs.items() if name == "conformance")


def _facts(result: DatasetResult) -> Any:
    checks = {key: (check.value, check.verdict, check.rows, check.history) for key, check in by_check(result).items()}
    days = [(day.day, day.rows, day.complete) for day in result.days]
    return days, checks, result.new_rows, result.problems, result.profile


@given(st.data())
@settings(max_examples=8, deadline=None, phases=(Phase.explicit, Phase.generate))
def test_the_same_rows_in_other_files_and_row_groups_give_the_same_result(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 40))
    hours = data.draw(st.lists(st.integers(0, 70), min_size=count, max_size=count))
    keys = data.draw(st.lists(st.integers(0, 30), min_size=count, max_size=count))
    rows = vendor_rows(
        count,
        order_id=[str(key) for key in keys],
        placed_at=pa.array([1_767_225_600_000_000 + hour * 3_600_000_000 for hour in hours], pa.timestamp("us", "UTC")),
        amount=[None if key % 5 == 0 else float(key) for key in keys],
    )
    cuts = sorted({0, count, *data.draw(st.lists(st.integers(0, count), max_size=4))})
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        whole = Delivery(Path(folder) / "whole")
        whole.put("all.parquet", rows)
        split = Delivery(Path(folder) / "split")
        for number, (start, end) in enumerate(pairwise(cuts)):
            size = data.draw(st.integers(4, 20))
            split.put(f"{number:03d}.parquet", rows.slice(start, end - start), row_group_size=size)
        expected = _facts(whole.inspect())
        patch.setattr(inspect_reading, "PIECE_BYTES", 1)  # a piece per row group
        assert _facts(split.inspect()) == expected


def test_a_row_is_named_by_its_file_and_number(delivery: Delivery) -> None:
    amounts = [1.0, None, 3.0, 4.0]
    placed = pa.array([1_767_225_600_000_000 + (i % 2) * 86_400_000_000 for i in range(4)], pa.timestamp("us", "UTC"))
    delivery.put("a/one.parquet", vendor_rows(4, amount=amounts, placed_at=placed, order_id=["1", "2", "2", "2"]))
    found = by_check(delivery.inspect())
    nulls = found["2026-01-02", "amount.nullValues"]
    assert (nulls.value, nulls.examples) == (1.0, (RowRef("a/one.parquet", -1, 1),))
    assert found["2026-01-01", "primaryKey"].examples == (RowRef("a/one.parquet", -1, 2),)
    assert found["2026-01-02", "primaryKey"].examples == (RowRef("a/one.parquet", -1, 3),)


def test_keys_repeat_across_files(delivery: Delivery) -> None:
    delivery.put("a.parquet", vendor_rows(5))
    delivery.put("b.parquet", vendor_rows(5))
    assert by_check(delivery.inspect())["2026-01-01", "primaryKey"].value == 5.0


def test_nothing_is_published_held_or_written(delivery: Delivery) -> None:
    delivery.put("a.parquet", vendor_rows(3, amount=[None, 1.0, 2.0]))
    before = sorted(delivery.folder.rglob("*"))
    report = inspect_path(str(delivery.folder), delivery.contract, at=AT)
    assert sorted(delivery.folder.rglob("*")) == before
    (result,) = report.datasets
    assert (result.table, result.decision, result.published, result.held, result.new_rows) == (None, None, 0, 0, 3)
    assert [day.disposition for day in result.days] == [Disposition.INSPECTED]
    assert report.outcome is Outcome.BROKEN
    assert report.dry_run
    assert not any("set aside" in check.detail or "held" in check.detail for check in by_check(result).values())


def test_the_contract_judges_each_row_and_says_what_is_wrong_with_the_first(delivery: Delivery) -> None:
    delivery.put("a.parquet", vendor_rows(4, shop=["s", None, "s", None]))
    found = by_check(delivery.inspect())["2026-01-01", "conformance"]
    assert (found.value, found.verdict) == (2.0, Verdict.FAILED)
    assert found.examples == (RowRef("a.parquet", -1, 1), RowRef("a.parquet", -1, 3))
    assert found.detail.endswith("The first is row 1 of a.parquet: /shop: type: not of type string.")


@pytest.mark.parametrize(
    "column",
    [
        {"amount": pa.array([1, 2], pa.int16())},
        {"amount": pa.array([1, 2], pa.float32())},
        {"shop": pa.array(["a", "b"], pa.large_string())},
        {"shop": pa.array(["a", "a"]).dictionary_encode()},
        {"placed_at": pa.array([1_767_225_600_000_000_000] * 2, pa.timestamp("ns", "Europe/Berlin"))},
        {"lines": pa.array([[{"sku": "x"}], []], pa.large_list(pa.struct([("sku", pa.large_string())])))},
        {"e_mail": pa.nulls(2)},
        {"customer": pa.array([{"age": 1}, None], pa.struct([("age", pa.int8())]))},
    ],
)
def test_other_spellings_of_a_type_are_the_same_values(delivery: Delivery, column: dict[str, Any]) -> None:
    delivery.put("a.parquet", vendor_rows(2, **column))
    result = delivery.inspect()
    assert (result.problems, result.new_rows) == ((), 2)
    assert by_check(result)["2026-01-01", "conformance"].value == 0.0


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        ({"amount": ["1", "2"]}, "column 'amount' is string in it, and double by the contract"),
        ({"shop": [1, 2]}, "column 'shop' is int64 in it, and string by the contract"),
        (
            {"placed_at": pa.array([0, 1], pa.timestamp("us"))},
            "column 'placed_at' is timestamp[us] in it, without a zone",
        ),
        (
            {"placed_at": pa.array([1, 2], pa.timestamp("ns", "UTC"))},
            "column 'placed_at' is timestamp[ns, tz=UTC] in it",
        ),
        ({"amount": [2**60 + 1, 1]}, "column 'amount' is int64 in it, and holds values that double cannot hold"),
        ({"customer": [{"age": "x"}] * 2}, "column 'customer' is string in it, and int64 by the contract"),
    ],
)
def test_another_type_is_one_problem_that_names_file_and_column(
    delivery: Delivery, column: dict[str, Any], problem: str
) -> None:
    delivery.put("bad.parquet", vendor_rows(2, **column))
    delivery.put("good.parquet", vendor_rows(3))
    result = delivery.inspect()
    (said,) = result.problems
    assert said.startswith(f"bad.parquet: {problem}")
    assert result.new_rows == 3
    assert str(2**60 + 1) not in said


def test_columns_that_the_contract_does_not_know_break_a_closed_one(delivery: Delivery) -> None:
    delivery.put("a.parquet", vendor_rows(3, more=[1, None, 2]))
    found = by_check(delivery.inspect())["2026-01-01", "conformance"]
    assert found.value == 2.0
    assert found.detail.endswith("/more: the contract does not know it.")


def test_columns_that_are_missing_or_unknown_within_others_are_said(delivery: Delivery) -> None:
    delivery.put("a.parquet", vendor_rows(1, customer=[{"id": "a", "shoe": 42}]).drop(["e_mail"]))
    said = {one.what: one.why for one in delivery.inspect().not_judged}
    assert said["column customer.shoe of a.parquet"] == "the contract does not know it"
    assert said["column e_mail of a.parquet"] == "the file has no such column: each row counts as null there"


def test_our_own_columns_are_no_strangers_and_name_no_row(delivery: Delivery) -> None:
    ours = {
        "_partition": pa.array([3, 3], pa.int32()),
        "_offset": pa.array([9, 4]),
        "_timestamp": pa.array([1, 1], pa.timestamp("ms", "UTC")),
    }
    delivery.put("a.parquet", vendor_rows(2, order_id=["1", "1"], **ours))
    found = by_check(delivery.inspect())
    assert found["2026-01-01", "conformance"].value == 0.0
    assert found["2026-01-01", "primaryKey"].examples == (RowRef("a.parquet", -1, 0),)  # offset 4 came first


def test_rows_without_an_event_time_are_one_day_and_break_the_contract_that_requires_it(delivery: Delivery) -> None:
    delivery.put("a.parquet", vendor_rows(3, placed_at=pa.nulls(3, pa.timestamp("us", "UTC"))))
    result = delivery.inspect()
    assert [(day.day, day.rows) for day in result.days] == [("1970-01-01", 3)]
    assert by_check(result)["1970-01-01", "conformance"].value == 3.0
    assert "the event day of 3 rows" in {one.what for one in result.not_judged}


def test_a_relationship_is_listed_with_its_reason(tmp_path: Path) -> None:
    contracts = Path(__file__).parents[3] / "contracts" / "flights"
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "_SUCCESS").write_text("")
    (folder / "x.parquet").write_bytes(b"no")
    (result,) = inspect_path(str(folder), contracts / "arrivals.odcs.yaml", at=AT).datasets
    assert any("are not given" in one.why for one in result.not_judged)
    assert "1 other file: _SUCCESS" in {one.what for one in result.not_judged}


def test_one_file_is_judged_whatever_it_is_called(delivery: Delivery) -> None:
    path = delivery.put("part-00000", vendor_rows(2))
    assert delivery.inspect(path).new_rows == 2
    (problem,) = delivery.inspect().problems
    assert (
        problem == f"{delivery.folder} holds no Parquet: no name in it ends in .parquet (it holds 1 other: part-00000)"
    )


def test_a_path_where_nothing_is_was_asked_wrongly(delivery: Delivery) -> None:
    with pytest.raises(UsageError, match=r"nothing is at .*absent"):
        delivery.inspect(delivery.folder / "absent")
    with pytest.raises(UsageError, match="a pattern is not expanded"):
        delivery.inspect(delivery.folder / "*.parquet")
    with pytest.raises(UsageError, match="gs:// cannot be read here"):
        inspect_path("gs://bucket/x", delivery.contract)


def test_an_empty_folder_could_not_be_judged(delivery: Delivery) -> None:
    report = inspect_path(str(delivery.folder), delivery.contract, at=AT)
    assert report.outcome is Outcome.UNKNOWN
    assert report.datasets[0].problems == (
        f"{delivery.folder} holds no Parquet: no name in it ends in .parquet (it is empty)",
    )


def test_credentials_are_those_of_the_configuration_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_PIPELINE_CONFIG", raising=False)
    assert store_options(None, ()) == {}
    lake = GateLake(tmp_path, {"orders": CONTRACT}, store="s3://bucket/x", more="store_options: {anon: true}")
    assert store_options(lake.file, ()) == {"anon": "true"}
    assert store_options(lake.file, ("store=./here", "store_options={}")) == {}


def test_of_many_bad_files_some_are_named_and_the_rest_are_counted(delivery: Delivery) -> None:
    for number in range(53):
        delivery.put(f"{number:02d}.parquet", b"no")
    problems = delivery.inspect().problems
    assert (len(problems), problems[-1]) == (51, "3 more files cannot be judged")
