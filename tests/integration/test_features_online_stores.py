"""Both online stores against one model, and against racing writers."""

from __future__ import annotations

import multiprocessing
import os
import random
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.connection import Connection

from ray_pipeline.connectors.online import OnlineSettings, open_online
from ray_pipeline.connectors.online.settings import Kind
from ray_pipeline.features.ports import Asked, OnlineStore, SourceMark, StateRow, ValueRow
from tests.online_model import MemoryOnlineStore
from tests.servers.redis import RedisServer

BOTH = ("sqlite", "redis")
INT64 = st.one_of(st.integers(-3, 3), st.integers(-(2**63), 2**63 - 1), st.integers(2**53, 2**53 + 3))
VIEWS = ("v", "Vue: {é}/%")
SOURCES = ("t/id/0", "t/id/1")


@pytest.fixture(scope="module", params=BOTH)
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> OnlineSettings:
    return settings_of(request.param, tmp_path_factory.mktemp("online"), request)


def settings_of(kind: str, folder: Path, request: pytest.FixtureRequest) -> OnlineSettings:
    project = f"p-{uuid.uuid4().hex}"
    if kind == "sqlite":
        return OnlineSettings(Kind.SQLITE, project, path=folder / "online.db")
    server: RedisServer = request.getfixturevalue("redis_server")
    return OnlineSettings(Kind.REDIS, project, connection=server.address)


def fresh(backend: OnlineSettings) -> OnlineSettings:
    """The same store, with nothing of the project in it."""
    return OnlineSettings(backend.kind, f"p-{uuid.uuid4().hex}", path=backend.path, connection=backend.connection)


@pytest.fixture
def store(backend: OnlineSettings) -> Iterator[Any]:
    opened = open_online(fresh(backend))
    yield opened
    opened.close()


entities = st.sampled_from(['["a"]', '["b"]', '["é{}%\\u0000"]'])
states = st.builds(
    StateRow,
    view=st.sampled_from(VIEWS),
    definition=st.sampled_from(["d1", "d2"]),
    entity=entities,
    source=st.sampled_from(SOURCES),
    offset=INT64,
    state=st.binary(max_size=4),
)
marks = st.builds(
    SourceMark,
    view=st.sampled_from(VIEWS),
    definition=st.sampled_from(["d1", "d2"]),
    source=st.sampled_from(SOURCES),
    offset=INT64,
    published_us=INT64,
)
rows = st.builds(ValueRow, entity=entities, event_us=INT64, created_us=INT64, values=st.binary(max_size=3))
calls = st.one_of(
    st.tuples(st.just("write_states"), st.lists(states, max_size=6), st.lists(marks, max_size=2)),
    st.tuples(st.just("write_rows"), st.sampled_from(VIEWS), st.lists(rows, max_size=6)),
    st.tuples(st.just("drop"), st.sampled_from(VIEWS), st.sampled_from([None, "d1"])),
)


def everything(store: OnlineStore) -> list[Any]:
    """What a store can be asked, of all that the tests write."""
    asked = ['["a"]', '["b"]', '["é{}%\\u0000"]', '["nobody"]', '["a"]']
    found: list[Any] = [store.marks()]
    for view in VIEWS:
        found += [store.marks(view), store.count(view), store.entities(view, 2), store.read_rows(view, asked)]
        found += [store.read_states(view, definition, asked) for definition in ("d1", "d2")]
    several = [Asked(view, definition, asked) for definition in ("d1", None, "d2") for view in VIEWS]
    return [*found, store.read_together(several, marks=True), store.read_together(several[1:3], marks=False)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(calls, max_size=6))
