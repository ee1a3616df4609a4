from __future__ import annotations

from random import Random

import pytest

from ray_pipeline.errors import CommitUnknownError, LogBrokenError, StoreUnavailableError
from ray_pipeline.gate.entries import GateState, encode
from ray_pipeline.gate.keys import checkpoint_key, entry_key, run_key
from ray_pipeline.gate.ledger import GateLedger
from ray_pipeline.testing.clock import FrozenClock
from ray_pipeline.testing.store import MemoryStore
from tests.unit.gate.worlds import decision


class LosesReplies(MemoryStore):
    """Does what it is asked for and then does not say so, as often as ``lost`` says."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0
        self.down = False
        self.reads: list[str] = []

    def get(self, key: str) -> bytes | None:
        self.reads.append(key)
        return super().get(key)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        if self.down:
            raise StoreUnavailableError(self.url, "write", "simulated")
        done = super().put_if_absent(key, data)
        if self.lost and "/runs/" not in key:
            self.lost -= 1
            raise StoreUnavailableError(self.url, "answer", "simulated")
        return done

    def put(self, key: str, data: bytes) -> None:
        if self.down:
            raise StoreUnavailableError(self.url, "write", "simulated")
        super().put(key, data)


def ledger(store: MemoryStore, seed: int = 0) -> GateLedger:
    return GateLedger(store, "shop", "orders", clock=FrozenClock(), rng=Random(seed))


def test_a_new_ledger_is_empty() -> None:
    assert ledger(MemoryStore()).state() == GateState()
    assert ledger(MemoryStore()).find_run("nightly") is None


def test_of_two_writers_of_one_entry_one_is_told_that_it_lost() -> None:
    store = MemoryStore()
    one, other = ledger(store), ledger(store)
    one.state(), other.state()
    assert one.append(decision(0))
    assert not other.append(decision(0, run_id="other", nonce="other"))
    assert other.state().runs == (("run-0", 0),)
    assert other.append(decision(1, run_id="other", nonce="other"))
    assert [entry.n for entry, _ in one.entries()] == [0, 1]


def test_a_lost_reply_is_found_out_by_the_bytes() -> None:
    store = LosesReplies()
    store.lost = 1
    assert ledger(store).append(decision(0))
    assert ledger(store).append(decision(0))  # the same again: it is there
    assert [entry.n for entry, _ in ledger(store).entries()] == [0]


def test_a_store_that_does_not_answer_leaves_it_unknown() -> None:
    store = LosesReplies()
    store.down = True
    with pytest.raises(CommitUnknownError):
        ledger(store).append(decision(0))
    store.down = False
    assert ledger(store).append(decision(0))


def test_a_run_is_decided_once_however_long_ago() -> None:
    store = MemoryStore()
    mine = ledger(store)
    decisions = [decision(n) for n in range(40)]
    assert all(mine.append(one) for one in decisions)
    for one in decisions:
        found = ledger(store).find_run(one.run_id)
        assert found == one
        assert not ledger(store).append(decision(40, run_id=one.run_id, nonce="again"))
    assert mine.state().n == 39


def test_a_writer_that_died_before_its_projections_is_made_good_by_the_next() -> None:
    store = MemoryStore()
    for n in range(25):
        assert ledger(store).append(decision(n))
        store.delete(run_key("shop", "orders", f"run-{n}"))
        store.delete(checkpoint_key("shop", "orders"))
    assert all(store.get(run_key("shop", "orders", f"run-{n}")) for n in range(24))
    found = ledger(store).find_run("run-24")
    assert found is not None
    assert found.n == 24


def test_projections_that_cannot_be_written_are_no_error() -> None:
    class NoHints(MemoryStore):
        def put(self, key: str, data: bytes) -> None:
            raise StoreUnavailableError(self.url, "write", key)

    assert ledger(NoHints()).append(decision(0))


def test_the_end_is_found_with_few_reads_even_without_a_hint() -> None:
    store = LosesReplies()
    mine = ledger(store)
    for n in range(100):
        mine.append(decision(n))
    store.reads.clear()
    assert ledger(store).state().n == 99
    assert len(store.reads) <= 3
    for hint in (None, b"nonsense", b'{"n":500}', b'{"n":3}', b'{"n":-1}', b"[]"):
        if hint is None:
            store.delete(checkpoint_key("shop", "orders"))
        else:
            store.put(checkpoint_key("shop", "orders"), hint)
        store.reads.clear()
        assert ledger(store).state().n == 99
    store.delete(checkpoint_key("shop", "orders"))
    store.reads.clear()
    ledger(store).state()
    assert len(store.reads) < 25


def test_an_entry_that_contradicts_the_state_is_not_written() -> None:
    store = MemoryStore()
    with pytest.raises(LogBrokenError):
        ledger(store).append(decision(0, carried_out=(7,)))
    with pytest.raises(LogBrokenError):
        ledger(store).append(decision(3))
    assert not store.objects


def test_an_entry_that_somebody_changed_stops_everybody() -> None:
    store = MemoryStore()
    ledger(store).append(decision(0))
    key = entry_key("shop", "orders", 0)
    store.objects[key] = store.objects[key].replace(b"run-0", b"run-9")
    with pytest.raises(LogBrokenError, match="SHA-256"):
        ledger(store).state()
    store.objects[key] = encode(decision(1), GateState(n=1))
    with pytest.raises(LogBrokenError, match="says that it is entry 1"):
        ledger(store).state()


def test_an_index_that_points_elsewhere_is_not_believed() -> None:
    store = MemoryStore()
    mine = ledger(store)
    for n in range(20):
        mine.append(decision(n))
    store.objects[run_key("shop", "orders", "run-0")] = b'{"n": 1}'
    with pytest.raises(LogBrokenError, match="run-0"):
        ledger(store).find_run("run-0")
    store.objects[run_key("shop", "orders", "run-0")] = b"{"
    with pytest.raises(LogBrokenError, match="run-0"):
        ledger(store).find_run("run-0")


def test_datasets_do_not_meet_and_no_name_leaves_its_folder() -> None:
    store = MemoryStore()
    for name in ("orders", "_runs", "../orders", "a/b"):
        assert GateLedger(store, "shop", name).append(decision(0, run_id="../x"))
    assert all(key.startswith("shop/_gate/") and ".." not in key.split("/") for key in store.objects)
    assert not [key for key in store.objects if key.startswith("shop/_gate/_runs/")]
