"""A pipeline on real servers, driven as its users do, and an oracle that knows nothing of its code.

The oracle reads the source topic as any consumer does (read committed) and compares it, record by record, with what
landed, with the bad files and with the dead-letter topic.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
import yaml
from confluent_kafka import Producer

from ray_pipeline.lake.dead_letters import read_dead_letters
from ray_pipeline.lake.keys import LogId
from ray_pipeline.lake.log_reader import LogReader
from ray_pipeline.lake.topics import find_logs
from ray_pipeline.runtime.open import Pipeline, open_pipeline
from ray_pipeline.types import Outcome
from tests.broker.kafka_records import read_topic

REPOSITORY = Path(__file__).resolve().parents[2]
DATASET = "orders"
_CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: urn:test:orders
name: Orders
version: {version}
status: active
customProperties:
  - {{property: eventTime, value: at}}
schema:
  - name: orders
    logicalType: object
    properties:
      - {{name: id, logicalType: integer, required: true}}
      - {{name: at, logicalType: timestamp, required: true}}
      - name: amount
        logicalType: {amount}
        required: true
        logicalTypeOptions: {{minimum: 0}}
"""


def good(number: int) -> bytes:
    """A record that keeps the contract; three event days."""
    return json.dumps({"id": number, "at": f"2013-03-0{1 + number % 3}T12:00:00Z", "amount": number / 4}).encode()


def bad(number: int) -> bytes:
    """A record that breaks the contract twice, and holds what no message may repeat."""
    return json.dumps({"id": number, "amount": -1, "at": "secret-of-a-person"}).encode()


def mixed(count: int, first: int = 0) -> list[bytes]:
    """Records of which every seventh is bad."""
    return [bad(number) if number % 7 == 3 else good(number) for number in range(first, first + count)]


def eventually(true: Callable[[], Any], seconds: float = 30.0, what: str = "it") -> Any:
    """Poll until ``true()`` is; return what it returned."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(0.05)
    return found


@dataclass
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def counts(self) -> dict[str, Any]:
        """What ``ingest --output json`` printed for the one dataset."""
        return dict(json.loads(self.out)[DATASET])


class Live:
    """A command that runs; its stderr can be waited for."""

    def __init__(self, command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
        stamp = f"{len(list(folder.iterdir()))}-{time.monotonic_ns()}"
        self._out, self._err = folder / f"{stamp}.out", folder / f"{stamp}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                stdout=out,
                stderr=err,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._orphans: list[psutil.Process] = []

    @property
    def err(self) -> str:
        return self._err.read_text(errors="replace")

    @property
    def out(self) -> str:
        return self._out.read_text(errors="replace")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def says(self, text: str, seconds: float = 30.0, *, times: int = 1) -> None:
        """Wait until stderr holds ``text`` so many times."""
        deadline = time.monotonic() + seconds
        while self.err.count(text) < times:
            assert self.alive, f"it ended ({self._process.returncode}) before it said {text!r}:\n{self.err}"
            assert time.monotonic() < deadline, f"it did not say {text!r} within {seconds:.0f} s:\n{self.err}"
            time.sleep(0.05)

    def commits(self, site: Site, records: int, seconds: float = 60.0) -> None:
        """Wait until so many offsets of the topic are committed."""

        def enough() -> bool:
            assert self.alive, self.err
            return sum(site.committed().values()) >= records

        eventually(enough, seconds, f"the commit of {records} offsets")

    def descendants(self, name: str) -> list[psutil.Process]:
        """Processes below it whose title has ``name``: Ray names its workers after their actor's class."""
        found = []
        for process in psutil.Process(self.pid).children(recursive=True):
            try:
                if name in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill_alone(self) -> None:
        """Kill it as the system does, which leaves its children to themselves; ``kill`` ends what is left of them."""
        self._orphans = psutil.Process(self.pid).children(recursive=True)
        self._process.kill()
        self._process.wait(10)

    def wait_for_exit(self, seconds: float) -> None:
        """Raise ``subprocess.TimeoutExpired`` where it goes on for so long."""
        self._process.wait(seconds)

    def wait(self, seconds: float = 60.0) -> Done:
        try:
            self.wait_for_exit(seconds)
        except subprocess.TimeoutExpired:
            said = f"{self.out}\n{self.err}"
            self.kill()
            raise AssertionError(f"it did not end within {seconds:.0f} s:\n{said}") from None
        return Done(self._process.returncode, self.out, self.err)

    def kill(self) -> None:
        """End it and everything it started, by process id."""
        try:
            family = psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            family = self._orphans
        if self.alive:
            self._process.kill()
            self._process.wait(10)
        for process in family:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(family, timeout=10)