def test_a_store_does_what_the_model_does(backend: OnlineSettings, script: list[tuple[Any, ...]]) -> None:
    real, model = open_online(fresh(backend)), MemoryOnlineStore()
    for name, *args in script:
        if name == "drop":
            view, keep = args
            real.drop(view, keep=keep)
            model.drop(view, keep=keep)
            # A list of entities may keep one whose states were of a forgotten definition; compare what is stored.
            continue
        assert getattr(real, name)(*args) == getattr(model, name)(*args)
    dropped = any(name == "drop" and args[1] for name, *args in script)
    if dropped and backend.kind is Kind.REDIS:
        for view in VIEWS:
            model_entities, real_entities = model.entities(view, 9), real.entities(view, 9)
            assert set(model_entities) <= set(real_entities)
            assert real.read_rows(view, real_entities) == model.read_rows(view, real_entities)
            assert real.marks(view) == model.marks(view)
            for definition in ("d1", "d2"):
                expected = model.read_states(view, definition, real_entities)
                assert real.read_states(view, definition, real_entities) == expected
    else:
        assert everything(real) == everything(model)
    real.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.lists(rows, min_size=1, max_size=8), seed=st.integers(0, 10**6), data=st.data())
def test_any_order_and_repetition_of_rows_ends_in_one_state(
    backend: OnlineSettings, written: list[ValueRow], seed: int, data: st.DataObject
) -> None:
    shuffled = [*written, *data.draw(st.lists(st.sampled_from(written), max_size=4))]
    random.Random(seed).shuffle(shuffled)
    names = ['["a"]', '["b"]', '["é{}%\\u0000"]']
    model = MemoryOnlineStore()
    model.write_rows("v", written)
    real = open_online(fresh(backend))
    cut = seed % (len(shuffled) + 1)
    real.write_rows("v", shuffled[:cut])
    real.write_rows("v", shuffled[cut:])
    assert real.read_rows("v", names) == model.read_rows("v", names)
    real.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), offsets=st.lists(st.integers(0, 2**62), min_size=1, max_size=8, unique=True))
def test_any_order_and_repetition_of_states_ends_in_one_state(
    backend: OnlineSettings, seed: int, offsets: list[int]
) -> None:
    shuffled = [*offsets, *offsets[:3]]
    random.Random(seed).shuffle(shuffled)
    real = open_online(fresh(backend))
    for offset in shuffled:
        real.write_states([state(offset)], [SourceMark("v", "d", "s", offset, offset)])
    assert real.read_states("v", "d", ['["a"]']) == [[state(max(offsets))]]
    assert real.marks() == [SourceMark("v", "d", "s", max(offsets), max(offsets))]
    real.close()


def state(offset: int, entity: str = '["a"]', source: str = "s") -> StateRow:
    return StateRow("v", "d", entity, source, offset, str(offset).encode())


