"""The README's commands for a cluster, as a person runs them: `ray start`, a real Kafka with TLS, a real S3 server."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from ray_pipeline import load_config, open_pipeline
from ray_pipeline.connectors.kafka.publisher import Publisher
from ray_pipeline.demo.plan import PARTITIONS, DemoPlan
from tests.e2e import readme_facts
from tests.e2e.conftest import BIN, Ran, Run
from tests.e2e.readme_blocks import REPOSITORY, blocks
from tests.servers.kafka import KafkaServer
from tests.servers.ray_head import RayHead
from tests.servers.s3 import KEY, REGION, SECRET, S3Server

FIRST, SECOND = DemoPlan(days=1), DemoPlan(start=date(2013, 2, 5), days=1)
PASSWORD = "admin-secret"
SECRETS = {
    "KAFKA_USERNAME": "admin",
    "KAFKA_PASSWORD": PASSWORD,
    "S3_KEY": KEY,
    "S3_SECRET": SECRET,
    "CATALOG_CREDENTIAL": "c",
}
CONFIG = "configs/kafka-s3.yaml"


@dataclass(frozen=True)
class Site:
    """A checkout whose configuration was edited, and everything that it names."""

    checkout: Path
    kafka: KafkaServer
    ray: RayHead
    call: Run

    def run(self, command: str, *, on_cluster: bool = False) -> Ran:
        """Run one command of the README in the checkout."""
        cluster = self.ray.client if on_cluster else {}
        return self.call(shlex.split(command), cwd=self.checkout, PYTHONPATH=str(self.checkout), **SECRETS, **cluster)

    def cron(self) -> Ran:
        """Run the gate as the README's cron line does, which expects the checkout in the home folder."""
        [block] = blocks("crontab")
        command = block.text.splitlines()[-1].split(" ", 5)[5].replace("\\%", "%")
        home = self.checkout.with_name("home")
        home.mkdir()
        (home / "ray_pipeline").symlink_to(self.checkout)
        return self.call(["/bin/sh", "-c", command], cwd=home, HOME=str(home), **self.ray.client)

    def publish(self, plan: DemoPlan) -> None:
        with Publisher({"bootstrap.servers": self.kafka.bootstrap}) as publisher:
            for event in plan.records():
                publisher.publish(event.topic, event.key, event.value, event.timestamp_ms)

    def standing(self) -> Any:
        """What `status` says, from the log alone."""
        pipeline = open_pipeline(load_config(self.checkout / CONFIG, environ=SECRETS))
        return pipeline.status(brokers=False).partitions


