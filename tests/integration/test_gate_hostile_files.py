"""Landed files that somebody made to hurt, or that broke: their day is held, nothing of them is run or published."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ray_pipeline.lake import landing
from ray_pipeline.lake.parquet import encode_parquet
from ray_pipeline.types import Outcome
from tests.gate_second_day import SECOND, check_before, check_done, land_first, land_second
from tests.gate_shop import Shop, verdict_of

UNPICKLED: list[bytes] = []


class Armed(pa.ExtensionType):  # type: ignore[misc]
    """The type with which Ray's objects travel; reading one runs what is in it."""

    def __init__(self) -> None:
        super().__init__(pa.binary(), "ray.data.arrow_pickled_object")

    def __arrow_ext_serialize__(self) -> bytes:
        return b"armed"

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: pa.DataType, serialized: bytes) -> Armed:
        UNPICKLED.append(serialized)
        return cls()


@pytest.fixture
def armed() -> Iterator[Armed]:
    kind = Armed()
    pa.register_extension_type(kind)
    yield kind
    pa.unregister_extension_type("ray.data.arrow_pickled_object")


@pytest.fixture(autouse=True)
def _planner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")  # the other planner is a package of its own


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """One day is published, and a row is set aside."""
    shop = Shop(tmp_path)
    land_first(shop)
    shop.gate("orders")
    return shop


def land_forged(shop: Shop, forge: Callable[[pa.Table], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Land a file of the second day that the log names rightly, with bytes that nobody honest writes."""
    with monkeypatch.context() as patch:
        patch.setattr(landing, "encode_parquet", lambda table, *a, **k: forge(table))
        land_second(shop)


def bytes_of(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def billion(_: pa.Table) -> bytes:
    """10⁹ rows in a megabyte and a half: a null column costs next to nothing."""
    sink = pa.BufferOutputStream()
    batch = pa.table({"order_id": pa.nulls(100_000_000)})
    with pq.ParquetWriter(sink, batch.schema, compression="none", write_statistics=False) as writer:
        for _ in range(10):
            writer.write_table(batch, row_group_size=batch.num_rows)
    return bytes(sink.getvalue())


def held_for_its_file(shop: Shop) -> str:
    """Gate; the second day must be held for its file alone, and the rest be as it was. Return what is said of it."""
    report = shop.gate("orders")
    assert report.outcome is Outcome.UNKNOWN
    (found,) = report.datasets
    assert verdict_of(found, "readable-files", SECOND) == "could not be judged"
    assert set(shop.held()) == {SECOND}
    check_before(shop)
    (check,) = [one for day in found.days for one in day.checks if one.check == "readable-files"]
    assert "\n" not in check.detail
    return check.detail


def test_a_file_of_another_schema_holds_its_day(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def forge(table: pa.Table) -> bytes:
        i = table.column_names.index("amount")
        return encode_parquet(table.set_column(i, "amount", pa.array(["1.5"] * table.num_rows)))

    land_forged(shop, forge, monkeypatch)
    assert "column 'amount' is string in it, and double by the contract" in held_for_its_file(shop)


def test_a_file_without_the_columns_by_which_a_row_is_known_is_held(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    land_forged(shop, lambda table: encode_parquet(table.drop_columns(["_offset"])), monkeypatch)
    assert "has no column '_offset'" in held_for_its_file(shop)


def test_a_file_whose_rows_have_no_offset_is_held(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def forge(table: pa.Table) -> bytes:
        i = table.column_names.index("_offset")
        return encode_parquet(table.set_column(i, "_offset", pa.nulls(table.num_rows, pa.int64())))

    land_forged(shop, forge, monkeypatch)
    assert "cannot be read" in held_for_its_file(shop)


def test_a_file_with_an_extension_type_is_held_and_nothing_of_it_is_run(
    shop: Shop, armed: Armed, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = pa.ExtensionArray.from_storage(armed, pa.array([b"pickle"] * 4))
    land_forged(shop, lambda table: bytes_of(table.append_column("payload", payload)), monkeypatch)
    UNPICKLED.clear()
    assert "extension type" in held_for_its_file(shop)
    assert UNPICKLED == []


def test_a_file_that_claims_a_billion_rows_is_held_before_any_is_made(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    land_forged(shop, billion, monkeypatch)
    assert Path(shop.config.store, shop.landed_files()[1].key).stat().st_size < 2 << 20
    began = time.process_time()
    assert "1000000000 rows, its log entry says 4" in held_for_its_file(shop)
    assert time.process_time() - began < 10


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"\x00" * 1000, b"PAR1" + b"\xff" * 100 + b"PAR1"])
def test_bytes_that_are_no_parquet_though_the_log_names_them_hold_their_day(
    shop: Shop, damage: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    land_forged(shop, lambda _: damage, monkeypatch)
    assert "no readable Parquet file" in held_for_its_file(shop)


def test_a_file_whose_bytes_are_not_the_logs_is_held_though_it_is_good_parquet(shop: Shop) -> None:
    land_second(shop)
    first, second = (Path(shop.config.store, file.key) for file in shop.landed_files())
    good = second.read_bytes()
    table = pq.read_table(second)
    second.write_bytes(bytes_of(table.set_column(table.column_names.index("note"), "note", pa.array(["forged"] * 4))))
    assert second.name in held_for_its_file(shop)
    second.write_bytes(good)
    shop.gate("orders")
    check_done(shop)
    assert first.exists()
