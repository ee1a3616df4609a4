"""What a store says when its server misbehaves: within seconds, in one sentence, without a secret."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from ray_pipeline.connectors.object_store import open_store, probe, require_put_if_absent
from ray_pipeline.connectors.object_store import s3 as s3_module
from ray_pipeline.errors import LakeError, StoreDeniedError, StoreUnavailableError, StoreUnsafeError
from ray_pipeline.lake.ports import ObjectStore
from tests.servers.faulty_s3 import OPTIONS, Answer, FaultyS3


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up after one second of repeating, so that these tests need not wait twenty."""
    monkeypatch.setattr(s3_module, "RETRY_SECONDS", 1.0)
    monkeypatch.setitem(s3_module._RETRY, "retry_timeout", timedelta(seconds=1))


def opened(fake: FaultyS3) -> ObjectStore:
    return open_store("s3://bucket/lake", fake.options)


def every_call(store: ObjectStore) -> Iterator[Callable[[], object]]:
    yield lambda: store.get("a")
    yield lambda: store.put("a", b"x")
    yield lambda: store.put_if_absent("a", b"x")
    yield lambda: list(store.list("a"))


def test_a_store_that_ignores_if_none_match_is_refused_in_one_sentence() -> None:
    with FaultyS3(conditional=False) as fake:
        with pytest.raises(StoreUnsafeError) as caught:
            require_put_if_absent(opened(fake))
        assert str(caught.value) == (
            "s3://bucket/lake cannot create an object only where none is (a second write to one key was accepted), "
            "so exactly once is not possible on it; use a store with conditional writes (If-None-Match)"
        )
        assert fake.objects == {}


def test_a_store_that_decides_sequences_but_not_races_is_refused() -> None:
    """A proxy that looks before it writes passes the sequential check and loses the race."""

    class Racy:
        url = "racy"

        def __init__(self) -> None:
            self.objects: dict[str, bytes] = {}

        def put_if_absent(self, key: str, data: bytes) -> bool:
            if key in self.objects:
                return False
            time.sleep(0.05)
            self.objects[key] = data
            return True

        def get(self, key: str) -> bytes | None:
            return self.objects.get(key)

        def delete(self, key: str) -> None:
            self.objects.pop(key, None)

    report = probe(Racy())  # type: ignore[arg-type]
    assert not report.safe
    assert "concurrent writers" in report.evidence


def test_a_store_that_knows_no_conditional_write_is_unsafe_too(impatient: None) -> None:
    with (
        FaultyS3(rule=lambda method, _: Answer(501, "NotImplemented") if method == "PUT" else None) as fake,
        pytest.raises(StoreUnsafeError, match="501"),
    ):
        probe(opened(fake))


def test_a_store_that_forbids_deleting_passes_the_probe_and_it_is_said() -> None:
    rule = lambda method, _: Answer(403, "AccessDenied") if method in ("DELETE", "POST") else None  # noqa: E731
    with FaultyS3(rule=rule) as fake:
        report = probe(opened(fake))
    assert report.safe
    assert not report.cleaned


def test_a_conflict_is_repeated_and_is_no_existing_object() -> None:
    with FaultyS3(rule=lambda _, number: Answer(409, "ConditionalRequestConflict") if number <= 3 else None) as fake:
        assert opened(fake).put_if_absent("a", b"mine")
        assert list(fake.objects.values()) == [b"mine"]
        assert not opened(fake).put_if_absent("a", b"other")


def test_a_conflict_without_end_is_unavailable(impatient: None) -> None:
    with (
        FaultyS3(rule=lambda *_: Answer(409, "ConditionalRequestConflict")) as fake,
        pytest.raises(StoreUnavailableError, match="409"),
    ):
        opened(fake).put_if_absent("a", b"mine")


def test_a_lost_reply_shows_as_an_existing_object_that_is_ones_own() -> None:
    with FaultyS3(rule=lambda _, number: Answer(500, apply=True) if number == 1 else None) as fake:
        store = opened(fake)
        assert not store.put_if_absent("a", b"mine")
        assert store.get("a") == b"mine"


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_passing_trouble_is_not_seen(status: int) -> None:
    with FaultyS3(rule=lambda _, number: Answer(status, "SlowDown") if number % 2 else None) as fake:
        store = opened(fake)
        store.put("a", b"x")
        assert store.get("a") == b"x"
        assert store.put_if_absent("b", b"y")


