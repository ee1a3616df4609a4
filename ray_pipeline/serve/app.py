"""The HTTP application: what comes in, through which steps, to which answer. It knows no Ray."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import datetime
from typing import Any, Final

import orjson

from ray_pipeline.runtime.predictions.event import event_bytes, moment_text
from ray_pipeline.runtime.predictions.policy import Refusal as NoAnswer
from ray_pipeline.runtime.predictions.policy import Why
from ray_pipeline.runtime.predictions.prediction import Prediction, PredictionRequest
from ray_pipeline.runtime.predictions.publish import timestamp_ms
from ray_pipeline.runtime.predictions.request import RequestError
from ray_pipeline.serve.body import Disconnected, read_body, read_object
from ray_pipeline.serve.desk import Desk, Version
from ray_pipeline.serve.handoff import hand_over
from ray_pipeline.serve.metrics import CONTENT_TYPE
from ray_pipeline.serve.openapi import docs_page, openapi_document
from ray_pipeline.serve.refusal import Refusal

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
_Page = Callable[[Desk, Mapping[bytes, bytes]], "Answer"]

FIRST_LOOK: Final = 60.0
"""Seconds that a process may take to load its first champion before requests reach it all the same."""
_JSON: Final = "application/json"
_WHY: Final = {Why.NOT_FOUND: "entity_unknown", Why.STALE: "feature_stale", Why.UNAVAILABLE: "store_unavailable"}


class Answer:
    """Status, body and headers."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes, kind: str = _JSON, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.body = status, body
        self.headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        self.headers.extend((name.encode(), value.encode()) for name, value in (headers or {}).items())

    @classmethod
    def refusing(cls, refusal: Refusal, request_id: str | None = None) -> Answer:
        """Return a refusal as JSON."""
        return cls(refusal.status, orjson.dumps(refusal.to_json(request_id)), headers=refusal.headers)


def make_app(desk: Desk) -> App:
    """Return the ASGI application of one replica. Its lifespan starts the desk's threads and ends them."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(desk, receive, send)
        elif scope["type"] == "http":
            answer = await _answer(desk, scope, receive)
            if answer is not None:
                await _send(answer, scope, send)
        else:
            await send({"type": "websocket.close", "code": 1003})

    return app


async def _live(desk: Desk, receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            desk.start()
            await asyncio.get_running_loop().run_in_executor(None, desk.champion.wait_looked, FIRST_LOOK)
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await asyncio.get_running_loop().run_in_executor(None, desk.close)
            await send({"type": "lifespan.shutdown.complete"})
            return


async def _send(answer: Answer, scope: Scope, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})


async def _answer(desk: Desk, scope: Scope, receive: Receive) -> Answer | None:
    path = scope["path"][len(scope.get("root_path", "")) :] or "/"
    headers: Mapping[bytes, bytes] = dict(scope["headers"])
    if path == "/predict":
        return await _predict(desk, scope["method"], headers, receive)
    try:
        page = _page(path, scope["method"])
        if path not in _OPEN:
            _check_token(desk, headers)
        return page(desk, headers)
    except Refusal as refusal:
        return Answer.refusing(refusal)
    except Exception:
        logger.exception("%s could not be shown", path if path in _PAGES else "a page")
        return Answer.refusing(Refusal("internal"))


def _page(path: str, method: str) -> _Page:
    if path not in _PAGES:
        raise Refusal("no_such_page")
    if method not in ("GET", "HEAD"):
        raise Refusal("method_not_allowed", headers={"allow": "GET, HEAD"})
    return _PAGES[path]


async def _predict(desk: Desk, method: str, headers: Mapping[bytes, bytes], receive: Receive) -> Answer | None:
    work = _Work(desk)
    try:
        answer, code = await work.run(method, headers, receive), "ok"
    except Refusal as refusal:
        answer, code = Answer.refusing(refusal, work.request_id), refusal.code
    except Disconnected:
        desk.metrics.requested("none", "client_left")
        return None
    except Exception as error:  # noqa: BLE001  a client gets an answer whatever happens
        # The text of a foreign error may quote what was sent: its kind and its place have to be enough.
        logger.error("a request broke: %s\n%s", type(error).__name__, _places(error))  # noqa: TRY400
        answer, code = Answer.refusing(Refusal("internal"), work.request_id), "internal"
    desk.metrics.requested(str(answer.status), code)
    desk.metrics.seconds["all"](time.perf_counter() - work.started)
    return answer


class _Work:
    """One request on its way; ``request_id`` is what is known of it when it fails."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._seconds = desk.metrics.seconds
        self.started = self._mark = time.perf_counter()
        self.request_id: str | None = None

    async def run(self, method: str, headers: Mapping[bytes, bytes], receive: Receive) -> Answer:
        """Take the steps in their order. The event is handed over last, and no answer leaves before it."""
        desk = self._desk
        if method != "POST":
            raise Refusal("method_not_allowed", headers={"allow": "POST"})
        _check_token(desk, headers)
        if desk.ending:
            raise Refusal("ending")
        if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
            raise Refusal("not_json_type")
        body = await self._body(headers, receive)
        version = desk.champion.current
        if version is None:
            raise Refusal("no_champion", f"No version of model {desk.config.model} answers yet.")
        request = self._parsed(version, body)
        step = "turn"
        try:
            async with asyncio.timeout(desk.config.timeout_seconds - (time.perf_counter() - self.started)):
                await desk.turns.take()
                self._took("turn")
                step = "answer"
                found = await _in_thread(desk, version, request)
                self._took("answer")
                if isinstance(found, NoAnswer):
                    raise Refusal(_WHY.get(found.why, "store_unavailable"), found.message)
                step = "hand_off"
                moment = found.as_of if version.replay else None
                at = time.time_ns() // 1_000_000 if moment is None else timestamp_ms(moment)
                event, key = event_bytes(found), found.request.request_id.encode()
                await hand_over(desk.log, desk.config.hand_off, key, event, at)
                self._took("hand_off")
        except TimeoutError:
            raise Refusal("not_logged" if step == "hand_off" else "too_slow") from None
        desk.metrics.answered(found)
        return Answer(200, orjson.dumps(answer_json(found)))

    async def _body(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        config = self._desk.config
        try:
            async with asyncio.timeout(config.timeout_seconds):
                body = await read_body(receive, headers.get(b"content-length"), config.max_body_bytes)
        except TimeoutError:
            raise Refusal("body_too_slow") from None
        self._took("body")
        return body

    def _parsed(self, version: Version, body: bytes) -> PredictionRequest:
        try:
            request = version.read(read_object(body))
        except RequestError as error:
            raise Refusal(error.code, error.message, field=error.field, status=422) from None
        self.request_id = request.request_id
        self._took("parse")
        return request

    def _took(self, step: str) -> None:
        now = time.perf_counter()
        self._seconds[step](now - self._mark)
        self._mark = now


async def _in_thread(desk: Desk, version: Version, request: PredictionRequest) -> Prediction | NoAnswer:
    """Answer in a thread, so that a store that hangs blocks nobody else; the turn ends when the thread has ended."""
    loop = asyncio.get_running_loop()
    try:
        work = desk.threads.submit(version.answer, request)
    except RuntimeError:  # the pool was shut down
        desk.turns.give_back()
        raise Refusal("ending") from None

    def ended(_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for a turn any more
            loop.call_soon_threadsafe(desk.turns.give_back)

    try:
        return await asyncio.shield(asyncio.wrap_future(work))
    finally:
        if work.done():
            desk.turns.give_back()
        else:
            work.add_done_callback(ended)


def answer_json(prediction: Prediction) -> dict[str, Any]:
    """Return what a client gets to read."""
    return {
        "request_id": prediction.request.request_id,
        "probability": prediction.probability,
        "model": {"name": prediction.model, "version": prediction.version},
        "as_of": moment_text(prediction.as_of),
        "status": "complete" if prediction.is_complete else "degraded",
        "features": {
            name: {
                "value": moment_text(found.value) if isinstance(found.value, datetime) else found.value,
                "status": found.status.value,
            }
            for name, found in prediction.features.items()
        },
    }


def _check_token(desk: Desk, headers: Mapping[bytes, bytes]) -> None:
    if desk.token is not None and not _has_token(desk, headers):
        raise Refusal("unauthorized", headers={"www-authenticate": "Bearer"})


def _has_token(desk: Desk, headers: Mapping[bytes, bytes]) -> bool:
    scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
    return desk.token is not None and scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), desk.token)


