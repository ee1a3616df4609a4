"""One Ray Data job for work that is dealt out in shares: nothing is shuffled, and only what was found travels back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Job = Callable[[int], list[bytes]]
"""Does one numbered part of the work, and returns what was found in parts of any length."""


def on_ray(
    shares: Sequence[Sequence[int]], prepare: Callable[[Any], Job], told: Any, address: str | None
) -> Iterator[tuple[int, list[bytes]]]:
    """Yield each number of the shares with what its job returned, in the order in which they end.

    A task of Ray takes one share: it calls ``prepare(told)`` once, and what that returns for each of its numbers.
    """
    import ray

    from ray_pipeline.runtime.ray_data import quiet_ray_data
    from ray_pipeline.runtime.ray_session import ray_session

    with ray_session(address):
        data = quiet_ray_data()
        # By reference, so that it lies in the object store's memory only: a configuration may hold a password, and
        # Ray keeps what a function captures in its control store.
        reference = ray.put((prepare, told))
        rows = data.from_items([{"share": list(share)} for share in shares], override_num_blocks=len(shares))
        for row in rows.flat_map(_Worker(reference), num_cpus=1).iter_rows():
            yield int(row["number"]), list(row["parts"])


class _Worker:
    """What each task of the pass runs."""

    def __init__(self, reference: Any) -> None:
        self._reference = reference

    def __call__(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        import ray

        prepare, told = ray.get(self._reference)
        job = prepare(told)
        return [{"number": int(number), "parts": job(int(number))} for number in row["share"]]