@dataclass
class Site:
    """One pipeline with one topic, its configuration on disk, and the commands to drive it."""

    folder: Path
    bootstrap: str
    store: str
    options: dict[str, str]
    topic: str
    partitions: int = 1
    ingest: dict[str, Any] = field(default_factory=dict)
    kafka: dict[str, str] = field(default_factory=dict)
    started: list[Live] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.write_contract()
        self.write_config()

    @property
    def config(self) -> Path:
        return self.folder / "pipeline.yaml"

    @property
    def dead_letter_topic(self) -> str:
        return f"{self.topic}.dead-letters"

    @property
    def name(self) -> str:
        return f"p-{self.topic}"

    def write_contract(self, *, version: str = "1.0.0", amount: str = "number") -> None:
        text = _CONTRACT.format(version=version, amount=amount)
        if amount == "string":
            text = text.replace("{minimum: 0}", "{minLength: 1}")
        (self.folder / "orders.odcs.yaml").write_text(text)

    def write_config(self, **changes: Any) -> None:
        document = {
            "pipeline": self.name,
            "kafka": {"bootstrap.servers": self.bootstrap, **self.kafka},
            "store": self.store,
            "store_options": self.options,
            "datasets": {DATASET: {"contract": "orders.odcs.yaml", "topic": self.topic}},
            "ingest": {"actors": 1, **self.ingest},
            **changes,
        }
        self.config.write_text(yaml.safe_dump(document))
        self.__dict__.pop("pipeline", None)

    @cached_property
    def pipeline(self) -> Pipeline:
        return open_pipeline(self.config)

    # -- driving ------------------------------------------------------------------------------------------------

    def produce(self, values: Iterable[bytes | None], partition: int | None = None, **fields: Any) -> None:
        """Publish to one partition, or to all of them in turn."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "log_level": 0, "linger.ms": 5})
        for i, value in enumerate(values):
            to = i % self.partitions if partition is None else partition
            producer.produce(self.topic, value, partition=to, **fields)
        assert producer.flush(20) == 0

    def start(self, verb: str, *arguments: str, **environment: str) -> Live:
        command = [sys.executable, "-m", "ray_pipeline", verb, "-c", str(self.config), *arguments]
        self.started.append(Live(command, self.folder, environment))
        return self.started[-1]

    def run(self, verb: str, *arguments: str, seconds: float = 90.0, **environment: str) -> Done:
        return self.start(verb, *arguments, **environment).wait(seconds)

    def ingest_to_end(self, **environment: str) -> Done:
        return self.run("ingest", "--until-end", "--output", "json", **environment)

    def solo(self, *arguments: str, **environment: str) -> Live:
        """A worker as an actor runs it, in a process of its own without Ray."""
        command = [sys.executable, "-m", "tests.broker.solo", str(self.config), *arguments]
        self.started.append(Live(command, self.folder, environment))
        return self.started[-1]

    def close(self) -> None:
        for live in self.started:
            live.kill()

    # -- looking ------------------------------------------------------------------------------------------------

    def objects(self) -> set[str]:
        return set(self.pipeline.store.list(self.name))

    def committed(self) -> dict[int, int]:
        """Offset up to which each partition is committed, of logs that are not closed."""
        tails = {log: LogReader(self.pipeline.store, log).load() for log in self.logs()}
        return {log.partition: tail.end for log, tail in tails.items() if tail is not None and not tail.closed}

    def logs(self) -> list[LogId]:
        return find_logs(self.pipeline.store, self.name, self.topic)

    def landed(self) -> list[tuple[int, int, int]]:
        """(partition, offset, id) of each landed row."""
        table = self.pipeline.read(DATASET, ["_partition", "_offset", "id"])
        if not table.num_rows:
            return []
        return sorted(zip(*(table.column(name).to_pylist() for name in ("_partition", "_offset", "id")), strict=True))

    def refused(self) -> list[Any]:
        return list(read_dead_letters(self.pipeline.store, self.name, self.topic))

    def verify(self) -> None:
        """Demand that the audit holds, brokers included."""
        report = self.pipeline.verify(brokers=True)
        assert report.outcome is Outcome.HELD, str(report)

    def check(self, judge: Callable[[bytes | None], bool] | None = None) -> None:
        """Demand that nothing is lost, doubled or made up: in Parquet, in the bad files, in the dead-letter topic."""
        keeps = judge or (lambda value: value is not None and b"secret-of-a-person" not in value)
        source = read_topic(self.bootstrap, self.topic, self.partitions)
        fine = {(m.partition(), m.offset()): json.loads(m.value())["id"] for m in source if keeps(m.value())}
        assert self.landed() == sorted((*place, number) for place, number in fine.items())
        wrong = {(m.partition(), m.offset()): m for m in source if not keeps(m.value())}
        refused = {(one.partition, one.record.offset): one.record for one in self.refused()}
        assert len(refused) == len(self.refused())
        assert {place: (r.key, r.value, r.headers, r.timestamp) for place, r in refused.items()} == {
            place: (m.key(), m.value(), tuple(m.headers() or ()), m.timestamp()[1]) for place, m in wrong.items()
        }
        self.check_dead_letters(wrong)
        self.verify()

    def check_dead_letters(self, wrong: dict[tuple[int, int], Any]) -> None:
        """Demand that the dead-letter topic, read committed, repeats each refused record once, as it was."""
        letters = read_topic(self.bootstrap, self.dead_letter_topic, self.partitions)
        places = Counter((m.partition(), source_offset(m)) for m in letters)
        assert places == dict.fromkeys(wrong, 1)
        for letter in letters:
            record = wrong[letter.partition(), source_offset(letter)]
            assert (letter.key(), letter.value(), letter.timestamp()) == (
                record.key(),
                record.value(),
                record.timestamp(),
            )
            original = record.headers() or []
            assert letter.headers()[: len(original)] == original


def source_offset(letter: Any) -> int:
    return int(dict(letter.headers())["__connect.errors.offset"])
