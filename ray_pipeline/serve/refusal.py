"""A request that gets no prediction: status, code, and a sentence that quotes nothing of what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

CODES: Final[Mapping[str, tuple[HTTPStatus, str]]] = {
    "not_json": (HTTPStatus.BAD_REQUEST, "The body is not one JSON object."),
    "duplicate_key": (HTTPStatus.BAD_REQUEST, "The body names a field twice."),
    "unauthorized": (HTTPStatus.UNAUTHORIZED, "The token is absent, or not the one."),
    "no_such_page": (HTTPStatus.NOT_FOUND, "There is nothing under this path."),
    "entity_unknown": (HTTPStatus.NOT_FOUND, "Nothing is known of an entity, and serve.on_missing says refuse."),
    "method_not_allowed": (HTTPStatus.METHOD_NOT_ALLOWED, "The path takes another method."),
    "body_too_slow": (HTTPStatus.REQUEST_TIMEOUT, "The body did not arrive within serve.timeout_seconds."),
    "body_too_large": (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is longer than serve.max_body_bytes."),
    "not_json_type": (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The Content-Type is not application/json."),
    "internal": (HTTPStatus.INTERNAL_SERVER_ERROR, "An error of the server's own; its log has the place."),
    "no_champion": (HTTPStatus.SERVICE_UNAVAILABLE, "No version of the model answers yet."),
    "busy": (HTTPStatus.SERVICE_UNAVAILABLE, "More than serve.max_queued requests wait for their turn."),
    "store_unavailable": (HTTPStatus.SERVICE_UNAVAILABLE, "The online store does not answer."),
    "feature_stale": (HTTPStatus.SERVICE_UNAVAILABLE, "A feature is too old, and serve.on_stale says refuse."),
    "not_logged": (HTTPStatus.SERVICE_UNAVAILABLE, "The topic does not take the answer's event, so it is not given."),
    "ending": (HTTPStatus.SERVICE_UNAVAILABLE, "This process ends."),
    "too_slow": (HTTPStatus.GATEWAY_TIMEOUT, "There was no answer within serve.timeout_seconds."),
}
"""Every code that :mod:`ray_pipeline.serve` itself gives; a field of the request that is wrong has others, with 422."""

RETRY_AFTER: Final = 1
"""Seconds that a client should wait, where the same request may succeed."""


class Refusal(Exception):  # noqa: N818  it is an answer, and no error of the program
    """An answer that is no prediction."""

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        field: str | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        known = CODES.get(code)
        self.code, self.field = code, field
        self.status = int(status if status is not None else known[0] if known else HTTPStatus.UNPROCESSABLE_ENTITY)
        self.message = message if message is not None else known[1] if known else "The request is not understood."
        self.headers = dict(headers or {})
        if self.status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.headers.setdefault("retry-after", str(RETRY_AFTER))

    def to_json(self, request_id: str | None = None) -> dict[str, Any]:
        """Return the body of the answer."""
        error = {"code": self.code, "message": self.message} | ({"field": self.field} if self.field else {})
        return {"error": error} | ({"request_id": request_id} if request_id else {})
