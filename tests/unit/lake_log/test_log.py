"""The pen: who may write the next entry, and what a lost or late reply means."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ray_pipeline.errors import CommitUnknownError, FencedError, LogBrokenError, StoreUnavailableError
from ray_pipeline.lake.entries import Close, Gap, Pause, Release, Resume, encode
from ray_pipeline.lake.keys import entry_key
from ray_pipeline.lake.log import ATTEMPTS
from ray_pipeline.lake.log_reader import LogReader, is_claimed_by, read_tail
from ray_pipeline.lake.topics import find_logs
from ray_pipeline.testing.store import MemoryStore

from .conftest import AT, CONTRACT, LOG, Owners, data


class Flaky(MemoryStore):
    """Runs a script instead of ``put_if_absent``: one callable per call, then the real thing."""

    def __init__(self, objects: MemoryStore, *script: Callable[[str, bytes], bool]) -> None:
        super().__init__()
        self.objects, self.script = objects.objects, list(script)
        self.calls = 0

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self.calls += 1
        if self.script and "/_log/" in key:
            return self.script.pop(0)(key, data)
        return super().put_if_absent(key, data)

    def unavailable(self, key: str, data: bytes) -> bool:
        raise StoreUnavailableError(self.url, "create", "test")

    def written_but_unavailable(self, key: str, data: bytes) -> bool:
        super().put_if_absent(key, data)
        raise StoreUnavailableError(self.url, "create", "test")

    def written_but_refused(self, key: str, data: bytes) -> bool:
        super().put_if_absent(key, data)
        return False


def test_a_new_owner_fences_the_old_one_and_both_are_named(owners: Owners) -> None:
    old, new = owners.owner("A"), owners.owner("B")
    with pytest.raises(FencedError, match="A was replaced by B"):
        old.append(data(0, 5))
    assert new.append(data(0, 5, epoch=2)).end == 5
    assert read_tail(owners.store, LOG) == new.tail


def test_the_old_owners_commit_before_the_claim_is_valid(owners: Owners) -> None:
    old = owners.owner("A")
    new = owners.log()
    new.load()
    old.append(data(0, 5))
    tail = new.claim(owner="B", supervisor=1, contract=CONTRACT)  # collides, reads on, claims after it
    assert (tail.end, tail.epoch) == (5, 2)


@pytest.mark.parametrize("fault", ["written_but_refused", "written_but_unavailable", "unavailable"])
def test_a_lost_reply_is_one_commit(owners: Owners, fault: str) -> None:
    store = Flaky(owners.store)
    log = owners.owner(store=store)
    store.script = [getattr(store, fault)]
    assert log.append(data(0, 5)).end == 5
    tail = read_tail(owners.store, LOG)
    assert tail is not None
    assert (tail.commits, tail.good) == (1, 5)


def test_a_store_that_never_answers_leaves_the_outcome_unknown(owners: Owners) -> None:
    store = Flaky(owners.store)
    log = owners.owner(store=store)
    store.script = [store.unavailable] * ATTEMPTS
    with pytest.raises(CommitUnknownError) as caught:
        log.append(data(0, 5))
    assert caught.value.retryable
    with pytest.raises(LogBrokenError, match="load the log again"):
        log.append(data(0, 5))


def test_waiting_between_tries_is_the_clocks_business(owners: Owners) -> None:
    store = Flaky(owners.store)
    log = owners.owner(store=store)
    store.script = [store.unavailable] * ATTEMPTS
    with pytest.raises(CommitUnknownError):
        log.append(data(0, 5))
    assert 5 < owners.clock.monotonic() < 30


def test_an_owner_goes_on_after_a_person_resumed(owners: Owners) -> None:
    log, operator = owners.owner(), owners.log()
    operator.load()
    operator.append_if_next(Resume("r", "ann", AT))
    assert log.append(data(0, 5)).n == 3


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (Close("c", "recreated", "ann", AT), "closed this log"),
        (Gap("g", 0, 9, "x", "ann", AT), "gave up offsets 0 to 9"),
    ],
)
def test_an_owner_whose_ground_was_taken_stops(owners: Owners, entry: Close | Gap, words: str) -> None:
    log, operator = owners.owner(), owners.log()
    operator.load()
    operator.append_if_next(entry)
    with pytest.raises(FencedError, match=words):
        log.append(data(0, 5))


def test_a_persons_entry_is_written_only_after_what_the_person_saw(owners: Owners) -> None:
    log, operator = owners.owner(), owners.log()
    operator.load()
    log.append(data(0, 5))
    assert operator.append_if_next(Gap("g", 0, 9, "x", "ann", AT)) is None
    assert read_tail(owners.store, LOG) == log.tail


def test_the_older_supervisor_gives_way(owners: Owners) -> None:
    owners.owner("new", supervisor=2)
    old = owners.log()
    old.load()
    with pytest.raises(FencedError, match="which supervisor 2 started"):
        old.claim(owner="old", supervisor=1, contract=CONTRACT)


def test_nothing_that_contradicts_the_log_is_ever_written(owners: Owners) -> None:
    log = owners.owner()
    for entry in (data(3, 5), data(0, 5, good=4), Pause(7, "p", 0, "bad-share", "", CONTRACT, AT)):
        count = len(owners.store.objects)
        with pytest.raises(LogBrokenError):
            log.append(entry)
        assert len(owners.store.objects) == count
        log.load()


def test_a_foreign_entry_of_ones_own_epoch_is_no_lost_reply(owners: Owners) -> None:
    log = owners.owner()
    owners.store.objects[entry_key(LOG, 2)] = encode(data(0, 5, nonce="somebody"))
    with pytest.raises(LogBrokenError, match="neither this owner nor a newer one"):
        log.append(data(0, 5))


def test_a_damaged_entry_is_named(owners: Owners) -> None:
    owners.owner()
    owners.store.objects[entry_key(LOG, 1)] = b"{"
    with pytest.raises(LogBrokenError, match="entry 1 of flights/_log/departures"):
        read_tail(owners.store, LOG)


def test_still_mine_until_somebody_claims(owners: Owners) -> None:
    log = owners.owner()
    nonce = log.tail.owner_nonce
    assert is_claimed_by(owners.store, LOG, nonce)
    owners.owner("B")
    assert not is_claimed_by(owners.store, LOG, nonce)


def test_release_leaves_the_log_to_be_claimed(owners: Owners) -> None:
    log = owners.owner()
    assert log.append(Release(1, "x", AT)).released
    assert owners.owner("B").tail.epoch == 2


def test_a_log_can_be_found_without_listing_entries(owners: Owners) -> None:
    owners.owner()
    assert find_logs(owners.store, "flights") == [LOG]
    assert find_logs(owners.store, "flights", "arrivals") == []


def test_opening_twice_is_opening_once(owners: Owners) -> None:
    first, second = owners.log(), owners.log()
    assert first.load() is None
    assert second.load() is None
    first.open_log(40)
    assert second.open_log(0).end == 40


def test_commits_since_an_offset(owners: Owners) -> None:
    log = owners.owner()
    for start in range(0, 50, 5):
        log.append(data(start, start + 5))
    assert [entry.start for entry in log.data_since(32)] == [30, 35, 40, 45]
    assert [entry.start for entry in log.data_since(50)] == []
    reader = LogReader(owners.store, LOG)
    reader.load()
    assert reader.data_since(0) == log.data_since(0)
