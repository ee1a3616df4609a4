"""Online values of the stream: whatever happens to owners and to the store, they end as the plainest reading says."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ray_pipeline.errors import OnlineStoreUnavailableError
from ray_pipeline.features.reading import Status
from ray_pipeline.features.shape import ViewShape
from ray_pipeline.features.state import decode_state, read_states
from ray_pipeline.testing.online import MemoryOnlineStore
from tests.feature_oracle import OracleEvent, by_entity, event_lists, moments, shapes, value_at
from tests.feature_world import FeatureWorld, compiled, on_milliseconds

CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large]
PARTITIONS = 2
FOREVER = 10**18


class Killed(BaseException):
    """The process ends here."""


class FaultyStore(MemoryOnlineStore):
    """Fails at random, also after it did what it was asked."""

    def __init__(self, rng: Random, share: float) -> None:
        super().__init__()
        self._rng, self.share = rng, share

    def write_states(self, rows: Any, marks: Any) -> Any:
        if self._rng.random() < self.share:
            if self._rng.random() < 0.5:
                # Part of a batch that is no transaction; the marks come after the rows.
                super().write_states(rows[: self._rng.randrange(len(rows) + 1)], [])
            elif self._rng.random() < 0.5:
                super().write_states(rows, marks)
            raise OnlineStoreUnavailableError(self.shown, "write states", "simulated")
        return super().write_states(rows, marks)

    def read_states(self, view: str, definition: str, entities: Any) -> Any:
        if self._rng.random() < self.share:
            raise OnlineStoreUnavailableError(self.shown, "read states", "simulated")
        return super().read_states(view, definition, entities)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[ViewShape, list[OracleEvent], int]:
    shape = draw(shapes(most_features=3))
    events = [on_milliseconds(event) for event in draw(event_lists(shape, partitions=PARTITIONS))]
    return shape, events, draw(st.integers(0, 2**32))


def cut(rng: Random, events: list[OracleEvent]) -> list[tuple[int, list[OracleEvent]]]:
    """Return the events as commits, in the order of a run that has several partitions."""
    commits: list[tuple[int, list[OracleEvent]]] = []
    waiting: dict[int, list[OracleEvent]] = {}
    for event in events:
        waiting.setdefault(event.partition, []).append(event)
        if rng.random() < 0.4:
            commits.append((event.partition, waiting.pop(event.partition)))
    return commits + list(waiting.items())


def agrees(shape: ViewShape, online: MemoryOnlineStore, events: list[OracleEvent]) -> None:
    """Compare what the store answers with the oracle, wherever it answers at all, and at the end of time."""
    for entity, mine in by_entity(events).items():
        rows = online.read_states(shape.name, shape.definition, [entity])[0]
        states = [row.state for row in rows]
        exact = [state.exact_from for row in rows if (state := decode_state(shape, row.state)).exact_from is not None]
        for t in moments(shape, mine):
            found = read_states(shape, states, t)
            if found.status is Status.INVALID and exact and t < max(exact):
                continue
            assert found == value_at(shape, mine, t), (entity, t)


@settings(deadline=None, max_examples=50, suppress_health_check=CHECKS)
@given(worlds())
def test_moves_kills_twins_and_a_store_that_fails_end_in_the_oracles_values(
    world: tuple[ViewShape, list[OracleEvent], int],
) -> None:
    shape, events, seed = world
    rng = Random(seed)
    lake = FeatureWorld(compiled(shape))
    retain = rng.choice([0, shape.lateness, FOREVER])
    bounds = [0, 400, 10**6]
    more = {"retain_us": retain, "state_bytes": rng.choice(bounds), "waiting_bytes": rng.choice(bounds)}
    online = FaultyStore(rng, rng.choice([0.0, 0.3]))

    def strikes(_name: str) -> None:
        if rng.random() < 0.1:
            raise Killed

    drops = rng.choice([0.0, 0.2])
    owners: dict[int, list[Any]] = {}
    commits = cut(rng, events)
    for partition, landed in commits:
        mine = owners.setdefault(partition, [lake.projection(online, partition, effects=strikes, **more)])
        entry, table = lake.land(partition, landed)
        for owner in mine:
            owner.committed(entry, [table])
        if rng.random() < 0.2:  # a move, or a twin that both think the partition theirs
            mine.append(lake.projection(online, partition, effects=strikes, **more))
            if rng.random() < 0.7:
                mine.pop(0).close()
        for owner in [*mine]:
            lake.clock.advance(rng.choice([0.0, 60.0]))
            try:
                if rng.random() < 0.8:
                    owner.catch_up()
            except Killed:
                mine.remove(owner)
                mine.append(lake.projection(online, partition, effects=strikes, **more))
        if rng.random() < drops:
            online.drop(shape.name)  # what was there comes back from the log
    online.share = 0.0
    for partition in {partition for partition, _ in commits}:
        last = lake.projection(online, partition, **more)
        last.catch_up_until(float("inf"))
        assert last.is_done
        assert last.backlog == 0
    agrees(shape, online, events)
    _same_as_a_quiet_run(lake, online, {partition for partition, _ in commits}, retain)


def _same_as_a_quiet_run(lake: FeatureWorld, online: MemoryOnlineStore, partitions: set[int], retain: int) -> None:
    """Write everything again from the log, as a backfill does: the very same bytes under the same offsets."""
    anew = MemoryOnlineStore()
    for partition in partitions:
        backfill = lake.projection(anew, partition, retain_us=retain, ignore_marks=True)
        backfill.catch_up_until(float("inf"))
        assert backfill.is_done
    assert anew.states == online.states
    assert anew.marked == online.marked


@settings(deadline=None, max_examples=15, suppress_health_check=CHECKS)
@given(worlds())
def test_two_views_fold_as_each_of_them_alone(world: tuple[ViewShape, list[OracleEvent], int]) -> None:
    shape, events, seed = world
    rng = Random(seed)
    lake = FeatureWorld(compiled(shape, "one"))
    views = [lake.view, compiled(shape, "other")]
    both = MemoryOnlineStore()
    for partition, landed in cut(rng, events):
        lake.land(partition, landed)
        owner = lake.projection(both, partition, views=views if rng.random() < 0.5 else views[:1])
        owner.catch_up_until(float("inf"))
    for partition in {event.partition for event in events}:
        lake.projection(both, partition, views=views).catch_up_until(float("inf"))
    for name in ("one", "other"):
        agrees(replace(shape, name=name), both, events)
