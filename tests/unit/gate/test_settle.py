from __future__ import annotations

import hashlib
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ray_pipeline.errors import FileCorruptError, StoreUnavailableError
from ray_pipeline.gate.manifest import Fate, read_manifest
from ray_pipeline.lake.entries import DataFile
from ray_pipeline.lake.rows import landed_schema
from ray_pipeline.lake.safe_parquet import open_verified
from ray_pipeline.sla.result import Disposition, Verdict
from ray_pipeline.testing.store import MemoryStore
from tests.unit.gate.worlds import CONTRACT, DAYS, Verdicts, World, places, result, rows_in


def landed() -> World:
    world = World()
    world.land(12)
    return world


def table(world: World, file: DataFile) -> pa.Table:
    return open_verified(world.store.get(file.key), file).read()


def test_untouched_files_are_published_by_name_and_nothing_is_written_for_them() -> None:
    world = landed()
    before = set(world.store.objects)
    decision = world.gate("run")
    assert {file.key for file in decision.publish} <= before
    written = {key.split("/")[3] for key in set(world.store.objects) - before}
    assert written == {"00000000000000000000.json", "days", "runs", "checkpoint.json"}


def test_rows_that_are_set_aside_leave_with_their_reasons_and_the_others_stay_in_order() -> None:
    world = landed()
    decision = world.gate("nightly", Verdicts(rows={"even": 2, "third": 3}))
    state = world.ledger().state()
    first = read_manifest(world.store, state.days[DAYS[0]]).files[0]
    assert first.fate is Fate.PUBLISHED
    assert first.kept is not None and first.quarantined is not None
    source, kept, aside = (table(world, file) for file in (first.file, first.kept, first.quarantined))
    bad = [qty % 2 == 0 or qty % 3 == 0 for qty in source["qty"].to_pylist()]
    assert kept.to_pylist() == [row for row, wrong in zip(source.to_pylist(), bad, strict=True) if not wrong]
    assert kept.schema.equals(source.schema)
    assert aside.drop_columns(["_reasons", "_gate_run"]).to_pylist() == [
        row for row, wrong in zip(source.to_pylist(), bad, strict=True) if wrong
    ]
    for row in aside.to_pylist():
        assert row["_gate_run"] == "nightly"
        divisors = [(2, "even"), (3, "third")]
        assert [reason["check"] for reason in row["_reasons"]] == [
            check for divisor, check in divisors if row["qty"] % divisor == 0
        ]
    assert set(decision.quarantine) >= {first.quarantined}
    assert {first.kept.key} <= {file.key for file in decision.publish}
    assert first.file.key not in {file.key for file in decision.publish}


def test_what_is_written_has_statistics_and_is_what_the_decision_says() -> None:
    world = landed()
    decision = world.gate("run", Verdicts(rows={"even": 2}))
    for file in (*decision.publish, *decision.quarantine):
        content = world.store.objects[file.key]
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.sha256)
        parquet = pq.ParquetFile(pa.BufferReader(content))
        assert parquet.metadata.num_rows == file.rows
        column = parquet.schema_arrow.names.index("at")
        assert parquet.metadata.row_group(0).column(column).statistics.has_min_max
        assert file.day in file.key


def test_the_same_gate_writes_the_same_bytes() -> None:
    contents = []
    for _ in range(2):
        world = landed()
        decision = world.gate("run", Verdicts(rows={"even": 2}))
        contents.append([file.sha256 for file in (*decision.publish, *decision.quarantine)])
    assert contents[0] == contents[1]


def test_a_file_of_which_every_row_is_bad_leaves_nothing_to_publish() -> None:
    world = landed()
    decision = world.gate("run", Verdicts(rows={"all": 1}))
    assert decision.publish == ()
    state = world.ledger().state()
    assert (state.published, state.quarantined) == (0, 12)
    assert places(world.store, state)["quarantined"] == places(world.store, state)["landed"]


def test_rewritten_rows_get_the_columns_of_the_table() -> None:
    world = landed()
    schema = landed_schema(CONTRACT).append(pa.field("later", pa.int64()))
    decision = world.gate("run", must_rewrite=lambda _: True, schema=schema)
    assert all("/_gate/" in file.key for file in decision.publish)
    assert all(table(world, file).schema.equals(schema) for file in decision.publish)
    assert len(rows_in(world.store, decision.publish)) == 12
    assert decision.quarantine == ()