def _healthz(_desk: Desk, _headers: Mapping[bytes, bytes]) -> Answer:
    return Answer(200, b'{"status":"alive"}')


def _readyz(desk: Desk, headers: Mapping[bytes, bytes]) -> Answer:
    """Say whether requests are answered. Sentences name machines, so where there is a token they are for its holder."""
    reasons, warnings, version = desk.reasons(), desk.warnings(), desk.champion.current
    told = desk.token is None or _has_token(desk, headers)
    said: dict[str, Any] = {
        "ready": not reasons,
        "model": None if version is None else {"name": version.manifest.name, "version": version.manifest.number},
        "reasons": reasons if told else sorted(reasons),
        "warnings": warnings if told else sorted(warnings),
    }
    if told:
        said |= {"pipeline": desk.pipeline, "replica": desk.replica}
    return Answer(503 if reasons else 200, orjson.dumps(said))


def _metrics(desk: Desk, _headers: Mapping[bytes, bytes]) -> Answer:
    desk.reasons()  # sets whether it is ready
    return Answer(200, desk.metrics.text(), CONTENT_TYPE)


def _openapi(desk: Desk, _headers: Mapping[bytes, bytes]) -> Answer:
    return Answer(200, orjson.dumps(openapi_document(desk.config, desk.champion.current)))


def _docs(desk: Desk, _headers: Mapping[bytes, bytes]) -> Answer:
    policy = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
    page = docs_page(openapi_document(desk.config, desk.champion.current))
    return Answer(200, page.encode(), "text/html; charset=utf-8", policy)


_PAGES: Final[Mapping[str, _Page]] = {
    "/healthz": _healthz,
    "/readyz": _readyz,
    "/metrics": _metrics,
    "/openapi.json": _openapi,
    "/docs": _docs,
}
_OPEN: Final = frozenset({"/healthz", "/readyz"})


def _places(error: BaseException) -> str:
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    return "\n".join(f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames)
