from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from ray_pipeline.gate.entries import DayDecision, Decision, GateEntry, OffsetSpan, Selection, decode, encode
from ray_pipeline.gate.fold import fold
from ray_pipeline.gate.keys import entry_key, run_key
from ray_pipeline.gate.manifest import DayManifest, Fate, FileFate, encode_manifest, read_manifest
from ray_pipeline.gate.release import release_held, release_quarantine
from ray_pipeline.gate.verify import TableFiles, verify_gate
from ray_pipeline.lake.entries import DataFile
from ray_pipeline.lake.parquet import encode_parquet
from ray_pipeline.lake.safe_parquet import open_verified
from ray_pipeline.lake.verify_report import Counts, Status, VerifyReport
from ray_pipeline.types import Outcome
from tests.unit.gate.worlds import DAYS, PIPELINE, TOPIC, Verdicts, World, result


@pytest.fixture
def world() -> World:
    """Every kind of place: untouched, rewritten, quarantined, released and held."""
    made = World()
    made.land(12)
    made.land(9, 1)
    by_day = {DAYS[0]: [result("volume")], DAYS[1]: []}
    verdicts = Verdicts(lambda day: by_day[day], {"even": 2})
    made.gate("first", verdicts)
    release_held(made.ledger(), DAYS[0], "fine", "ann")
    release_quarantine(made.ledger(), Selection(offsets=(OffsetSpan(0, 0, 5),)), "fine", "ann", waive=True)
    made.gate("second", verdicts)
    made.land(6)
    made.land(3, 1)
    made.gate("third", Verdicts(lambda day: by_day[day]))
    return made


def statuses(world: World, **options: Any) -> dict[str, Status]:
    return {found.id: found.status for found in verify_gate(world.store, PIPELINE, TOPIC, **options)}


def broken(world: World, **options: Any) -> dict[str, str]:
    results = verify_gate(world.store, PIPELINE, TOPIC, **options)
    return {found.id: "; ".join(map(str, found.breaches)) for found in results if found.status is Status.BROKEN}


def table_of(world: World) -> TableFiles:
    entries = [entry for entry, _ in world.ledger().entries() if isinstance(entry, Decision)]
    files = [file for entry in entries for file in entry.publish]
    return TableFiles(tuple((world.store.uri(file.key), file.rows) for file in files), entries[-1].n)


def test_what_a_gate_did_holds(world: World) -> None:
    table = table_of(world)
    assert set(statuses(world, table=table).values()) == {Status.HELD}
    assert set(statuses(world, table=table, quick=True).values()) == {Status.HELD}
    assert statuses(world)["G4"] is Status.NOT_CHECKED
    state = world.ledger().state()
    assert min(state.published, state.quarantined, state.held_rows, state.released) > 0


def test_nothing_is_proven_where_no_gate_ran() -> None:
    assert set(statuses(World()).values()) == {Status.NOT_CHECKED}


def test_the_results_stand_in_the_report_of_the_lake(world: World) -> None:
    world.store.objects[entry_key(PIPELINE, TOPIC, 1)] = b""
    results = verify_gate(world.store, PIPELINE, TOPIC)
    report = VerifyReport(PIPELINE, world.store.url, results, Counts(logs=1))
    assert report.outcome is Outcome.BROKEN
    assert "the ledger has no hole" in str(report)
    assert report.to_json()["invariants"][1]["promise"].startswith("the ledger")


def test_progress_is_told_by_day(world: World) -> None:
    seen: list[tuple[str, int, int]] = []
    verify_gate(world.store, PIPELINE, TOPIC, progress=lambda at: seen.append((at.day, at.done, at.days)))
    assert seen == [(DAYS[0], 1, 2), (DAYS[1], 2, 2)]


def gate_keys(world: World) -> list[str]:
    """Everything that the audit must miss: but for the hint, which is no more than that."""
    return [key for key in world.store.objects if "/_gate/" in key and not key.endswith("checkpoint.json")]


def test_a_flipped_byte_is_found_in_every_object(world: World) -> None:
    good = dict(world.store.objects)
    table = table_of(world)
    replaced = {file.key for entry, _ in world.ledger().entries() for file in getattr(entry, "replaced", ())}
    for key in [*gate_keys(world), *(key for key in good if "/data/orders/" in key)]:
        content = good[key]
        for at in {len(content) // 3, len(content) // 2, len(content) - 2}:
            world.store.objects[key] = content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]
            if key not in replaced:
                assert broken(world, table=table), f"{key} at {at}"
        world.store.objects[key] = content
    assert not broken(world, table=table)


