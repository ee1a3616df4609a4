"""Events arrive as they are; a receiver that is dead, slow or wrong costs the gate nothing but a line in the log."""

from __future__ import annotations

import gc
import json
import logging
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from multiprocessing import get_context
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ray_pipeline.config.lineage import LineageConfig
from ray_pipeline.connectors.openlineage import LineageEmitter, open_emitter
from ray_pipeline.connectors.openlineage.delivery import Event, UndeliveredError
from ray_pipeline.lineage.gate import gate_events
from tests.unit.connectors_openlineage.conftest import Receiver, status
from tests.unit.lineage.runs import RESULT, gate_run
from tests.unit.lineage.valid_events import complaints

EVENTS = gate_events(gate_run(), RESULT, "2013-01-04T03:00:20Z")
CANARY = "hunter2canary"
Start = Callable[..., Receiver]


def http(url: str, timeout: float = 5.0, token: str | None = None) -> LineageConfig:
    return LineageConfig.model_validate({"transport": "http", "url": url, "timeout": timeout, "token": token})


def test_what_arrives_is_the_event_and_keeps_every_schema(receiver: Start) -> None:
    server = receiver()
    emitter = open_emitter(http(server.url, token=CANARY))
    emitter.emit(*EVENTS)
    assert emitter.close(10) == 0
    assert [post[2] for post in server.posts] == list(EVENTS)
    assert [complaint for post in server.posts for complaint in complaints(post[2])] == []
    assert {post[0] for post in server.posts} == {"/api/v1/lineage"}
    assert {post[1]["Authorization"] for post in server.posts} == {f"Bearer {CANARY}"}


def test_a_file_gets_one_event_a_line_and_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lineage.ndjson"
    for _ in range(2):
        emitter = open_emitter(LineageConfig(transport="file", path=path))
        emitter.emit(*EVENTS)
        assert emitter.close(10) == 0
    written = [json.loads(line) for line in path.read_text().splitlines()]
    assert written == [*EVENTS, *EVENTS]
    assert [complaint for event in written for complaint in complaints(event)] == []


def _append(path: str, times: int) -> None:
    emitter = open_emitter(LineageConfig(transport="file", path=Path(path)))
    for _ in range(times):
        emitter.emit(EVENTS[1])
    assert emitter.close(60) == 0


