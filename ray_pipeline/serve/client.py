"""Asking a served model over HTTP: what the command line, a notebook and the demo need of a client."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ray_pipeline.errors import RayPipelineError

if TYPE_CHECKING:
    from pydantic import SecretStr


class NotServedError(RayPipelineError):
    """Nobody answers, or not in time, or the answer is no."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url, self.reason = url, reason

    def __str__(self) -> str:
        return f"no predictions from {self.url}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer over HTTP."""

    status: int
    body: Any
    """What its JSON says; None where it is none."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A model that is served."""

    url: str
    """Where it listens, as in ``http://127.0.0.1:8000``."""
    model: str
    token: SecretStr | None = field(default=None, repr=False)

    def ask(self, document: Mapping[str, Any], timeout: float = 60.0) -> Reply:
        """Ask one question; whatever its status, the answer is returned."""
        return self._call("/predict", json.dumps(document).encode(), timeout)

    def ready(self, timeout: float = 10.0) -> Reply:
        """Return what ``/readyz`` says."""
        return self._call("/readyz", None, timeout)

    def wait_ready(self, seconds: float) -> Reply:
        """Return once requests are answered; ``NotServedError`` says why they are not after so many seconds."""
        deadline = time.monotonic() + seconds
        reason = "nobody listens there"
        while True:
            try:
                reply = self.ready(max(0.5, min(10.0, deadline - time.monotonic())))
                if reply.status == 200:
                    return reply
                reason = in_words(reply)
            except NotServedError as error:
                reason = error.reason
            if time.monotonic() > deadline:
                raise NotServedError(self.url, reason)
            time.sleep(0.1)

    def _call(self, path: str, body: bytes | None, timeout: float) -> Reply:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token.get_secret_value()}"
        request = urllib.request.Request(self.url + path, data=body, headers=headers)  # noqa: S310  the url is http
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy must not see the token
        try:
            with opener.open(request, timeout=timeout) as answer:
                return Reply(int(answer.status), _json(answer.read()))
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, _json(error.read()))
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise NotServedError(self.url, getattr(reason, "strerror", None) or "no answer in time") from None


def in_words(reply: Reply) -> str:
    """Return why nothing is answered, from what ``/readyz`` says."""
    reasons = reply.body.get("reasons") if isinstance(reply.body, Mapping) else None
    if isinstance(reasons, Mapping) and reasons:
        return "; ".join(f"{name}: {said}" for name, said in reasons.items())
    if isinstance(reasons, list) and reasons:
        return ", ".join(map(str, reasons))
    return f"it answers with status {reply.status}"


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