def test_a_connection_that_breaks_off_is_repeated_where_that_is_safe() -> None:
    with FaultyS3(rule=lambda _, number: Answer(0, hang_up=True) if number == 1 else None) as fake:
        assert opened(fake).get("a") is None
        assert len(fake.requests) == 2


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (Answer(403, "AccessDenied"), StoreDeniedError, "access denied"),
        (Answer(403, "InvalidAccessKeyId"), StoreDeniedError, "store_options.key"),
        (Answer(403, "SignatureDoesNotMatch"), StoreDeniedError, "store_options.secret"),
        (Answer(401, "Strange"), StoreDeniedError, "credential was refused"),
        (Answer(400, "ExpiredToken"), StoreDeniedError, "expired"),
        (Answer(400, "AuthorizationHeaderMalformed"), StoreDeniedError, "region"),
        (Answer(404, "NoSuchBucket"), StoreDeniedError, "does not exist"),
        (Answer(404, "Whatever"), StoreDeniedError, "404 Whatever"),
        (Answer(301, "PermanentRedirect"), StoreDeniedError, "another region"),
        (Answer(405, "MethodNotAllowed"), StoreDeniedError, "405"),
        (Answer(503, "SlowDown"), StoreUnavailableError, "503 SlowDown"),
        (Answer(0, hang_up=True), StoreUnavailableError, "did not"),
    ],
)
def test_each_refusal_is_one_sentence_without_a_secret(
    impatient: None, answer: Answer, error: type[LakeError], says: str
) -> None:
    with FaultyS3(rule=lambda *_: answer) as fake:
        for call in every_call(opened(fake)):
            with pytest.raises(error, match=says) as caught:
                call()
            text = f"{caught.value} {caught.value!r}"
            assert "canary" not in text
            assert "\n" not in text
            assert caught.value.__suppress_context__


def test_an_absent_and_a_mute_server_are_named_within_thirty_seconds() -> None:
    """Both at once, and all calls at once: together they take as long as one."""
    with socket.socket() as unused, socket.socket() as mute:
        for listener in (unused, mute):
            listener.bind(("127.0.0.1", 0))
        mute.listen(64)
        expected = ((unused, "connection refused"), (mute, "no answer in time"))
        calls = [
            (says, call)
            for listener, says in expected
            for call in every_call(open_store("s3://bucket/lake", at_address(listener)))
        ]
        with ThreadPoolExecutor(len(calls)) as pool:
            took = list(pool.map(lambda named: measured(named[1]), calls))
    for (says, _), (seconds, text) in zip(calls, took, strict=True):
        assert seconds < 30
        assert says in text


def test_a_machine_without_credentials_is_told_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = open_store("s3://bucket/lake", {"endpoint_url": "http://127.0.0.1:9"})
    for call in every_call(store):
        with pytest.raises(StoreDeniedError, match=r"set store_options\.key and store_options\.secret"):
            call()
    with pytest.raises(StoreDeniedError, match=r"check store_options\.profile"):
        open_store("s3://bucket/lake", {"profile": "nobody"})


def test_the_credential_of_the_aws_configuration_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "credentials").write_text("[mine]\naws_access_key_id = a\naws_secret_access_key = b\n")
    (tmp_path / "config").write_text("[profile mine]\nregion = eu-south-1\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with FaultyS3() as fake:
        store = open_store("s3://bucket/lake", {"profile": "mine", "endpoint_url": fake.options["endpoint_url"]})
        assert store.put_if_absent("a", b"x")
        assert "Credential=a/" in fake.authorizations[0]
        assert "/eu-south-1/s3/" in fake.authorizations[0]


def test_a_host_that_does_not_exist_is_named(impatient: None) -> None:
    store = open_store("s3://bucket/lake", {**OPTIONS, "endpoint_url": "http://no-such-host.invalid:9000"})
    with pytest.raises(StoreUnavailableError, match="host name is not known"):
        store.get("a")


def at_address(listener: socket.socket) -> dict[str, str]:
    return {**OPTIONS, "endpoint_url": f"http://127.0.0.1:{listener.getsockname()[1]}"}


def measured(call: Callable[[], object]) -> tuple[float, str]:
    began = time.monotonic()
    with pytest.raises(StoreUnavailableError) as caught:
        call()
    return time.monotonic() - began, str(caught.value)