@pytest.fixture(scope="module")
def site(
    secure_kafka: KafkaServer, s3_server: S3Server, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    checkout = tmp_path_factory.mktemp("checkout")
    _copy(checkout)
    _edit(checkout / CONFIG, secure_kafka, s3_server)
    _create_topics(secure_kafka)
    head = RayHead()
    # As on a real node: `python` is the environment's own, and the secrets are set where Ray is started.
    head.start({**SECRETS, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"})
    try:
        yield Site(checkout, secure_kafka, head, run)
    finally:
        head.stop()


@pytest.mark.broker
@pytest.mark.s3
@pytest.mark.ray
@pytest.mark.timeout(300)
def test_the_readmes_commands_ingest_exactly_once_from_kafka_with_tls_to_s3(site: Site):
    site.publish(FIRST)
    assert site.ray.asked_without_token() == 401

    well = site.run(f"ray-pipeline doctor --config {CONFIG}")
    assert well.code == 0, well.out

    silent = [block for block in blocks("console") if not block.session]
    submit, stop, until_end = [c for b in silent for c in b.commands if not c.startswith("make ")]
    submitted = site.run(submit, on_cluster=True)
    assert submitted.code == 0, submitted.err
    wanted = sum(topic.read for topic in FIRST.expected().values())
    _eventually(lambda: _accounted_for(site) == wanted, 120, lambda: f"{_accounted_for(site)} of {wanted}")
    _eventually(lambda: not _missing_metrics(site), 30, lambda: f"without {_missing_metrics(site)}")

    stopped = site.run(stop, on_cluster=True)
    assert stopped.code == 0, stopped.err
    assert "was stopped" in stopped.out + stopped.err
    assert {str(p.standing) for p in site.standing()} == {"released"}, "the job drained before it ended"

    site.publish(SECOND)
    bounded = site.run(until_end)
    assert bounded.code == 0, bounded.err
    assert json.loads(bounded.out) == {
        name: {
            "read": topic.read,
            "landed": topic.landed,
            "dead_lettered": topic.dead_lettered,
            "by_rule": dict(topic.by_rule),
        }
        for name, topic in SECOND.expected().items()
    }

    gated = site.cron()
    assert gated.code == 1, gated.out + gated.err  # arrivals whose departures were dead-lettered
    info = site.run(f"ray-pipeline curated weather --config {CONFIG} --output json")
    assert json.loads(info.out)["rows"] == sum(plan.expected()["weather"].landed for plan in (FIRST, SECOND))
    assert json.loads(info.out)["metadata"].startswith("s3://")

    proof = site.run(f"ray-pipeline verify --brokers --config {CONFIG} --output json")
    assert proof.code == 0, proof.out + proof.err
    results = {one["id"]: one["status"] for one in json.loads(proof.out)["invariants"]}
    assert results["I8"] == "held", "the dead-letter topics hold exactly the bad records"

    said = [
        well.out,
        submitted.out,
        submitted.err,
        stopped.out,
        bounded.err,
        gated.out,
        gated.err,
        proof.out,
        proof.err,
    ]
    assert not [text for text in said if PASSWORD in text or SECRET in text]
    logs = [log for log in site.ray.logs() if PASSWORD.encode() in log.read_bytes()]
    assert logs == [], "a secret in Ray's logs"


def _accounted_for(site: Site) -> int:
    return sum(p.rows + p.dead_letters for p in site.standing())


def _missing_metrics(site: Site) -> set[str]:
    with urllib.request.urlopen(site.ray.metrics_url, timeout=5) as answer:
        exported = {line.split("{")[0] for line in answer.read().decode().splitlines()}
    named = {line.split("`")[1] for line in readme_facts.metrics()[2:]}
    return named - exported


def _copy(target: Path) -> None:
    """Copy what a clone would have, with what is not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file() and not name.startswith("tests/"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, target / name)


def _edit(config: Path, kafka: KafkaServer, s3: S3Server) -> None:
    """Edit the lines that the file tells a person to edit."""
    text = config.read_text()
    for old, new in (
        ("kafka-1.example.com:9093,kafka-2.example.com:9093", kafka.secure_bootstrap),
        ("SCRAM-SHA-512", "PLAIN"),
        ("# ssl.ca.location: /etc/ssl/certs/my-company-ca.pem", f"ssl.ca.location: {kafka.authority}"),
        ("s3://my-bucket", s3.new_bucket()),
        ("eu-west-1", REGION),
        ("# endpoint_url: https://minio.example.com:9000", f"endpoint_url: {s3.endpoint}"),
        ("type: rest", "type: sql"),
        ("uri: https://catalog.example.com", f"uri: sqlite:///{config.parent / 'curated.db'}"),
        ("  warehouse: flights  ", "  # warehouse: "),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    config.write_text(text)


def _create_topics(kafka: KafkaServer) -> None:
    """Create sources and dead-letter topics, which keep their records however old the events are."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    names = {name: n for topic, n in PARTITIONS.items() for name in (topic, f"{topic}.dead-letters")}
    asked = [NewTopic(name, n, 1, config={"retention.ms": "-1"}) for name, n in names.items()]
    for created in admin.create_topics(asked).values():
        created.result(15)


def _eventually(true: Callable[[], bool], seconds: float, found: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"after {seconds:.0f} s: {found()}"
        time.sleep(0.5)
