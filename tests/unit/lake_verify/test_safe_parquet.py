"""A Parquet file that somebody made to hurt is refused before anything in it is built."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ray_pipeline.errors import FileCorruptError
from ray_pipeline.lake import safe_parquet
from ray_pipeline.lake.safe_parquet import open_parquet, read_batches
from ray_pipeline.lake.snapshot import take_snapshot
from ray_pipeline.lake.verify import verify
from ray_pipeline.types import Outcome

from .lakes import good_lake, rewrite_rows

HOSTILE = ["ray.data.arrow_pickled_object", "ray.data.arrow_tensor", "ray.data.arrow_variable_shaped_tensor"]
DESERIALIZED: list[bytes] = []


class Sentinel(pa.ExtensionType):
    """What Ray registers, with a mark where it would run a pickle."""

    def __init__(self) -> None:
        super().__init__(pa.binary(), "ray.data.arrow_pickled_object")

    def __arrow_ext_serialize__(self) -> bytes:
        return b"armed"

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: pa.DataType, serialized: bytes) -> Sentinel:
        DESERIALIZED.append(serialized)
        return cls()


@pytest.fixture
def registered() -> Iterator[None]:
    pa.register_extension_type(Sentinel())
    DESERIALIZED.clear()
    yield
    pa.unregister_extension_type("ray.data.arrow_pickled_object")


def parquet_of(table: pa.Table) -> pa.BufferReader:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return pa.BufferReader(sink.getvalue())


def marked(name: str, nested: str) -> pa.Table:
    """A file as a process without Ray would forge it: the type is only named."""
    field = pa.field("x", pa.binary(), metadata={b"ARROW:extension:name": name.encode()})
    kind = {"flat": None, "struct": pa.struct([field]), "list": pa.list_(field)}[nested]
    schema = pa.schema([field if kind is None else pa.field("outer", kind)])
    value = {"flat": b"pickle", "struct": {"x": b"pickle"}, "list": [b"pickle"]}[nested]
    return pa.Table.from_arrays([pa.array([value], schema.field(0).type)], schema=schema)


@pytest.mark.parametrize("nested", ["flat", "struct", "list"])
@pytest.mark.parametrize("name", HOSTILE)
def test_an_extension_type_is_refused_at_any_depth(name: str, nested: str) -> None:
    with pytest.raises(FileCorruptError, match="extension type"):
        open_parquet(parquet_of(marked(name, nested)), "f", 1)


@pytest.mark.parametrize("nested", [False, True])
def test_a_registered_extension_type_is_not_even_deserialized(registered: None, nested: bool) -> None:
    array: pa.Array = pa.ExtensionArray.from_storage(Sentinel(), pa.array([b"pickle"]))
    if nested:
        array = pa.StructArray.from_arrays([array], ["x"])
    source = parquet_of(pa.table({"x": array}))
    DESERIALIZED.clear()
    with pytest.raises(FileCorruptError, match="extension type"):
        open_parquet(source, "f", 1)
    assert DESERIALIZED == []


def test_a_hostile_file_in_a_lake_is_refused_by_every_reader(registered: None) -> None:
    lake = good_lake()
    hostile = pa.ExtensionArray.from_storage(Sentinel(), pa.array([b"x"] * 6))
    key = rewrite_rows(lake, 2, lambda table: table.append_column("payload", hostile[: table.num_rows]))
    DESERIALIZED.clear()
    with pytest.raises(FileCorruptError, match="extension type"):
        take_snapshot(lake, "shop", "orders").to_table()
    report = verify(lake, "shop")
    assert report.outcome is Outcome.BROKEN
    assert report.result("I5").breaches[0].key == key
    assert DESERIALIZED == []


def test_a_footer_that_claims_other_rows_than_its_entry_is_refused() -> None:
    billion = pa.table({"x": pa.repeat(pa.scalar(1, pa.int8()), 1_000_000)})
    with pytest.raises(FileCorruptError, match="1000000 rows, its log entry says 10"):
        open_parquet(parquet_of(billion), "f", 10)


def test_a_footer_that_claims_to_unpack_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_parquet, "MAX_UNPACKED", 1_000)
    with pytest.raises(FileCorruptError, match="claims to unpack"):
        open_parquet(parquet_of(pa.table({"x": list(range(10_000))})), "f", 10_000)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\xff" * 100 + b"PAR1", b"\x00" * 1000])
def test_bytes_that_are_no_parquet_are_refused(content: bytes) -> None:
    with pytest.raises(FileCorruptError):
        open_parquet(pa.BufferReader(content), "f", 1)


def test_large_rows_come_in_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_parquet, "BATCH_BYTES", 100_000)
    table = pa.table({"x": [bytes([i]) * 10_000 for i in range(100)]})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, use_dictionary=False, compression="none")
    batches = list(read_batches(open_parquet(pa.BufferReader(sink.getvalue()), "f", 100), "f"))
    assert max(batch.num_rows for batch in batches) <= 10
    assert pa.concat_tables(batches).equals(table)


def test_a_file_without_rows_has_no_batches() -> None:
    assert list(read_batches(open_parquet(parquet_of(pa.table({"x": pa.array([], "int8")})), "f", 0), "f")) == []
