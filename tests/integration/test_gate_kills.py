"""Gates that are killed anywhere, and gates that run at once: never a file twice, never a gap."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ray_pipeline.errors import GateBusyError
from ray_pipeline.gate.entries import Selection
from ray_pipeline.gate.lease import DURATION
from ray_pipeline.runtime.curated import judge_again, let_through
from ray_pipeline.runtime.failpoints import GATE_NAMES
from ray_pipeline.runtime.jobs.gate import run_gate
from ray_pipeline.runtime.open import open_pipeline
from ray_pipeline.testing.clock import FrozenClock
from tests.gate_shop import LATER, Shop, order

BEFORE = ["o0", "o1", "o2", "o3"]
AFTER = sorted([*BEFORE, "o10", "o11", "o12", "o4", "o5", "o7", "o8"])
SET_ASIDE = {"o6": ["positive"]}
WRITES = (
    "put_if_absent shop/_gate/orders/00000000000000000003.lease",
    ".state",
    "/results/",
    "/_gate/orders/data/",
    "/_gate/orders/quarantine/",
    "/_gate/orders/days/",
    "/_gate/orders/00000000000000000003.json",
    "/_gate/orders/runs/",
    "checkpoint.json",
    "put shop/_gate/orders/00000000000000000003.lease",
    "run_results.json",
    "report.html",
    "index.json",
    "index.html",
)
"""What a write is about: the key, or the kind of write and the key."""
PROGRAM = """
import json, os, signal, sys
from pathlib import Path
from ray_pipeline.config import load_config
from ray_pipeline.connectors.object_store.local import LocalObjectStore
from ray_pipeline.errors import GateBusyError
from ray_pipeline.runtime.jobs import gate
from tests.gate_shop import LATER
import ray_pipeline.connectors.iceberg.catalog, ray_pipeline.connectors.iceberg.trouble
import ray_pipeline.report.page, ray_pipeline.report.results, ray_pipeline.report.index

def die_before(part):
    def watched(write):
        def writing(self, key, data):
            if part in f"{write.__name__} {key}":
                os._exit(9)
            return write(self, key, data)
        return writing
    for name in ("put", "put_if_absent"):
        setattr(LocalObjectStore, name, watched(getattr(LocalObjectStore, name)))

def gated(job):
    os.environ["RAY_PIPELINE_FAILPOINT"] = job.get("point", "")
    if "write" in job:
        die_before(job["write"])
    try:
        gate.run_gate(load_config(Path(job["config"])), ["orders"], at=LATER, run_id=job["run_id"])
    except GateBusyError as error:
        print(error, file=sys.stderr)
        return 75
    return 0

