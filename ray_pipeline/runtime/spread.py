"""Which actor reads which partition: a pure decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ray_pipeline.types import TopicPartition


def spread(
    partitions: Iterable[TopicPartition],
    actors: Sequence[str],
    current: Mapping[TopicPartition, str],
) -> dict[TopicPartition, str]:
    """Give every partition to one of ``actors``: loads differ by one at most, and nothing moves without need.

    The partitions of one topic are dealt round, so that a hot topic is spread before a quiet one fills up.

    >>> tps = [TopicPartition("a", 0), TopicPartition("a", 1), TopicPartition("b", 0)]
    >>> sorted(spread(tps, ["x", "y"], {}).values())
    ['x', 'x', 'y']
    >>> spread(tps, ["y"], {tps[0]: "x"})[tps[0]]
    'y'
    """
    wanted = sorted(set(partitions), key=lambda tp: (tp.partition, tp.topic))
    if not actors:
        return {}
    share, extra = divmod(len(wanted), len(actors))
    load = dict.fromkeys(actors, 0)
    given: dict[TopicPartition, str] = {}
    rich = 0
    for tp in wanted:
        actor = current.get(tp)
        if actor not in load:
            continue
        if load[actor] < share or (load[actor] == share and rich < extra):
            rich += load[actor] == share
            load[actor] += 1
            given[tp] = actor
    for tp in wanted:
        if tp not in given:
            actor = min(actors, key=lambda name: (load[name], name))
            load[actor] += 1
            given[tp] = actor
    return given
