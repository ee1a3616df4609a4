"""The pass over files as a Ray Data job: what it finds, what it survives, and what it does not tell Ray."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ray_pipeline.config import load_config
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.runtime.jobs import measure_pass
from ray_pipeline.runtime.jobs.gate import run_gate
from ray_pipeline.runtime.jobs.measuring import Task
from ray_pipeline.runtime.jobs.recompute import recompute
from ray_pipeline.sla.result import DatasetResult
from ray_pipeline.types import Outcome
from tests.gate_shop import LATER, Shop, customer, order

pytestmark = [
    pytest.mark.ray,
    pytest.mark.usefixtures("local_ray"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),  # Ray Data warns itself of its own settings
]


def shop_in(folder: Path) -> Shop:
    """Two datasets of several days and partitions, with everything that a gate can find."""
    folder.mkdir()
    shop = Shop(folder, customers=True)
    shop.land("customers", [customer("c1"), b"no JSON", customer("c2", day=9)])
    shop.land("orders", [*(order(i) for i in range(4)), order(4, amount=-1.0), order(5, customer_id="nobody")])
    shop.land("orders", [order(10, day=2), order(11, day=2), order(12, day=2, note=None), order(0)], partition=1)
    shop.land("orders", [order(20, day=3)])
    return shop


def found(result: DatasetResult) -> DatasetResult:
    """What a gate found, without where it put it."""
    return replace(result, table=None, snapshot_id=None, contract_file="")


def states(shop: Shop) -> dict[str, bytes]:
    root = Path(shop.config.store)
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.state")}


def test_a_pass_on_ray_decides_the_same_and_leaves_the_same_states_byte_for_byte(tmp_path: Path) -> None:
    here, there = shop_in(tmp_path / "here"), shop_in(tmp_path / "there")
    seen: list[int] = []
    one = here.gate()
    other = there.gate(local_bytes=0, on_progress=lambda progress: seen.append(progress.files))
    assert list(map(found, one.datasets)) == list(map(found, other.datasets))
    assert states(here) == states(there) != {}
    assert seen == list(range(1, len(seen) + 1))
    assert here.published() == there.published() == ["o0", "o1", "o10", "o11", "o12", "o2", "o3"]
    assert here.quarantined() == there.quarantined()
    assert there.breaches() == []
    again = recompute(there.config, local_bytes=0)
    assert again == recompute(here.config)
    assert again.outcome is Outcome.HELD


def test_a_pass_whose_worker_is_killed_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = shop_in(tmp_path / "shop")
    died, measure = str(tmp_path / "died"), measure_pass.measure_task

    def dies_once(pipeline: str, store: ObjectStore, subject: Any, task: Task) -> str | None:
        reason = measure(pipeline, store, subject, task)
        try:
            os.close(os.open(died, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return reason
        os.kill(os.getpid(), signal.SIGKILL)
        return reason

    monkeypatch.setattr(measure_pass, "measure_task", dies_once)
    report = shop.gate(local_bytes=0)
    assert Path(died).exists()
    assert report.outcome is Outcome.BROKEN
    assert shop.published() == ["o0", "o1", "o10", "o11", "o12", "o2", "o3"]
    assert shop.breaches() == []


def test_a_file_that_cannot_be_read_on_ray_holds_its_day(tmp_path: Path) -> None:
    shop = shop_in(tmp_path / "shop")
    (file,) = [file for file in shop.landed_files() if file.day == "2026-03-03"]
    Path(shop.config.store, file.key).write_bytes(b"PAR1")
    shop.gate(local_bytes=0)
    assert [day for day, reasons in shop.held().items() if "readable-files" in reasons] == ["2026-03-03"]
    assert shop.published() == ["o0", "o1", "o10", "o11", "o12", "o2", "o3"]


def test_a_password_of_the_configuration_is_not_in_rays_control_store(tmp_path: Path) -> None:
    import ray

    shop = shop_in(tmp_path / "shop")
    config = load_config(shop.file, ["kafka.sasl.password=canary-7f3e"])
    assert "canary-7f3e" in str(dict(config.kafka))
    mark = "control-c41a"
    ray.get(ray.remote(lambda: mark).remote())
    run_gate(config, at=LATER, local_bytes=0)
    kept = control_store()
    assert mark.encode() in kept, "what a function captures would be seen here"
    assert b"canary-7f3e" not in kept


def control_store() -> bytes:
    """Return everything that Ray's control store keeps: keys and values of all its spaces."""
    from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_list

    found = []
    for space in (None, b"fun", b"cls", b"actor", b"session", b"cluster", b"job", b"workflow", b"default", b"package"):
        for key in _internal_kv_list(b"", namespace=space):
            found += [key, _internal_kv_get(key, namespace=space) or b""]
    return b"\n".join(found)
