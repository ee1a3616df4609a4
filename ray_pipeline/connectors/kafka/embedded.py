"""A Kafka broker without a server to start: librdkafka's own mock cluster, from the confluent_kafka wheel."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import confluent_kafka.cimpl

PARTITION_LIMIT_BYTES = 5 * 1024 * 1024
"""What the embedded broker keeps per partition; older batches are dropped in silence (pace a longer run)."""
PARTITION_LIMIT_BATCHES = 100_000
"""The same limit in batches: whichever is reached first."""

_PRODUCER = 0  # rd_kafka_type_t
_CONF_OK = 0  # rd_kafka_conf_res_t
_ERROR_TEXT = 512


class EmbeddedBroker:
    """A Kafka cluster of one broker inside this process, on a free loopback port, gone at exit.

    It speaks the real protocol, so other processes on this machine connect to ``bootstrap_servers`` as to any
    broker, as long as the process that made it lives. It is for the demo and for quick tests, and proves nothing
    about transactions: it has no topic ids and a new cluster id at each start, drops transactional offsets, fences
    nobody, shows open and aborted records to everybody, knows no offsets by time, forgets everything at exit, and
    keeps :data:`PARTITION_LIMIT_BYTES` per partition.

    A topic that nobody declared springs into being with four partitions when a producer first names it.

    >>> with EmbeddedBroker({"departures": 2}) as broker:
    ...     broker.bootstrap_servers.startswith("127.0.0.1:")
    True
    """

    def __init__(self, topics: Mapping[str, int]) -> None:
        self._topics = dict(topics)
        self._native = _Native()
        self._client: int | None = None
        self._cluster: int | None = None
        self._pid = 0

    def __enter__(self) -> Self:
        native = self._native
        self._client = native.new_client()
        self._pid = os.getpid()
        self._cluster = native.library.rd_kafka_mock_cluster_new(self._client, 1)
        if not self._cluster:
            native.library.rd_kafka_destroy(self._client)
            raise RuntimeError("librdkafka could not start its mock cluster")
        try:
            for topic, partitions in self._topics.items():
                self.create_topic(topic, partitions)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cluster, self._cluster = self._cluster, None
        client, self._client = self._client, None
        if os.getpid() != self._pid:
            return  # a forked child holds a copy of the pointers, and none of the threads behind them
        if cluster:
            self._native.library.rd_kafka_mock_cluster_destroy(cluster)
        if client:
            self._native.library.rd_kafka_destroy(client)

    @property
    def bootstrap_servers(self) -> str:
        """What to write for ``bootstrap.servers``."""
        text: bytes = self._native.library.rd_kafka_mock_cluster_bootstraps(self._running())
        return text.decode()

    def create_topic(self, topic: str, partitions: int) -> None:
        """Make one more topic."""
        if partitions < 1:
            raise ValueError(f"{topic} needs at least one partition, got {partitions}")
        code = self._native.library.rd_kafka_mock_topic_create(self._running(), topic.encode(), partitions, 1)
        if code:
            reason = self._native.library.rd_kafka_err2str(code).decode()
            raise ValueError(f"the embedded broker did not create {topic} with {partitions} partitions: {reason}")

    def stop(self) -> None:
        """Refuse connections, keeping the records: an outage as clients see it."""
        self._native.library.rd_kafka_mock_broker_set_down(self._running(), 1)

    def start(self) -> None:
        """End the outage that :meth:`stop` began."""
        self._native.library.rd_kafka_mock_broker_set_up(self._running(), 1)

    def _running(self) -> int:
        if self._cluster is None:
            raise RuntimeError("the embedded broker runs only inside its `with` block")
        return self._cluster


class _Native:
    """The few C functions that the mock cluster needs, with their types, so that pointers are not cut to 32 bits."""

    def __init__(self) -> None:
        pointer, text, integer = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
        self.library = ctypes.CDLL(str(find_librdkafka()))
        for name, result, arguments in (
            ("rd_kafka_conf_new", pointer, []),
            ("rd_kafka_conf_set", integer, [pointer, text, text, text, ctypes.c_size_t]),
            ("rd_kafka_new", pointer, [integer, pointer, text, ctypes.c_size_t]),
            ("rd_kafka_destroy", None, [pointer]),
            ("rd_kafka_err2str", text, [integer]),
            ("rd_kafka_mock_cluster_new", pointer, [pointer, integer]),
            ("rd_kafka_mock_cluster_destroy", None, [pointer]),
            ("rd_kafka_mock_cluster_bootstraps", text, [pointer]),
            ("rd_kafka_mock_topic_create", integer, [pointer, text, integer, integer]),
            ("rd_kafka_mock_broker_set_down", integer, [pointer, ctypes.c_int32]),
            ("rd_kafka_mock_broker_set_up", integer, [pointer, ctypes.c_int32]),
        ):
            function = getattr(self.library, name)
            function.restype = result
            function.argtypes = arguments

    def new_client(self) -> int:
        """Return a client handle that only carries the cluster; it connects to nothing."""
        conf = self.library.rd_kafka_conf_new()
        reason = ctypes.create_string_buffer(_ERROR_TEXT)
        if self.library.rd_kafka_conf_set(conf, b"log_level", b"0", reason, _ERROR_TEXT) != _CONF_OK:
            raise RuntimeError(reason.value.decode())
        client: int | None = self.library.rd_kafka_new(_PRODUCER, conf, reason, _ERROR_TEXT)
        if not client:
            raise RuntimeError(reason.value.decode())
        return client


def find_librdkafka() -> Path:
    """Return the very library that confluent_kafka has loaded, or the one that its wheel would load.

    The loaded one first: the file's name carries a hash that changes with each release, and a build from source
    links the system's library instead.
    """
    for line in _mapped_files():
        if Path(line).name.startswith("librdkafka"):
            return Path(line)
    module = Path(confluent_kafka.cimpl.__file__)
    for folder in (module.parent.parent / "confluent_kafka.libs", module.parent / ".dylibs", module.parent):
        for found in sorted(folder.glob("librdkafka*")):
            return found
    return module  # linked statically: its symbols are in the extension itself


def _mapped_files() -> list[str]:
    """Return the paths of the shared objects in this process; empty where the system does not say (macOS)."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return []
    return [line.split(maxsplit=5)[5] for line in maps.read_text().splitlines() if line.count("/")]
