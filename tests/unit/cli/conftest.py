"""The command line in this process, and a small lake that a real owner committed."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from typer import rich_utils

from ray_pipeline.cli.main import command
from ray_pipeline.config import load_config
from ray_pipeline.runtime.open import Pipeline, open_pipeline
from ray_pipeline.runtime.partition import PartitionOwner
from ray_pipeline.stream.ports import DeadLetter, TopicDescription
from ray_pipeline.testing.clock import FrozenClock
from ray_pipeline.testing.source import batch_of, numbered
from ray_pipeline.types import Offset, SourceId, TopicPartition, Watermarks

CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: shop.orders
version: 1.0.0
status: active
name: Orders
schema:
  - name: orders
    logicalType: object
    properties:
      - name: id
        logicalType: integer
        required: true
      - name: note
        logicalType: string
"""
CONFIG = """\
pipeline: shop
kafka:
  bootstrap.servers: 127.0.0.1:1
store: ./lake
datasets:
  orders:
    contract: orders.odcs.yaml
  returns:
    contract: orders.odcs.yaml
"""


@dataclass(frozen=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object on stdout."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Run = Callable[..., Said]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line with these arguments, and with these bytes on stdin."""

    def call(*args: object, stdin: bytes = b"") -> Said:
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            patch.setattr(rich_utils, "MAX_WIDTH", 200)  # typer reads TERMINAL_WIDTH once, when this is imported
            with pytest.raises(SystemExit) as ended:
                command().main([str(arg) for arg in args], prog_name="ray-pipeline")
        for stream in (out, err):
            stream.flush()
        code = ended.value.code
        return Said(code if isinstance(code, int) else int(code is not None), _text(out), _text(err))

    return call


def _text(stream: io.TextIOWrapper) -> str:
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode("utf-8")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration of two datasets, which the environment names."""
    (tmp_path / "orders.odcs.yaml").write_text(CONTRACT)
    (tmp_path / "shop.yaml").write_text(CONFIG)
    monkeypatch.setenv("RAY_PIPELINE_CONFIG", str(tmp_path / "shop.yaml"))
    return tmp_path


@dataclass
class FakeAdmin:
    """Brokers with one topic, of which the test says what they hold."""

    source: SourceId = field(default_factory=lambda: SourceId("cluster", "first"))
    partitions: int = 1
    marks: dict[int, Watermarks] = field(default_factory=dict)

    def describe(self, topic: str) -> TopicDescription:
        return TopicDescription(topic, self.source, self.partitions)

    def watermarks(self, topic_partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Watermarks]:
        return {at: self.marks.get(at.partition, Watermarks(0, 1_000)) for at in topic_partitions}

    def offset_at(self, topic_partition: TopicPartition, moment: datetime) -> Offset:
        return 0


class NoSink:
    """A dead-letter topic that takes everything."""

    def open(self) -> Offset | None:
        return None

    def send(self, letters: Sequence[DeadLetter], through: Offset) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def brokers(monkeypatch: pytest.MonkeyPatch) -> FakeAdmin:
    """The brokers that a command asks."""
    admin = FakeAdmin()
    monkeypatch.setattr(Pipeline, "admin", lambda self, patience=None: admin)
    return admin


Ingest = Callable[..., None]


@pytest.fixture
def ingest(shop: Path) -> Ingest:
    """Commit some values to a partition of ``orders``, as a run does."""

    def commit(values: Sequence[bytes], *, first: int = 0, partition: int = 0, share: float = 1.0) -> None:
        pipeline = open_pipeline(load_config(shop / "shop.yaml"))
        at = TopicPartition("orders", partition)
        owner = PartitionOwner(
            store=pipeline.store,
            admin=FakeAdmin(partitions=partition + 1),
            make_sink=lambda _source: NoSink(),
            contract=pipeline.contract("orders"),
            pipeline="shop",
            dataset="orders",
            topic_partition=at,
            owner="host:1",
            supervisor=1,
            clock=FrozenClock(),
            rng=Random(partition),
            max_bad_share=share,
            breaker_records=4,
        )
        owner.own()
        owner.land(owner.judge(batch_of(at, first, first + len(values), numbered(values, first))))
        owner.commit()
        owner.project()
        owner.release()

    return commit
