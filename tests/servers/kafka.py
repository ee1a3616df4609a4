"""A real Apache Kafka (KRaft, one node) for tests: fetched by Maven coordinates, started on free loopback ports."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

KAFKA = "org.apache.kafka:kafka_2.13:4.1.2"
LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5"
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "kafka"
_JVM = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
_LOG4J = """\
Configuration:
  Appenders: {Console: {name: OUT, PatternLayout: {pattern: "%d %p [%t] %c{1}: %m%n"}}}
  Loggers:
    Root: {level: WARN, AppenderRef: {ref: OUT}}
    Logger: [{name: kafka.server.KafkaRaftServer, level: INFO}]
"""
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=8388608
log.segment.delete.delay.ms=100
log.retention.ms=-1
num.network.threads=2
num.io.threads=4
"""
_SECURE = """\
sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.sasl.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_pat="pat-secret" user_admin="admin-secret";
listener.name.sasl.ssl.keystore.type=PEM
listener.name.sasl.ssl.truststore.type=PEM
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:admin
"""


class KafkaUnavailableError(Exception):
    """No real Kafka can be run here; the sentence says why."""


class KafkaServer:
    """One broker that keeps its data over ``kill()`` and ``start()``, until ``stop()`` removes them.

    ``secure`` adds a SASL_SSL listener (``secure_bootstrap``, authority in ``authority``) with ACLs; the plain one
    is then for a super user. Users by PLAIN: pat / pat-secret (no rights), admin / admin-secret; by SCRAM-SHA-512:
    alice / alice-secret (no rights).
    """

    ours = True

    def __init__(self, *, secure: bool = False) -> None:
        self._secure = secure
        self._libs = kafka_libs()
        self._folder = Path(tempfile.mkdtemp(prefix="ray-pipeline-kafka-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._ports = _free_ports(3)
        self.bootstrap = f"127.0.0.1:{self._ports[0]}"
        self.secure_bootstrap = f"127.0.0.1:{self._ports[2]}"
        self.authority = self._folder / "ca.crt"
        self._format()

    def start(self, timeout: float = 60.0) -> None:
        """Start the broker and return when it takes requests."""
        log = self._folder / "server.log"
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(self._folder / "server.properties")),
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the tests' terminal is not the broker's business
            )
        atexit.register(self.kill)
        # its standard input ends when this process does, however that happens: no broker is left behind
        self._watchdog = subprocess.Popen(
            ["sh", "-c", 'cat >/dev/null; kill -9 "$1"; rm -rf "$2"', "sh", str(self._process.pid), str(self._folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        deadline = time.monotonic() + timeout
        while b"Kafka Server started" not in log.read_bytes():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise KafkaUnavailableError(f"Kafka did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """End the broker as a power cut does."""
        self._signal(signal.SIGKILL)

    def terminate(self) -> None:
        """End the broker in an orderly way, keeping its data."""
        self._signal(signal.SIGTERM)

    def stop(self) -> None:
        """End the broker and remove its data."""
        self.terminate()
        atexit.unregister(self.kill)
        shutil.rmtree(self._folder, ignore_errors=True)

    def freeze(self) -> None:
        """Let the broker hang: connected, and silent."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """End what :meth:`freeze` began."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if self._watchdog is not None:
            self._watchdog.kill()
            self._watchdog.communicate()
        process.send_signal(number)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    def _format(self) -> None:
        plain, controller, sasl = self._ports
        listeners = [f"PLAINTEXT://127.0.0.1:{plain}", f"CONTROLLER://127.0.0.1:{controller}"]
        protocols = ["PLAINTEXT:PLAINTEXT", "CONTROLLER:PLAINTEXT"]
        text = _PROPERTIES
        scram: list[str] = []
        if self._secure:
            listeners.append(f"SASL://127.0.0.1:{sasl}")
            protocols.append("SASL:SASL_SSL")
            _certificates(self._folder)
            text += _SECURE
            text += f"listener.name.sasl.ssl.keystore.location={self._folder}/broker.pem\n"
            text += f"listener.name.sasl.ssl.truststore.location={self._folder}/ca.crt\n"
            scram = ["--add-scram", "SCRAM-SHA-512=[name=alice,password=alice-secret]"]
        text += f"listeners={','.join(listeners)}\n"
        text += f"advertised.listeners={','.join(one for one in listeners if 'CONTROLLER' not in one)}\n"
        text += f"listener.security.protocol.map={','.join(protocols)}\n"
        text += f"controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n"
        text += f"log.dirs={self._folder}/data\n"
        properties = self._folder / "server.properties"
        properties.write_text(text)
        (self._folder / "log4j2.yaml").write_text(_LOG4J)
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = ["format", "--standalone", "-t", cluster.replace("-", "a"), "-c", str(properties), *scram]
        done = subprocess.run(self._java("kafka.tools.StorageTool", *command), capture_output=True, timeout=60)
        if done.returncode:
            raise KafkaUnavailableError(f"Kafka's storage was not formatted: {done.stderr.decode()[-500:]}")

    def _java(self, main: str, *arguments: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={self._folder / 'log4j2.yaml'}"
        return ["java", *_JVM, logging, "-cp", str(self._libs / "*"), main, *arguments]


class ForeignKafka:
    """A broker that a person named; tests that must end it cannot run."""

    ours = False

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def __getattr__(self, name: str) -> Any:
        raise KafkaUnavailableError(f"the broker of RAY_PIPELINE_TEST_BOOTSTRAP is not ours to {name}")


def kafka_libs() -> Path:
    """Return a folder of Kafka's jars: ``KAFKA_HOME``'s, else fetched once into the cache."""
    home = os.environ.get("KAFKA_HOME")
    if shutil.which("java") is None:
        raise KafkaUnavailableError("no real Kafka: java is not installed (Java 17 or newer)")
    if home:
        libs = Path(home) / "libs"
        if not libs.is_dir():
            raise KafkaUnavailableError(f"no real Kafka: KAFKA_HOME has no folder libs ({home})")
        return libs
    pom = _pom()
    libs = CACHE / f"{KAFKA.rsplit(':', 1)[1]}-{hashlib.sha256(pom.encode()).hexdigest()[:8]}"
    if not libs.is_dir():
        _fetch(pom, libs)
    return libs


def _fetch(pom: str, libs: Path) -> None:
    if shutil.which("mvn") is None:
        raise KafkaUnavailableError("no real Kafka: mvn is not installed, and neither KAFKA_HOME nor a broker is named")
    libs.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=libs.parent) as name:
        folder = Path(name)
        (folder / "pom.xml").write_text(pom)
        command = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={folder / 'libs'}"]
        done = subprocess.run(command, cwd=folder, capture_output=True, stdin=subprocess.DEVNULL, timeout=600)
        if done.returncode:
            raise KafkaUnavailableError(f"no real Kafka: mvn could not fetch it: {done.stdout.decode()[-500:]}")
        with contextlib.suppress(OSError):  # another run was faster
            (folder / "libs").rename(libs)


def _pom() -> str:
    dependencies = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>"
        "</dependency>"
        for group, artifact, version in (name.split(":") for name in (KAFKA, LOGGING))
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>ray-pipeline</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>"
        f"<packaging>pom</packaging><dependencies>{dependencies}</dependencies></project>"
    )


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _certificates(folder: Path) -> None:
    """Make a test authority (ca.crt), another one that signed nothing (other.crt), and the broker's broker.pem."""
    if shutil.which("openssl") is None:
        raise KafkaUnavailableError("no Kafka with TLS: openssl is not installed")
    (folder / "san.ext").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for command in (
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=test-ca",
        "req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.crt -subj /CN=other-ca",
        "req -newkey rsa:2048 -nodes -keyout b.key -out b.csr -subj /CN=broker",
        "x509 -req -in b.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile san.ext -out b.crt",
        "pkcs8 -topk8 -nocrypt -in b.key -out b.p8",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, capture_output=True, check=True)
    (folder / "broker.pem").write_text("".join((folder / name).read_text() for name in ("b.p8", "b.crt", "ca.crt")))