def test_a_deleted_object_is_found(world: World) -> None:
    good = dict(world.store.objects)
    replaced = {file.key for entry, _ in world.ledger().entries() for file in getattr(entry, "replaced", ())}
    for key in [*gate_keys(world), *(key for key in good if "/data/orders/" in key)]:
        if key in replaced or "/runs/" in key:
            continue  # these may go: nothing counts on them
        del world.store.objects[key]
        assert broken(world), key
        world.store.objects[key] = good[key]


def test_a_hole_in_the_ledger_is_named_once_and_the_rest_is_still_checked(world: World) -> None:
    del world.store.objects[entry_key(PIPELINE, TOPIC, 1)]
    told = broken(world)["G2"]
    assert told.count("is missing") == 1
    assert entry_key(PIPELINE, TOPIC, 1) in told
    world.store.objects[entry_key(PIPELINE, TOPIC, 10**15)] = b"{}"
    assert broken(world)["G2"].count("is missing") == 2


def test_an_entry_that_is_there_twice_is_found(world: World) -> None:
    last = world.ledger().state().n
    world.store.objects[entry_key(PIPELINE, TOPIC, last + 1)] = world.store.objects[entry_key(PIPELINE, TOPIC, last)]
    assert f"says that it is entry {last}" in broken(world)["G2"]


def test_a_run_that_is_said_to_be_decided_elsewhere_is_found(world: World) -> None:
    for ghost in ("a ghost", "ghost"):
        world.store.objects[run_key(PIPELINE, TOPIC, ghost)] = b'{"n":0}'
        assert "tells of entry 0, which decided run 'first'" in broken(world)["G2"]
        del world.store.objects[run_key(PIPELINE, TOPIC, ghost)]
    world.store.objects[run_key(PIPELINE, TOPIC, "ghost")] = b'{"n":99}'
    assert "is missing, though" in broken(world)["G2"]


def forge(world: World, change: Callable[[Decision], Decision], n: int | None = None) -> None:
    """Change the last decision and make everything after it agree, as a careful forger would."""
    ledger = world.ledger()
    entries = list(ledger.entries())
    n = ledger.state().n if n is None else n
    before = entries[n - 1][1]
    entry: GateEntry = change(ledger.decision(n))
    world.store.objects[entry_key(PIPELINE, TOPIC, n)] = encode(entry, fold(before, entry))


def forge_manifest(
    world: World,
    day: str,
    change: Callable[[DayManifest], DayManifest],
    more: Callable[[Decision], Decision] = lambda decision: decision,
) -> None:
    state = world.ledger().state()
    told = state.days[day]
    assert told.n == state.n
    manifest = change(read_manifest(world.store, told))
    world.store.objects[told.manifest], sha256 = encode_manifest(manifest)

    def resealed(decision: Decision) -> Decision:
        def day_of(one: DayDecision) -> DayDecision:
            return replace(one, sha256=sha256) if one.day == day else one

        return more(replace(decision, days=tuple(day_of(one) for one in decision.days)))

    forge(world, resealed)


def change_rows(world: World, file: DataFile, change: Callable[[pa.Table], pa.Table]) -> DataFile:
    rows = change(open_verified(world.store.get(file.key), file).read())
    content = encode_parquet(rows)
    world.store.objects[file.key] = content
    return replace(file, bytes=len(content), sha256=hashlib.sha256(content).hexdigest(), rows=rows.num_rows)


@pytest.fixture
def rewritten() -> World:
    """One gate that rewrote every file."""
    made = World()
    made.land(12)
    made.gate("none")
    made.land(12, 1)
    made.gate("only", Verdicts(rows={"even": 2}))
    return made


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: pa.concat_tables([rows.slice(0, 1), rows.slice(0, rows.num_rows - 1)]), "is there twice"),
        (
            lambda rows: rows.set_column(
                rows.column_names.index("_offset"), "_offset", pa.array(range(900, 900 + rows.num_rows), pa.int64())
            ),
            "never landed|is nowhere",
        ),
    ],
)
def test_rows_that_were_forged_with_all_sums_right_are_found(
    rewritten: World, change: Callable[[pa.Table], pa.Table], told: str
) -> None:
    manifest = read_manifest(rewritten.store, rewritten.ledger().state().days[DAYS[0]])
    kept = manifest.files[-1].kept
    assert kept is not None
    forged = change_rows(rewritten, kept, change)

    def swap(found: DayManifest) -> DayManifest:
        last = replace(found.files[-1], kept=forged)
        return replace(found, files=(*found.files[:-1], last))

    def publish(decision: Decision) -> Decision:
        return replace(decision, publish=tuple(forged if file == kept else file for file in decision.publish))

    forge_manifest(rewritten, DAYS[0], swap, publish)
    found = broken(rewritten)
    assert set(found) == {"G1"}
    assert any(word in found["G1"] for word in told.split("|"))
    assert not broken(rewritten, quick=True)  # by counts alone it cannot be seen