def race(chosen: OnlineSettings, barrier: Any, worker: int) -> None:
    """Write the same entities as everybody else, each batch in an order of its own."""
    rng = random.Random(worker)
    store = open_online(chosen)
    barrier.wait()
    for start in range(0, 200, 20):
        numbers = list(range(start, start + 20))
        rng.shuffle(numbers)
        store.write_states([state(n * 4 + worker, f"[{n % 7}]") for n in numbers], [])
        store.write_rows(
            "w", [ValueRow(f"[{n % 7}]", n // 3, n % 3, f"{n * 4 + worker:04d}".encode()) for n in numbers]
        )
    store.close()


def test_racing_processes_end_where_one_writer_would(backend: OnlineSettings) -> None:
    chosen = fresh(backend)
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    workers = [context.Process(target=race, args=(chosen, barrier, worker)) for worker in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    store = open_online(chosen)
    names = [f"[{n}]" for n in range(7)]
    newest = [max(n for n in range(200) if n % 7 == name) for name in range(7)]
    assert store.read_states("v", "d", names) == [[state(n * 4 + 2, f"[{name}]")] for name, n in enumerate(newest)]
    assert [row.values for row in store.read_rows("w", names) if row] == [f"{n * 4 + 2:04d}".encode() for n in newest]
    store.close()


def test_threads_share_one_store(store: Any) -> None:
    def write(worker: int) -> int:
        return sum(store.write_rows("w", [ValueRow("[1]", n * 8 + worker, 0, b"")]).written for n in range(20))

    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(write, range(8)))
    assert 1 <= sum(written) <= 160
    assert store.read_rows("w", ["[1]"]) == [ValueRow("[1]", 19 * 8 + 7, 0, b"")]


def test_a_batch_larger_than_one_statement_is_written_and_read_whole(store: Any) -> None:
    many = [ValueRow(f"[{n}]", n, 0, b"x") for n in range(31_000)]
    assert store.write_rows("w", many).written == 31_000
    assert store.write_rows("w", many).older == 31_000
    assert store.read_rows("w", [row.entity for row in many]) == many
    assert store.count("w") == 31_000
    store.drop("w")
    assert store.count("w") == 0


def test_projects_in_one_store_see_nothing_of_one_another(backend: OnlineSettings) -> None:
    one, other = open_online(fresh(backend)), open_online(fresh(backend))
    one.write_rows("v", [ValueRow("[1]", 1, 1, b"x")])
    one.write_states([state(1)], [SourceMark("v", "d", "s", 1, 1)])
    other.drop("v")
    assert other.read_rows("v", ["[1]"]) == [None]
    assert other.marks() == []
    assert other.count("v") == 0
    assert one.count("v") == 2
    one.close()
    other.close()


def test_nothing_is_written_and_nothing_read_without_trouble(store: Any) -> None:
    assert store.write_states([], []) == store.write_rows("v", [])
    assert store.read_states("v", "d", []) == []
    assert store.read_rows("v", []) == []


def test_what_is_read_together_is_what_is_read_one_by_one(store: Any) -> None:
    store.write_states([state(1)], [SourceMark("v", "d", "s", 1, 7)])
    store.write_rows("w", [ValueRow("[1]", 1, 0, b"x")])
    for view in ("v", "w", "v"):  # one more view with marks each time, and none the last time
        store.write_states([], [SourceMark(view, "d", "s", 1, 7)])
        asked = [Asked("w", None, ["[1]", "[2]"]), Asked("v", "d", [state(1).entity, "[2]"]), Asked("w", None, [])]
        found = store.read_together(asked, marks=True)
        assert list(found.marks) == store.marks()
        assert [list(each) for each in found.states] == [store.read_states("v", "d", [state(1).entity, "[2]"])]
        assert [list(each) for each in found.rows] == [store.read_rows("w", ["[1]", "[2]"]), []]
    assert list(store.read_together([], marks=False).marks) == []


def test_redis_is_asked_once_for_everything(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    real: Any = open_online(settings_of("redis", Path(), request))
    real.write_states([state(1)], [SourceMark("v", "d", "s", 1, 7), SourceMark("w", "d", "s", 1, 7)])
    trips: list[object] = []
    send = Connection.send_packed_command

    def counted(self: Any, *args: Any, **options: Any) -> Any:
        trips.append(args)
        return send(self, *args, **options)

    asked = [Asked("v", "d", [state(1).entity, "[2]"]), Asked("w", None, ["[1]"]), Asked("w", "d", ["[1]"])]
    real.read_together(asked, marks=True)
    monkeypatch.setattr(Connection, "send_packed_command", counted)
    real.read_together(asked, marks=True)
    assert len(trips) == 1
    real.close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_store_lives_on_in_a_forked_child(store: Any) -> None:
    store.write_rows("v", [ValueRow("[1]", 1, 0, b"parent")])
    child = os.fork()
    if child == 0:
        ended = 1
        try:
            store.write_rows("v", [ValueRow("[1]", 2, 0, b"child")])
            ended = 0
        finally:
            os._exit(ended)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.read_rows("v", ["[1]"]) == [ValueRow("[1]", 2, 0, b"child")]
    assert store.write_rows("v", [ValueRow("[1]", 3, 0, b"parent")]).written == 1