codes = []
for group in json.loads(sys.argv[1]):  # nothing has started a thread yet, so each child is a process that was killed
    children = []
    for job in group:
        child = os.fork()
        if child == 0:
            try:
                code = gated(job)
            except BaseException as error:
                print(type(error).__name__, error, file=sys.stderr)
                code = 1
            sys.stderr.flush()
            os._exit(code)
        children.append(child)
    codes.append([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
print(json.dumps(codes))
"""


class World(Shop):
    """A gate has run once; since then rows landed, and people let through a day and quarantined rows."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        super().__init__(folder)
        self.land("orders", [*(order(i) for i in range(4)), order(4, amount=-1.0)])
        self.land("orders", [order(7, day=3), order(8, day=3)])
        self.gate("orders", run_id="first")
        let_through(self.config, self.store, "orders", "2026-03-03", "a holiday")
        judge_again(self.config, self.store, "orders", Selection("2026-03-01"), "it was a refund", waive=True)
        self.land("orders", [order(5), order(6, amount=-1.0)])
        self.land("orders", [order(10, day=2), order(11, day=2), order(0, day=2), order(12, day=2)], partition=1)

    def job(self, run_id: str = "nightly", **how: Any) -> dict[str, Any]:
        return {"config": str(self.file), "run_id": run_id, **how}

    def check_half_done(self) -> None:
        """Whatever a killed gate left: readers see the table before it or after it, and an audit finds no breach."""
        assert self.published() in (BEFORE, AFTER)
        assert [name for name, _ in self.breaches()] == []

    def check_done(self) -> None:
        """Everything is decided once, and the table has it once, as an engine that we did not write counts it."""
        assert self.published() == AFTER
        assert self.quarantined() == SET_ASIDE | {"o0": ["unique.order_id"]}
        assert self.held() == {}
        self.check_books()
        assert self.breaches() == []
        table = open_pipeline(self.config).curated("orders")
        assert table is not None
        files = [uri for uri, _ in table.files()]
        assert len(set(files)) == len(files)
        counted = duckdb.execute(
            f"SELECT count(*), count(DISTINCT order_id) FROM read_parquet({files}, union_by_name=true)"
        )
        assert counted.fetchall() == [(len(AFTER), len(AFTER))]
        decisions = [one.decision for one in table.snapshots()]
        assert len(set(decisions)) == len(decisions) == 2


def run(groups: Sequence[Sequence[dict[str, Any]]]) -> list[list[int]]:
    """Run the gates of each group at once, each in a process of its own; return their exit codes."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(groups)], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    codes: list[list[int]] = json.loads(done.stdout)
    return codes


def later() -> FrozenClock:
    """The machine's clock, once the lease of a gate that was killed a moment ago has run out."""
    return FrozenClock(datetime.now(UTC) + DURATION)


@pytest.mark.slow
def test_a_kill_at_any_step_leaves_the_table_whole_and_is_made_good_by_another_run(tmp_path: Path) -> None:
    worlds = {point: World(tmp_path / point) for point in GATE_NAMES}
    assert run([[world.job(point=point)] for point, world in worlds.items()]) == [[-9]] * len(worlds)
    for point, world in worlds.items():
        world.check_half_done()
        if GATE_NAMES.index(point) < GATE_NAMES.index("gate_decided"):
            with pytest.raises(GateBusyError, match=r"works on .* until"):
                run_gate(world.config, ["orders"], at=LATER, run_id="another")
        run_gate(world.config, ["orders"], at=LATER, run_id="another", clock=later())
        world.check_done()


@pytest.mark.parametrize("point", ["before_snapshot_manifests", "before_snapshot_commit", "after_snapshot_commit"])
def test_a_kill_within_a_publication_is_made_good_by_the_same_run(tmp_path: Path, point: str) -> None:
    world = World(tmp_path / "world")
    assert run([[world.job(point=point)]]) == [[-9]]
    run_gate(world.config, ["orders"], at=LATER, run_id="nightly")
    world.check_done()
    assert dict(world.state().runs).keys() == {"first", "nightly"}


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.slow
def test_a_kill_before_a_write_of_any_kind_is_made_good_by_the_same_run(tmp_path: Path, half: int) -> None:
    worlds = {write: World(tmp_path / str(i)) for i, write in enumerate(WRITES[half::2])}
    assert run([[world.job(write=write)] for write, world in worlds.items()]) == [[9]] * len(worlds)
    for world in worlds.values():
        assert world.published() in (BEFORE, AFTER)
        run_gate(world.config, ["orders"], at=LATER, run_id="nightly")
        world.check_done()


@pytest.mark.slow
def test_a_gate_that_is_killed_again_and_again_ends_all_the_same(tmp_path: Path) -> None:
    world = World(tmp_path / "world")
    points = GATE_NAMES[1::2]
    assert run([[world.job(point=point)] for point in points]) == [[-9]] * len(points)
    run_gate(world.config, ["orders"], at=LATER, run_id="nightly")
    world.check_done()


def test_of_two_gates_at_once_one_works_and_the_other_is_told(tmp_path: Path) -> None:
    worlds = [World(tmp_path / str(i)) for i in range(2)]
    codes = run([[world.job("one"), world.job("two"), world.job("three")] for world in worlds])
    for world, ended in zip(worlds, codes, strict=True):
        assert set(ended) <= {0, 75}
        assert 0 in ended
        world.check_done()


def test_the_same_run_started_twice_at_once_is_decided_once(tmp_path: Path) -> None:
    worlds = [World(tmp_path / str(i)) for i in range(2)]
    codes = run([[world.job()] * 3 for world in worlds])
    assert codes == [[0, 0, 0]] * len(worlds)
    for world in worlds:
        world.check_done()
        assert dict(world.state().runs).keys() == {"first", "nightly"}


WAITING = """
import signal, sys
from ray_pipeline.cli.main import command
from ray_pipeline.runtime.jobs import gate

def waits(*args, **options):
    print("measuring", flush=True)
    signal.pause()

gate.measure_all = waits
command().main(["gate", "orders", "--config", sys.argv[1], "--at", "2026-03-20T00:00:00Z"], prog_name="ray-pipeline")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_gate_that_is_told_to_stop_gives_its_lease_back(tmp_path: Path, number: signal.Signals) -> None:
    world = World(tmp_path / "world")
    with subprocess.Popen(
        [sys.executable, "-c", WAITING, str(world.file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as gate:
        assert gate.stdout is not None
        assert gate.stdout.readline() == "measuring\n"
        with pytest.raises(GateBusyError):
            run_gate(world.config, ["orders"], at=LATER)
        gate.send_signal(number)
        _, said = gate.communicate(timeout=60)
    assert gate.returncode == 130
    assert said.strip() == "ray-pipeline: interrupted"
    world.gate("orders")
    world.check_done()