def test_a_column_that_the_table_does_not_have_is_never_cut_off() -> None:
    world = landed()
    schema = landed_schema(CONTRACT)
    schema = schema.remove(schema.get_field_index("note"))
    with pytest.raises(FileCorruptError, match="'note' is not in the table"):
        world.gate("run", must_rewrite=lambda _: True, schema=schema)
    assert world.ledger().state().n == -1


def test_a_type_that_the_table_does_not_have_is_one_clear_sentence() -> None:
    world = landed()
    schema = landed_schema(CONTRACT)
    schema = schema.set(schema.get_field_index("at"), pa.field("at", pa.int32()))
    with pytest.raises(FileCorruptError, match="does not fit the table's type"):
        world.gate("run", must_rewrite=lambda _: True, schema=schema)


@pytest.mark.parametrize("damage", [None, b"PAR1", b"nonsense" * 1000])
def test_a_landed_file_that_is_not_what_the_log_says_decides_nothing(damage: bytes | None) -> None:
    world = landed()
    files = [key for key in world.store.objects if "/data/" in key and DAYS[0] in key]
    good = world.store.objects[files[0]]
    if damage is None:
        damage = good[:40] + bytes([good[40] ^ 1]) + good[41:]
    world.store.objects[files[0]] = damage
    ledger = world.ledger()
    with pytest.raises(FileCorruptError):
        world.decide(ledger, ledger.state(), "run", Verdicts(), world.store, must_rewrite=lambda _: True)
    assert world.ledger().state().n == -1
    world.store.objects[files[0]] = good
    world.gate("run")
    assert world.ledger().state().published == 12


def test_a_disk_that_fills_up_midway_decides_nothing() -> None:
    class Full(MemoryStore):
        def put(self, key: str, data: bytes) -> None:
            if "/quarantine/" in key:
                raise StoreUnavailableError(self.url, f"write {key}", "no space left on device")
            super().put(key, data)

    world = landed()
    full = Full()
    full.objects = world.store.objects
    with pytest.raises(StoreUnavailableError, match="no space left"):
        world.gate("run", Verdicts(rows={"even": 2}), store=full)
    assert world.ledger().state().n == -1
    world.gate("run", Verdicts(rows={"even": 2}))
    assert world.ledger().state().quarantined == 6


def test_a_held_day_is_written_down_with_its_reasons_and_judged_again() -> None:
    world = landed()
    by_day = {DAYS[0]: [result("volume", Verdict.PENDING)], DAYS[1]: []}
    first = world.gate("one", Verdicts(lambda day: by_day[day]))
    state = world.ledger().state()
    manifest = read_manifest(world.store, state.days[DAYS[0]])
    assert (manifest.disposition, manifest.reasons) == (Disposition.PENDING, ("volume",))
    again = world.gate("two", Verdicts(lambda day: by_day[day]))
    assert first.days and again.days == ()  # nothing changed, so there is nothing to say
    by_day[DAYS[0]] = [result("volume", Verdict.FAILED)]
    world.gate("three", Verdicts(lambda day: by_day[day]))
    manifest = read_manifest(world.store, world.ledger().state().days[DAYS[0]])
    assert manifest.disposition is Disposition.HELD
    assert [fate.decided for fate in manifest.files] == [0]
    world.gate("four")
    state = world.ledger().state()
    assert state.held == {}
    assert [fate.decided for fate in read_manifest(world.store, state.days[DAYS[0]]).files] == [3]
    assert {fate.file.day for fate in read_manifest(world.store, state.days[DAYS[0]]).files} == {DAYS[0]}


def test_a_file_is_decided_on_once() -> None:
    world = landed()
    ledger = world.ledger()
    decision = world.decide(ledger, ledger.state(), "run", Verdicts(), world.store)
    assert ledger.append(decision)
    state = replace(ledger.state(), through=())  # somebody reads the log from the start again
    with pytest.raises(ValueError, match="was decided on before"):
        world.decide(ledger, state, "again", Verdicts(), world.store)


def test_a_manifest_that_somebody_changed_is_not_believed() -> None:
    world = landed()
    world.gate("run")
    key = world.ledger().state().days[DAYS[0]].manifest
    world.store.objects[key] = world.store.objects[key].replace(b'"rows":', b'"rows": ')
    world.land(3)
    with pytest.raises(FileCorruptError, match="not the one in the ledger"):
        world.gate("next")
