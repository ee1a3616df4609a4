"""Files that are broken, or made to hurt: one sentence each, the others are judged, nothing in them runs."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ray_pipeline.errors import FileCorruptError
from ray_pipeline.lake.parquet_claims import refuse_claims
from ray_pipeline.runtime.jobs.inspect import inspect_path
from ray_pipeline.runtime.jobs.inspect_reading import read_piece
from ray_pipeline.types import Outcome

from .inspected import AT, Delivery, by_check, vendor_rows


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery(tmp_path)


class Pickled(pa.ExtensionType):  # type: ignore[misc]  # pyarrow has no types
    """Looks like the type that Ray unpickles; here, its very making is the damage."""

    def __init__(self) -> None:
        super().__init__(pa.binary(), "ray.data.arrow_pickled_object")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: pa.DataType, serialized: bytes) -> Pickled:
        raise AssertionError("the file's order was obeyed")


def _good(folder: Path) -> bytes:
    path = folder / "good.bin"
    pq.write_table(vendor_rows(2000), path)
    return path.read_bytes()


def _truncated(folder: Path) -> bytes:
    return _good(folder)[:-300]


def _flipped(folder: Path) -> bytes:
    content = bytearray(_good(folder))
    content[30:400] = bytes(byte ^ 0xFF for byte in content[30:400])
    return bytes(content)


def _footer_of_lies(folder: Path) -> bytes:
    """The footer says that it is longer than the file."""
    content = _good(folder)
    return content[:-8] + struct.pack("<I", 2**31) + b"PAR1"


def _written(table: pa.Table, **options: Any) -> Any:
    def make(folder: Path) -> bytes:
        path = folder / "made.bin"
        pq.write_table(table, path, **options)
        return path.read_bytes()

    return make


def _dictionary_bomb() -> pa.Table:
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 50_000, pa.int32()), pa.array(["x" * 1_000_000]))
    return vendor_rows(50_000, e_mail=texts)


def _nested_dictionary_bomb() -> pa.Table:
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 50_000, pa.int32()), pa.array(["x" * 1_000_000]))
    return vendor_rows(50_000, customer=pa.StructArray.from_arrays([texts], ["id"]))


def _unpickling() -> pa.Table:
    return vendor_rows(3, more=pa.ExtensionArray.from_storage(Pickled(), pa.array([b"cos\nsystem\n"] * 3)))


CASES = {
    "not parquet": (lambda _: b"order_id,shop\n1,2\n" * 10, "is no readable Parquet file (it has no footer)"),
    "nothing in it": (lambda _: b"", "is no readable Parquet file (it is too short)"),
    "truncated": (_truncated, "is no readable Parquet file (it has no footer)"),
    "footer of lies": (_footer_of_lies, "is no readable Parquet file (it has no footer)"),
    "flipped bytes": (_flipped, "its rows cannot be read"),
    "unpickling": (_written(_unpickling()), "its schema holds an extension type"),
    "rows from nothing": (
        _written(pa.table({"amount": np.zeros(3_000_000)})),
        "claims 3,000,000 rows in",
    ),
    "values from nothing": (
        _written(pa.table({"lines": pa.array([[0.0] * 3_000_000])})),
        "claims 3,000,000 values in",
    ),
    "bomb": (
        _written(pa.table({"e_mail": ["y" * 1_000_000] * 300}), compression="zstd", use_dictionary=False),
        "claims to unpack",
    ),
    "bomb of one text": (_written(_dictionary_bomb()), "unpacks"),
    "bomb of one text within": (_written(_nested_dictionary_bomb()), "unpacks"),
    "a day per row": (
        _written(vendor_rows(4000, placed_at=pa.array(range(0, 4000 * 10**12, 10**12), pa.timestamp("us", "UTC")))),
        "has more than 3,660 event days; see column 'placed_at'",
    ),
    "a column twice": (
        _written(pa.table([pa.array(["1"]), pa.array(["2"])], names=["shop", "shop"])),
        "has column 'shop' twice",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_file_is_one_sentence_and_the_others_are_judged(delivery: Delivery, tmp_path: Path, case: str) -> None:
    make, sentence = CASES[case]
    delivery.put("bad.parquet", make(tmp_path))
    delivery.put("good.parquet", vendor_rows(7))
    report = inspect_path(str(delivery.folder), delivery.contract, at=AT)
    (result,) = report.datasets
    (problem,) = result.problems
    assert problem.startswith(f"bad.parquet: {sentence}")
    assert "\n" not in problem
    assert (result.new_rows, report.outcome) == (7, Outcome.UNKNOWN)
    assert by_check(result)["2026-01-01", "conformance"].value == 0.0


def test_a_file_whose_later_rows_cannot_be_read_counts_for_nothing(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray_pipeline.runtime.jobs.inspect_reading.PIECE_BYTES", 1)
    path = delivery.put("bad.parquet", vendor_rows(40), row_group_size=10)
    group = pq.ParquetFile(path).metadata.row_group(3)
    start = group.column(0).dictionary_page_offset or group.column(0).data_page_offset
    content = bytearray(path.read_bytes())
    content[start : start + 60] = b"\xff" * 60
    path.write_bytes(bytes(content))
    result = delivery.inspect()
    assert (result.new_rows, result.days, len(result.problems)) == (0, (), 1)


def test_a_file_that_may_not_be_opened_is_its_own_problem(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    delivery.put("a.parquet", vendor_rows(1))
    delivery.put("b.parquet", vendor_rows(2))

    def refuse(path: str) -> Any:
        if path.endswith("a.parquet"):
            raise PermissionError(13, "Permission denied", path)
        return whole(path)

    whole = pa.OSFile
    monkeypatch.setattr(pa, "OSFile", refuse)
    result = delivery.inspect()
    assert (result.problems, result.new_rows) == (("a.parquet: cannot be opened (permission denied)",), 2)


def test_a_file_that_shrinks_under_the_reader_is_not_judged(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = delivery.put("a.parquet", vendor_rows(100))

    def meanwhile(*args: Any, **options: Any) -> Any:
        pq.write_table(vendor_rows(50), path)
        return read_piece(*args, **options)

    monkeypatch.setattr("ray_pipeline.runtime.jobs.inspect_measuring.read_piece", meanwhile)
    assert delivery.inspect().problems == ("a.parquet: was changed while it was read",)


@pytest.mark.parametrize("text", ['1,"amount":7', "nope", '{"a":1', "1} , {"])
def test_json_text_cannot_smuggle_a_member_into_the_record(tmp_path: Path, text: str) -> None:
    schema = (
        '{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "additionalProperties": false,'
    )
    schema += ' "properties": {"any": {}, "amount": {"type": "integer", "maximum": 5}}}'
    contract = tmp_path / "any.json"
    contract.write_text(schema)
    pq.write_table(pa.table({"any": [text, "[1]"], "amount": [1, 1]}), tmp_path / "a.parquet")
    (result,) = inspect_path(str(tmp_path / "a.parquet"), contract, at=AT).datasets
    found = by_check(result)["1970-01-01", "conformance"]
    assert (found.value, found.examples[0].offset) == (1.0, 0)
    assert text not in found.detail


def test_text_that_is_no_utf8_breaks_the_contract(delivery: Delivery) -> None:
    broken = pa.Array.from_buffers(pa.string(), 2, pa.array([b"ok", b"\xff\xfe"]).buffers())
    delivery.put("a.parquet", vendor_rows(2, e_mail=broken))
    found = by_check(delivery.inspect())["2026-01-01", "conformance"]
    assert (found.value, found.detail.endswith("The first is row 1 of a.parquet: /e_mail: not UTF-8.")) == (1.0, True)


def test_a_claim_about_rows_that_the_groups_do_not_hold_is_refused() -> None:
    class Lies:
        num_row_groups = 0
        num_rows = 10**9

    with pytest.raises(FileCorruptError, match="contradicts itself"):
        refuse_claims(Lies(), "x", 1000)
