"""The README's cron line and the shipped CronJob, run as cron and Kubernetes run them, on a Ray of one node."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from ray_pipeline import load_config
from ray_pipeline.gate.entries import Decision
from ray_pipeline.gate.ledger import GateLedger
from tests.e2e.conftest import BIN
from tests.e2e.readme_blocks import README, REPOSITORY, blocks
from tests.gate_lake import GateLake
from tests.servers.ray_head import RayHead

MANIFEST = REPOSITORY / "configs/gate-cronjob.yaml"
CONFIG = "configs/kafka-s3.yaml"
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: sales
version: 1.0.0
status: active
schema:
  - name: sales
    logicalType: object
    properties:
      - {name: at, logicalType: timestamp, required: true}
      - {name: price, logicalType: number, required: true}
    quality:
      - {type: sql, query: "SELECT COUNT(*) FROM ${table} WHERE price < 0", mustBe: 0, severity: error}
customProperties:
  - {property: eventTime, value: at}
"""


def container() -> dict[str, Any]:
    """The one container of the manifest's Pod."""
    [found] = pod_of(yaml.safe_load(MANIFEST.read_text()))["containers"]
    return dict(found)


def pod_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return dict(manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"])


def crontab() -> tuple[dict[str, str], str, str]:
    """The README's crontab: variables, when, and the command as cron gives it to the shell."""
    [block] = blocks("crontab")
    *settings, line = block.text.splitlines()
    assert re.search(r"(?<!\\)%", line) is None, "cron would end the command there"
    *when, command = line.split(" ", 5)
    return dict(s.split("=", 1) for s in settings), " ".join(when), command.replace("\\%", "%")


def test_the_readme_shows_the_manifest_that_is_shipped():
    [shown] = [block.text for block in blocks("yaml") if "kind: CronJob" in block.text]
    assert MANIFEST.read_text().endswith(shown)


def test_the_manifest_is_a_cron_job_that_may_be_retried_and_never_overlaps():
    manifest = yaml.safe_load(MANIFEST.read_text())
    assert (manifest["apiVersion"], manifest["kind"]) == ("batch/v1", "CronJob")
    spec = manifest["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert re.fullmatch(r"[\d*/,-]+( [\d*/,-]+){4}", spec["schedule"])
    assert spec["schedule"] == crontab()[1]
    assert spec["timeZone"] == "Etc/UTC"
    assert spec["jobTemplate"]["spec"]["backoffLimit"] > 0
    assert pod_of(manifest)["restartPolicy"] == "Never", "so that each try is a Pod with a name of its own"
    assert len(manifest["metadata"]["name"]) <= 52, "Kubernetes appends the schedule's minute"


def test_the_run_is_named_by_the_schedule_and_the_submission_by_the_try():
    given = {one["name"]: one for one in container()["env"]}
    fields = {name: one["valueFrom"]["fieldRef"]["fieldPath"] for name, one in given.items() if "fieldRef" in str(one)}
    assert fields == {
        "RUN_ID": "metadata.labels['batch.kubernetes.io/job-name']",
        "SUBMISSION_ID": "metadata.name",
    }
    assert "secretKeyRef" in given["RAY_AUTH_TOKEN"]["valueFrom"]
    assert given["RAY_AUTH_MODE"]["value"] == crontab()[0]["RAY_AUTH_MODE"] == "token"


def test_both_submit_the_same_gate():
    [submitted] = re.findall(r"ray job submit .*", container()["args"][0].replace("\\\n", " "))
    words = [shlex.split(submitted), shlex.split(crontab()[2].split(" && ")[3])]
    kept = [[word for word in line if "RUN" not in word and "SUBMISSION" not in word] for line in words]
    assert kept[0] == kept[1]
    assert kept[0][-6:] == ["-m", "ray_pipeline", "gate", "--config", CONFIG, "--run-id"]
    environment = yaml.safe_load((REPOSITORY / kept[0][kept[0].index("--runtime-env") + 1]).read_text())
    assert int(environment["env_vars"]["RAY_JOB_STOP_WAIT_TIME_S"]) >= 60
    assert "configs/ray-job.yaml" in README.read_text()


@dataclass(frozen=True)
class Site:
    """A checkout in a home folder, whose configuration names a lake with one dataset, and a cluster."""

    home: Path
    lake: GateLake
    ray: RayHead

    def cron(self) -> subprocess.CompletedProcess[str]:
        """Do what cron does with the line of the README."""
        _, _, command = crontab()
        return self._shell(["/bin/sh", "-c", command], self.home, {})

    def kubernetes(self, job: str, pod: str) -> subprocess.CompletedProcess[str]:
        """Do what a kubelet does with the manifest's container."""
        made = container()
        return self._shell(
            [*made["command"], *made["args"]], self.home / "ray_pipeline", {"RUN_ID": job, "SUBMISSION_ID": pod}
        )

    def decisions(self) -> list[str]:
        """The run of every decision in the ledger."""
        ledger = GateLedger(self.lake.store, self.lake.config.pipeline, "sales", clock=self.lake.clock, rng=Random(1))
        return [entry.run_id for entry, _ in ledger.entries() if isinstance(entry, Decision)]

    def _shell(self, command: list[str], cwd: Path, more: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        environment = {"HOME": str(self.home), "PATH": f"{BIN}{os.pathsep}/usr/bin:/bin", **self.ray.client, **more}
        return subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("home")
    checkout = home / "ray_pipeline"
    (checkout / "configs").mkdir(parents=True)
    for part in ("ray_pipeline", "configs/ray-job.yaml"):
        (checkout / part).symlink_to(REPOSITORY / part)
    lake = GateLake(home, {"sales": CONTRACT}, store=str(home / "lake"))
    (checkout / CONFIG).write_text(lake.file.read_text().replace("'", '"'))
    load_config(checkout / CONFIG)
    head = RayHead()
    head.start({"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"})
    try:
        yield Site(home, lake, head)
    finally:
        head.stop()


@pytest.mark.ray
@pytest.mark.timeout(300)
def test_the_exit_code_of_the_gate_reaches_the_scheduler_and_no_run_decides_twice(site: Site):
    sold = {"at": "2013-02-04T10:00:00Z", "price": 1.5}
    site.lake.land("sales", [sold] * 3)
    sound = site.cron()
    assert sound.returncode == 0, sound.stdout + sound.stderr
    [run] = site.decisions()
    assert run.startswith(f"gate-{datetime.now(UTC):%Y-%m-%dT}"), "the interval's id"

    site.lake.land("sales", [sold, {**sold, "price": -1.0}])
    broken = site.kubernetes("flights-gate-22661405", "flights-gate-22661405-aaaaa")
    assert broken.returncode == 1, broken.stdout + broken.stderr
    assert site.decisions() == [run, "flights-gate-22661405"]

    again = site.kubernetes("flights-gate-22661405", "flights-gate-22661405-bbbbb")
    assert again.returncode == 1, "a retry says what the first try said"
    assert "was decided before" in again.stdout + again.stderr
    assert site.decisions() == [run, "flights-gate-22661405"], "and decides nothing"


@pytest.mark.ray
@pytest.mark.timeout(120)
def test_a_job_that_was_stopped_is_no_success(site: Site):
    submitted = container()["args"][0]
    status = submitted[submitted.index("ray job status") :]
    script = f"""
    ray job submit --no-wait --submission-id "$SUBMISSION_ID" -- sleep 100
    ray job stop "$SUBMISSION_ID"
    {status}"""
    done = site._shell(["/bin/sh", "-euc", script], site.home, {"SUBMISSION_ID": "stopped"})
    assert "was stopped" in done.stdout + done.stderr
    assert done.returncode == 1
