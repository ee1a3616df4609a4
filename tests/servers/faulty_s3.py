"""A small S3 that misbehaves on purpose: what a request meets is a function of the request's number."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OPTIONS = {"key": "canarykeyid", "secret": "canarysecret", "region": "us-east-1"}


@dataclass(frozen=True)
class Answer:
    """A refusal in S3's words; ``apply``: the write happens all the same, and only its reply is lost."""

    status: int
    code: str = "InternalError"
    apply: bool = False
    hang_up: bool = False

    def body(self) -> bytes:
        echo = f"<AWSAccessKeyId>{OPTIONS['key']}</AWSAccessKeyId><StringToSign>{OPTIONS['secret']}</StringToSign>"
        return f"<Error><Code>{self.code}</Code><Message>no</Message>{echo}</Error>".encode()


@dataclass
class FaultyS3:
    """Objects in memory behind a rule: ``rule(method, number)`` gives a refusal, or None for a sound answer."""

    rule: Callable[[str, int], Answer | None] = lambda _method, _number: None
    conditional: bool = True
    """False: If-None-Match is ignored, as by old servers and by proxies that drop it."""
    objects: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)

    def __enter__(self) -> FaultyS3:
        lock = threading.Lock()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _serve(self) -> None:
                data = self.rfile.read(int(self.headers.get("content-length", 0)))
                with lock:
                    fake.requests.append(self.command)
                    fake.authorizations.append(self.headers.get("authorization", ""))
                    answer = fake.rule(self.command, len(fake.requests))
                    if answer is None or answer.apply:
                        status, body = self._sound(data)
                if answer is not None:
                    status, body = answer.status, answer.body()
                    if answer.hang_up:
                        self.close_connection = True
                        return
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.send_header("etag", '"0"')
                self.send_header("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT")
                self.end_headers()
                with suppress(OSError):
                    self.wfile.write(body)

            def _sound(self, data: bytes) -> tuple[int, bytes]:
                if self.command == "PUT":
                    if fake.conditional and self.headers.get("if-none-match") == "*" and self.path in fake.objects:
                        return 412, b"<Error><Code>PreconditionFailed</Code></Error>"
                    fake.objects[self.path] = data
                    return 200, b""
                if self.command == "DELETE":
                    fake.objects.pop(self.path, None)
                    return 204, b""
                if self.command == "POST":
                    for path in [path for path in fake.objects if path.rpartition("/")[2].encode() in data]:
                        del fake.objects[path]
                    return 200, b"<DeleteResult/>"
                if self.path in fake.objects:
                    return 200, fake.objects[self.path]
                return 404, b"<Error><Code>NoSuchKey</Code></Error>"

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def options(self) -> dict[str, str]:
        return {**OPTIONS, "endpoint_url": f"http://127.0.0.1:{self._server.server_port}"}
