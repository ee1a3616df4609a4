"""Partitions are spread evenly, all of them, and stay where they are when they can."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ray_pipeline.runtime.spread import spread
from ray_pipeline.types import TopicPartition

PARTITIONS = st.sets(st.builds(TopicPartition, st.sampled_from("abc"), st.integers(0, 9)), max_size=20)
ACTORS = st.lists(st.sampled_from("pqrst"), min_size=1, max_size=5, unique=True)


@given(PARTITIONS, ACTORS, st.data())
def test_every_partition_has_one_actor_and_loads_differ_by_one_at_most(partitions, actors, data):
    current = {tp: data.draw(st.sampled_from("pqrstu")) for tp in partitions}
    given_ = spread(partitions, actors, current)
    assert set(given_) == partitions
    loads = Counter(dict.fromkeys(actors, 0))
    loads.update(given_.values())
    assert set(loads) == set(actors)
    assert max(loads.values()) - min(loads.values()) <= 1


@given(PARTITIONS, ACTORS)
def test_a_second_look_moves_nothing(partitions, actors):
    first = spread(partitions, actors, {})
    assert spread(partitions, actors, first) == first


@given(PARTITIONS, ACTORS)
def test_a_lost_actor_moves_its_own_partitions_only_as_far_as_balance_allows(partitions, actors):
    first = spread(partitions, actors, {})
    if len(actors) < 2:
        return
    left = actors[1:]
    second = spread(partitions, left, first)
    stayed = [tp for tp, actor in first.items() if actor in left]
    assert all(second[tp] == first[tp] for tp in stayed)
