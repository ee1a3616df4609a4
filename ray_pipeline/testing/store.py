"""An object store in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator


class MemoryStore:
    """An :class:`~ray_pipeline.lake.ports.ObjectStore` that never fails, safe between threads.

    >>> store = MemoryStore()
    >>> store.put_if_absent("a/b", b"1"), store.put_if_absent("a/b", b"2"), store.get("a/b")
    (True, False, b'1')
    """

    def __init__(self, name: str = "lake") -> None:
        self.url = f"memory://{name}"
        self.objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def uri(self, key: str) -> str:
        return f"{self.url}/{key}"

    def get(self, key: str) -> bytes | None:
        with self._lock:
            return self.objects.get(key)

    def put(self, key: str, data: bytes) -> None:
        with self._lock:
            self.objects[key] = bytes(data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        with self._lock:
            if key in self.objects:
                return False
            self.objects[key] = bytes(data)
            return True

    def list(self, prefix: str) -> Iterator[str]:
        with self._lock:
            keys = sorted(key for key in self.objects if key.startswith(f"{prefix}/"))
        yield from keys

    def delete(self, key: str) -> None:
        with self._lock:
            self.objects.pop(key, None)
