"""Many small objects in order, without waiting for each: on S3 an audit is made of round trips."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from ray_pipeline.lake.ports import ObjectStore

DEPTH = 16


def read_ahead(store: ObjectStore, keys: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
    """Yield ``(key, object)`` in the order of the keys, up to ``DEPTH`` of them under way at a time."""
    waiting: deque[tuple[str, Future[bytes | None]]] = deque()
    with ThreadPoolExecutor(DEPTH, thread_name_prefix="read-ahead") as pool:
        try:
            for key in keys:
                waiting.append((key, pool.submit(store.get, key)))
                if len(waiting) >= DEPTH:
                    first, content = waiting.popleft()
                    yield first, content.result()
            while waiting:
                first, content = waiting.popleft()
                yield first, content.result()
        finally:
            for _, content in waiting:
                content.cancel()