def test_two_gates_that_write_to_one_file_tear_no_line(tmp_path: Path) -> None:
    path = tmp_path / "lineage.ndjson"
    processes = [get_context("spawn").Process(target=_append, args=(str(path), 40)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert [json.loads(line) for line in path.read_text().splitlines()] == [EVENTS[1]] * 80


def test_nobody_is_told_unless_asked() -> None:
    threads = threading.active_count()
    emitter = open_emitter(LineageConfig())
    emitter.emit(*EVENTS)
    assert threading.active_count() == threads
    assert emitter.close(0) == 0


@pytest.mark.parametrize("place", ["/proc/version/lineage", "/proc/version", "{folder}"])
def test_a_file_that_cannot_be_written_is_said_once(
    place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    emitter = open_emitter(LineageConfig(transport="file", path=Path(place.format(folder=tmp_path))))
    emitter.emit(*EVENTS)
    assert emitter.close(10) == 2
    assert emitter.close(10) == 2
    said = [record.getMessage() for record in caplog.records if record.name.startswith("ray_pipeline")]
    assert len(said) == 1
    assert said[0].startswith("2 OpenLineage events did not arrive: the file cannot be written: ")


def test_a_pipe_without_a_reader_stalls_nothing(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    emitter = open_emitter(LineageConfig(transport="file", path=pipe))
    emitter.emit(EVENTS[0])
    assert emitter.close(0.2) == 1
    with pipe.open() as reader:  # let the thread go
        assert reader.read().startswith("{")


def test_a_dead_receiver_costs_a_line_in_the_log(dead_url: str, caplog: pytest.LogCaptureFixture) -> None:
    emitter = open_emitter(http(dead_url, token=CANARY))
    emitter.emit(*EVENTS)
    assert emitter.close(30) == 2
    assert "2 OpenLineage events did not arrive: the receiver cannot be reached (ConnectionError)" in caplog.text
    assert CANARY not in caplog.text


def test_a_receiver_that_fails_is_asked_three_times_and_one_that_refuses_once(
    receiver: Start, caplog: pytest.LogCaptureFixture
) -> None:
    for code, times in ((500, 3), (503, 3), (400, 1), (401, 1)):
        caplog.clear()
        server = receiver(status(code, **{"Retry-After": "86400"}))
        emitter = open_emitter(http(server.url, token=CANARY))
        emitter.emit(EVENTS[0])
        assert emitter.close(30) == 1
        assert len(server.posts) == times
        assert f"1 OpenLineage event did not arrive: the receiver answered {code}" in caplog.text
        assert CANARY not in caplog.text


def test_a_receiver_that_recovers_gets_everything(receiver: Start) -> None:
    answers = iter([status(503), status(502), status(201), status(201)])
    server = receiver(lambda handler: next(answers)(handler))
    emitter = open_emitter(http(server.url))
    emitter.emit(*EVENTS)
    assert emitter.close(30) == 0
    assert [post[2]["eventType"] for post in server.posts] == ["START", "START", "START", "COMPLETE"]


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(code: int, receiver: Start, caplog: pytest.LogCaptureFixture) -> None:
    elsewhere = receiver()
    server = receiver(status(code, Location=f"{elsewhere.url}/api/v1/lineage"))
    emitter = open_emitter(http(server.url, token=CANARY))
    emitter.emit(EVENTS[0])
    assert emitter.close(30) == 1
    assert len(server.posts) == 1
    assert elsewhere.posts == []
    assert "give lineage.url the final address" in caplog.text
    assert CANARY not in caplog.text


def test_a_redirect_to_nowhere_is_no_delivery(receiver: Start) -> None:
    emitter = open_emitter(http(receiver(status(304)).url))
    emitter.emit(EVENTS[0])
    assert emitter.close(30) == 1


def test_a_slow_receiver_stalls_neither_the_gate_nor_its_end(receiver: Start, caplog: pytest.LogCaptureFixture) -> None:
    server = receiver(lambda _: server.released.wait(60))
    emitter = open_emitter(http(server.url, timeout=60))
    began = time.monotonic()
    emitter.emit(*EVENTS)
    assert time.monotonic() - began < 1
    assert server.asked.wait(30)
    began = time.monotonic()
    assert emitter.close(0.2) == 2
    assert time.monotonic() - began < 5
    assert "2 OpenLineage events did not arrive: no answer within 0.2 s" in caplog.text


def test_one_attempt_ends_after_the_timeout(receiver: Start, caplog: pytest.LogCaptureFixture) -> None:
    server = receiver(lambda _: server.released.wait(60))
    emitter = open_emitter(http(server.url, timeout=0.2))
    emitter.emit(EVENTS[0])
    assert emitter.close(30) == 1
    assert "the receiver did not answer in time" in caplog.text


def test_an_answer_without_end_is_not_read(receiver: Start) -> None:
    written = []

    def flood(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(b"x" * 1_000_000)
            written.append(1)

    emitter = open_emitter(http(receiver(flood).url))
    emitter.emit(EVENTS[0])
    assert emitter.close(30) == 0
    assert len(written) < 100


def test_what_is_no_http_is_no_delivery(receiver: Start, caplog: pytest.LogCaptureFixture) -> None:
    emitter = open_emitter(http(receiver(lambda handler: handler.wfile.write(b"SSH-2.0-x\r\n")).url, token=CANARY))
    emitter.emit(EVENTS[0])
    assert emitter.close(30) == 1
    assert "the receiver cannot be reached" in caplog.text
    assert CANARY not in caplog.text


def _certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Return the file of a certificate for 127.0.0.1 that nobody knows, and a server's side of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = builder.add_extension(addresses, critical=False).sign(key, hashes.SHA256())
    authority, private = folder / "ca.pem", folder / "key.pem"
    authority.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority, private)
    return authority, tls


def test_a_certificate_must_be_known_or_named(
    receiver: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority, tls = _certificate(tmp_path)
    server = receiver(None, tls)
    emitter = open_emitter(http(server.url, token=CANARY))
    emitter.emit(EVENTS[0])
    assert emitter.close(30) == 1
    assert "certificate is not trusted" in caplog.text
    assert server.posts == []
    emitter = open_emitter(http(server.url, token=CANARY).model_copy(update={"ca_file": authority}))
    emitter.emit(EVENTS[0])
    assert emitter.close(30) == 0
    assert [post[2] for post in server.posts] == [EVENTS[0]]


class Held:
    """A delivery that waits to be let go."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self._trouble = trouble
        self.go, self.begun = threading.Event(), threading.Event()
        self.sent: list[Event] = []

    def send(self, event: Event) -> None:
        self.begun.set()
        self.go.wait(60)
        if self._trouble is not None:
            raise self._trouble
        self.sent.append(event)

    def close(self) -> None:
        self.begun.set()


def test_a_full_queue_drops_and_counts(caplog: pytest.LogCaptureFixture) -> None:
    held = Held()
    emitter = LineageEmitter(lambda: held, capacity=5)
    emitter.emit(EVENTS[0])
    assert held.begun.wait(10)
    for _ in range(20):
        emitter.emit(EVENTS[0])
    held.go.set()
    assert emitter.close(10) == 15
    assert len(held.sent) == 6
    assert "15 OpenLineage events did not arrive: the queue was full" in caplog.text


def test_an_event_after_the_end_is_lost_and_counted() -> None:
    held = Held()
    held.go.set()
    emitter = LineageEmitter(lambda: held)
    assert emitter.close(10) == 0
    emitter.emit(*EVENTS)
    assert emitter.close(10) == 2
    assert held.sent == []


@pytest.mark.parametrize("trouble", [None, UndeliveredError("no", False), OSError("no")])
def test_what_was_given_up_is_not_counted_twice(trouble: Exception | None) -> None:
    held = Held(trouble)
    emitter = LineageEmitter(lambda: held)
    emitter.emit(*EVENTS)
    assert held.begun.wait(10)
    assert emitter.close(0) == 2
    held.begun.clear()
    held.go.set()
    assert held.begun.wait(10)  # closed
    assert emitter.close(10) == 2
    assert len(held.sent) == (trouble is None)


@pytest.mark.parametrize("where", ["opening", "sending"])
def test_whatever_goes_wrong_the_gate_goes_on(where: str, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Held):
        def send(self, event: Event) -> None:
            raise ZeroDivisionError(CANARY)

    def opening() -> Held:
        if where == "opening":
            raise ZeroDivisionError(CANARY)
        return Broken()

    emitter = LineageEmitter(opening)
    emitter.emit(*EVENTS)
    assert emitter.close(10) == 2
    assert "2 OpenLineage events did not arrive: unexpected ZeroDivisionError" in caplog.text
    assert CANARY not in caplog.text


def test_an_event_that_is_none_is_not_sent(receiver: Start) -> None:
    server = receiver()
    emitter = open_emitter(http(server.url))
    emitter.emit({"eventType": "BEGIN"}, EVENTS[0])
    assert emitter.close(10) == 1
    assert [post[2] for post in server.posts] == [EVENTS[0]]


def test_the_reason_survives_pickling() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(UndeliveredError("the receiver answered 500", True)))
    assert (str(error), error.again) == ("the receiver answered 500", True)


def test_a_process_with_an_undelivered_event_ends(receiver: Start) -> None:
    server = receiver(lambda _: server.released.wait(60))
    program = (
        "from ray_pipeline.config.lineage import LineageConfig\n"
        "from ray_pipeline.connectors.openlineage import open_emitter\n"
        "import json, sys\n"
        "emitter = open_emitter(LineageConfig(transport='http', url=sys.argv[1], timeout=60))\n"
        "emitter.emit(json.loads(sys.argv[2]))\n"
        "print(emitter.close(0.1))\n"
    )
    command = [sys.executable, "-c", program, server.url, json.dumps(EVENTS[0])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "1"


def test_only_our_configuration_counts(receiver: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, trap = receiver(), receiver()
    (tmp_path / "openlineage.yml").write_text(
        f"transport: {{type: http, url: '{trap.url}'}}\n"
        "facets: {environment_variables: [CANARY]}\nfilters: [{type: regex, regex: '.*'}]\n"
    )
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login ann password wrong\n")
    hostile = {
        "OPENLINEAGE_DISABLED": "true",
        "OPENLINEAGE_URL": trap.url,
        "OPENLINEAGE_API_KEY": "wrong",
        "OPENLINEAGE_ENDPOINT": "wrong",
        "OPENLINEAGE_CONFIG": str(tmp_path / "openlineage.yml"),
        "OPENLINEAGE_CLIENT_LOGGING": "NO SUCH LEVEL",
        "OPENLINEAGE__TRANSPORT__TYPE": "console",
        "OPENLINEAGE__TAGS__RUN": '{"a": "b"}',
        "OPENLINEAGE__FACETS__ENVIRONMENT_VARIABLES": '["CANARY"]',
        "CANARY": CANARY,
        "HTTP_PROXY": trap.url,
        "http_proxy": trap.url,
        "ALL_PROXY": trap.url,
        "NETRC": str(netrc),
        "REQUESTS_CA_BUNDLE": str(tmp_path / "absent.pem"),
    }
    monkeypatch.chdir(tmp_path)
    for name, value in hostile.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    emitter = open_emitter(http(server.url, token="right"))
    emitter.emit(*EVENTS)
    assert emitter.close(10) == 0
    assert dict(os.environ) == before
    assert [post[2] for post in server.posts] == list(EVENTS)
    assert {post[1]["Authorization"] for post in server.posts} == {"Bearer right"}
    assert trap.posts == []


def test_nothing_of_the_client_is_loaded_before_the_first_event() -> None:
    code = (
        "import sys\nfrom ray_pipeline.config.lineage import LineageConfig\n"
        "from ray_pipeline.connectors.openlineage import open_emitter\n"
        "open_emitter(LineageConfig(transport='http', url='http://127.0.0.1:9')).close(0)\n"
        "print([name for name in ('openlineage', 'requests', 'attr') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture(autouse=True)
def _no_connection_is_left(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    gc.collect()