def test_a_file_that_a_manifest_forgets_is_found(rewritten: World) -> None:
    forge_manifest(rewritten, DAYS[0], lambda found: replace(found, files=found.files[1:]))
    assert "G1" in broken(rewritten, quick=True)


def test_a_file_that_a_manifest_says_is_held_and_the_ledger_does_not_is_found(rewritten: World) -> None:
    def hold(found: DayManifest) -> DayManifest:
        return replace(found, files=(FileFate(found.files[0].file, Fate.HELD, 0), *found.files[1:]))

    forge_manifest(rewritten, DAYS[0], hold)
    assert "G1" in broken(rewritten, quick=True)


def test_a_file_that_is_published_by_two_decisions_is_found(rewritten: World) -> None:
    first = rewritten.ledger().decision(0)

    def again(decision: Decision) -> Decision:
        victim = next(file for file in decision.publish if file.day == DAYS[0])
        twin = next(file for file in first.publish if file.day == DAYS[0])
        others = tuple(file for file in decision.publish if file != victim)
        return replace(decision, publish=(*others, replace(twin, rows=victim.rows)))

    forge(rewritten, again)
    assert "is published again by decision 1" in broken(rewritten, quick=True)["G1"]


def test_rows_of_the_log_that_a_decision_passed_over_are_found(rewritten: World) -> None:
    """The range says fewer entries held rows than did: the log, not the decision, is the witness."""

    def shorter(decision: Decision) -> Decision:
        (span,) = decision.offsets
        gone = [day for day in decision.days if day.day == DAYS[1]]
        return replace(
            decision,
            offsets=(replace(span, rows=span.rows - gone[0].new),),
            days=tuple(day for day in decision.days if day.day != DAYS[1]),
            publish=tuple(file for file in decision.publish if file.day != DAYS[1]),
            quarantine=tuple(file for file in decision.quarantine if file.day != DAYS[1]),
        )

    forge(rewritten, shorter)
    told = broken(rewritten, quick=True)["G1"]
    assert "12 rows, and 8 were judged" in told


def test_a_state_that_is_not_what_the_entries_add_up_to_is_found(world: World) -> None:
    key = entry_key(PIPELINE, TOPIC, world.ledger().state().n)
    entry, state = decode(world.store.objects[key])
    world.store.objects[key] = encode(entry, replace(state, runs=state.runs[1:]))
    assert "not what the entries up to it add up to" in broken(world)["G2"]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda files: files[1:], "is not in the table"),
        (lambda files: (*files, files[0]), "is in the table twice"),
        (lambda files: (*files, ("memory://lake/strange.parquet", 3)), "no decision up to"),
        (lambda files: ((files[0][0], files[0][1] + 1), *files[1:]), "in the table"),
    ],
)
def test_a_table_that_differs_from_the_decisions_is_found(world: World, spoil: Callable[[Any], Any], told: str) -> None:
    table = table_of(world)
    assert told in broken(world, table=replace(table, files=spoil(table.files)))["G4"]


def test_a_table_may_be_behind_the_ledger_and_never_ahead_of_it(world: World) -> None:
    table = table_of(world)
    first = world.ledger().decision(0)
    behind = TableFiles(tuple((world.store.uri(file.key), file.rows) for file in first.publish), 0)
    results = {found.id: found for found in verify_gate(world.store, PIPELINE, TOPIC, table=behind)}
    assert results["G4"].status is Status.HELD
    assert results["G4"].note.startswith("2 decisions are not in the table yet")
    decisions = [entry for entry, _ in world.ledger().entries() if isinstance(entry, Decision)]
    files = [file for entry in decisions[:2] for file in entry.publish]
    nearly = TableFiles(tuple((world.store.uri(file.key), file.rows) for file in files), decisions[1].n)
    results = {found.id: found for found in verify_gate(world.store, PIPELINE, TOPIC, table=nearly)}
    assert results["G4"].note == "1 decision is not in the table yet; the next gate puts it there"
    assert "does not have" in broken(world, table=replace(table, applied=99))["G4"]


def test_a_decision_that_publishes_nothing_is_not_missing_from_the_table(world: World) -> None:
    table = table_of(world)
    world.land(2)
    day = DAYS[0]
    last = world.gate("fourth", Verdicts(lambda _: [result("volume")]))
    assert (last.publish, world.ledger().state().held.get(day)) != ((), None)
    results = {found.id: found for found in verify_gate(world.store, PIPELINE, TOPIC, table=table)}
    assert (results["G4"].status, results["G4"].note) == (Status.HELD, "")
