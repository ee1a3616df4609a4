"""Versions never change, aliases move by compare-and-set, and nothing that is damaged is taken for something else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ray_pipeline.connectors.object_store import open_store
from ray_pipeline.errors import (
    AliasConflictError,
    CommitUnknownError,
    FileCorruptError,
    ModelFileError,
    NoModelError,
    UsageError,
)
from ray_pipeline.model.manifest import MODEL, TrainedView
from ray_pipeline.runtime.models.registry import ModelRegistry, _encoded
from ray_pipeline.testing.store import MemoryStore

from .versions import MANIFEST, NAME, FaultyStore, files, registry, version, with_versions

FOLDER = f"flights/_models/{NAME}"
WRITE = 4
"""The call in which a first move is written: the manifest, the list of moves and the first one were read before."""


def promoted(found: ModelRegistry, number: int | None, expected: int | None = None) -> int:
    return found.move(
        NAME, "champion", number, expected=expected, who="ann", reason="because", kind="promote"
    ).number  # fmt: skip


def test_a_version_is_read_as_it_was_added() -> None:
    found = registry()
    added, created = found.add(MANIFEST, files())
    assert (added.number, created, added.shown) == (1, True, "late/1")
    assert found.manifest(NAME, 1) == added
    assert found.file(added, MODEL) == b"model of p1"
    assert found.file_uri(added, MODEL).endswith(f"{added.files[MODEL].sha256}/{MODEL}")
    assert (found.names(), found.versions(NAME)) == ((NAME,), (1,))


def test_the_same_training_is_the_same_version_whatever_its_file() -> None:
    found = with_versions(3)
    again, created = found.add(
        version("p2", created_at="2014-01-01"), files("p2") | {MODEL: b"other bytes, other seed of a hash"}
    )
    assert (again.number, created) == (2, False)
    assert found.versions(NAME) == (1, 2, 3)


@pytest.mark.parametrize("what", ["rows", "spec", "predictions", "definition"])
def test_another_training_is_another_version(what: str) -> None:
    found = with_versions(1)
    changed = {
        "rows": version(training={**MANIFEST.training, "content_hash": "other"}),
        "spec": version(spec={"name": NAME, "seed": 1}),
        "predictions": version("p2"),
        "definition": version(views=(TrainedView("weather", "weather_now", "d2", 77),)),
    }[what]
    added, created = found.add(changed, files())
    assert (added.number, created) == (2, True)


def test_a_version_whose_file_is_damaged_is_trained_anew() -> None:
    store = MemoryStore()
    found = with_versions(1, store)
    store.put(f"{FOLDER}/files/{found.manifest(NAME, 1).files[MODEL].sha256}/{MODEL}", b"rot")
    added, created = found.add(version(), files() | {MODEL: b"the same trees, dumped once more"})
    assert (added.number, created) == (2, True)
    assert found.file(added, MODEL) == b"the same trees, dumped once more"


def test_bytes_that_are_not_what_their_name_says_are_never_built_upon() -> None:
    store = MemoryStore()
    found = with_versions(1, store)
    key = f"{FOLDER}/files/{found.manifest(NAME, 1).files[MODEL].sha256}/{MODEL}"
    store.put(key, b"rot")
    with pytest.raises(FileCorruptError, match=MODEL):
        found.add(version(), files())
    assert found.versions(NAME) == (1,)


def test_a_killed_training_leaves_files_and_no_version() -> None:
    for calls in range(1, 7):
        store = MemoryStore()

        def killed() -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            registry(FaultyStore(store, {calls: killed})).add(version(), files())
        assert not [key for key in store.objects if "/files/" not in key]
        assert registry(store).names() == ()
        assert registry(store).add(version(), files())[0].number == 1


def test_a_number_that_an_alias_names_is_not_given_again() -> None:
    store = MemoryStore()
    found = with_versions(2, store)
    promoted(found, 2)
    store.delete(f"{FOLDER}/versions/00000002.json")
    assert registry(store).add(version("p9"), files("p9"))[0].number == 3


@pytest.mark.parametrize("call", range(1, 10))
def test_one_training_is_one_version_whenever_another_process_keeps_it_too(call: int) -> None:
    store = MemoryStore()

    def other() -> None:
        found = registry(store)
        found.add(version("p1"), files("p1"))
        number = found.add(version("p2"), files("p2"))[0].number
        promoted(found, number)

    registry(FaultyStore(store, {call: other})).add(version("p1"), files("p1"))
    found = registry(store)
    kept = [found.manifest(NAME, number).predictions_sha256 for number in found.versions(NAME)]
    assert kept.count("p1") == 1


def test_a_manifest_that_names_other_files_is_refused() -> None:
    added, _ = registry().add(version(), files())
    with pytest.raises(ModelFileError, match="other bytes"):
        registry().add(added, files("p2"))


@pytest.mark.parametrize("how", ["changed", "gone", "never there"])
def test_a_file_that_is_not_the_manifests_is_not_returned(how: str) -> None:
    store = MemoryStore()
    found = with_versions(1, store)
    manifest = found.manifest(NAME, 1)
    key = f"{FOLDER}/files/{manifest.files[MODEL].sha256}/{MODEL}"
    if how == "changed":
        store.put(key, b"model of p2")
    if how == "gone":
        store.delete(key)
    with pytest.raises(ModelFileError, match="late/1"):
        found.file(manifest, "notes.txt" if how == "never there" else MODEL)


def test_an_alias_moves_from_what_the_mover_saw() -> None:
    found = with_versions(2)
    assert (found.revision(NAME), found.aliases(NAME)) == (0, {})
    promoted(found, 1)
    promoted(found, 2, expected=1)
    with pytest.raises(AliasConflictError, match="version 2 now, not version 1"):
        promoted(found, 1, expected=1)
    assert (found.revision(NAME), found.aliases(NAME)) == (2, {"champion": 2})
    assert [(move.version, move.previous, move.who, move.reason) for move in found.history(NAME)] == [
        (1, None, "ann", "because"),
        (2, 1, "ann", "because"),
    ]


def test_a_move_to_where_the_alias_is_writes_nothing() -> None:
    found = with_versions(1)
    assert promoted(found, 1) == promoted(found, 1, expected=1) == 1
    assert found.revision(NAME) == 1


def test_one_look_at_the_revision_is_one_read() -> None:
    store = MemoryStore()
    found = with_versions(2, store)
    for number, before in ((1, None), (2, 1), (1, 2)):
        promoted(found, number, before)
    faulty = FaultyStore(store, {})
    watching = registry(faulty)
    assert watching.revision(NAME) == 3
    asked = faulty.calls
    assert watching.revision(NAME) == 3
    assert faulty.calls == asked + 1
    promoted(found, 2, 1)
    assert watching.revision(NAME) == 4


def test_another_alias_that_moved_meanwhile_is_no_conflict() -> None:
    store = MemoryStore()
    other = with_versions(2, store)

    def challenge() -> None:
        other.move(NAME, "challenger", 2, expected=None, who="bob", reason="", kind="train")

    mine = registry(FaultyStore(store, {WRITE: challenge}), seed=1)
    assert promoted(mine, 1) == 2
    assert mine.aliases(NAME) == {"champion": 1, "challenger": 2}


@pytest.mark.parametrize("fault", ["lost reply", "repeated", "no answer"])
def test_a_lost_reply_is_settled_by_reading_back(fault: str) -> None:
    store = MemoryStore()
    with_versions(1, store)
    faulty = FaultyStore(store, {WRITE: fault})
    assert promoted(registry(faulty), 1) == 1
    assert not faulty.faults
    assert registry(store).aliases(NAME) == {"champion": 1}
    assert registry(store).revision(NAME) == 1


def test_a_store_that_never_says_leaves_the_outcome_open() -> None:
    store = MemoryStore()
    with_versions(1, store)
    silent = registry(FaultyStore(store, dict.fromkeys(range(WRITE, 50), "no answer")))
    with pytest.raises(CommitUnknownError, match="entry 1 of flights/_models/late/aliases"):
        promoted(silent, 1)


def test_who_asks_for_what_is_not_there_is_told_what_is() -> None:
    found = with_versions(2)
    with pytest.raises(NoModelError, match=r"no such model; there are late; .*train"):
        found.resolve("early", "latest")
    with pytest.raises(NoModelError, match="no such model"):
        found.resolve("early")
    with pytest.raises(NoModelError, match=r"no version is champion; .*model promote late"):
        found.resolve(NAME)
    with pytest.raises(NoModelError, match="no version 7; its versions are 1, 2"):
        found.resolve(NAME, 7)
    with pytest.raises(NoModelError, match="'winner' is no version"):
        found.resolve(NAME, "winner")
    with pytest.raises(NoModelError, match="no version 9"):
        promoted(found, 9)
    with pytest.raises(UsageError, match="boss"):
        found.move(NAME, "boss", 1, expected=None, who="", reason="", kind="promote")
    with pytest.raises(UsageError, match="cannot be a model"):
        found.resolve("x" * 300)


def test_a_version_is_found_by_alias_number_and_latest() -> None:
    found = with_versions(3)
    promoted(found, 2)
    assert [found.resolve(NAME, which).number for which in ("champion", "latest", "1", 3)] == [2, 3, 1, 3]


@pytest.mark.parametrize("part", ["versions", "aliases"])
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("00000001.json", b"{"),
        ("00000001.json", b"\xff\xfe"),
        ("00000001.json", b"[]"),
        ("00000001.json", b'{"format": 9}'),
        ("1.json", b"{}"),
        ("notes.txt", b""),
        ("sub/00000001.json", b"{}"),
    ],
)
def test_a_damaged_or_foreign_object_is_named(part: str, name: str, data: bytes) -> None:
    store = MemoryStore()
    found = with_versions(1, store)
    promoted(found, 1)
    store.put(f"{FOLDER}/{part}/{name}", data)
    look = registry(store).revision if part == "aliases" else lambda name: registry(store).resolve(name, 1)
    with pytest.raises(FileCorruptError, match=name):
        look(NAME)


@pytest.mark.parametrize("key", ["versions/00000001.json", "aliases/00000001.json"])
def test_a_document_that_somebody_edited_is_not_believed(key: str) -> None:
    store = MemoryStore()
    found = with_versions(1, store)
    found.move(NAME, "champion", 1, expected=None, who="ann", reason="first", kind="promote")
    document = json.loads(store.get(f"{FOLDER}/{key}") or b"")
    document[next(name for name, value in document.items() if isinstance(value, str))] += "x"
    store.put(f"{FOLDER}/{key}", json.dumps(document).encode())
    with pytest.raises(FileCorruptError, match="has changed"):
        ModelRegistry(store, found.pipeline).resolve(NAME)


def test_a_manifest_under_another_number_is_refused() -> None:
    store = MemoryStore()
    found = with_versions(1, store)
    document = _encoded(replace(found.manifest(NAME, 1), number=3).to_json())
    store.put(f"{FOLDER}/versions/00000002.json", document)
    with pytest.raises(FileCorruptError, match="says that it is late/3"):
        registry(store).manifest(NAME, 2)


def test_a_history_with_a_hole_is_refused() -> None:
    store = MemoryStore()
    found = with_versions(2, store)
    promoted(found, 1)
    promoted(found, 2, 1)
    store.delete(f"{FOLDER}/aliases/00000001.json")
    with pytest.raises(FileCorruptError, match=r"00000001\.json: is gone"):
        registry(store).aliases(NAME)


def test_a_folder_on_disk_keeps_the_same(tmp_path: Path) -> None:
    found = ModelRegistry(open_store(str(tmp_path)), "flights")
    added, created = found.add(version(), files())
    assert created
    promoted(found, 1)
    again = ModelRegistry(open_store(str(tmp_path)), "flights")
    assert again.resolve(NAME) == added
    assert again.history(NAME)[0].at <= "9999"
    assert again.add(version(), files())[1] is False
    assert Path(again.file_uri(added, MODEL)).read_bytes() == again.file(added, MODEL)
