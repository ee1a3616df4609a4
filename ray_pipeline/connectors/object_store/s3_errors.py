"""What an S3 server's refusal means here. The texts of obstore are read for status and code and never passed on:
they quote addresses, request bodies and access key ids."""

from __future__ import annotations

import re
from dataclasses import dataclass

from obstore.exceptions import UnauthenticatedError

from ray_pipeline.errors import LakeError, StoreDeniedError, StoreUnavailableError

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,64})</Code>")
_ADVICE = {
    "NoSuchBucket": "the bucket does not exist; create it, or correct the address of the store",
    "InvalidBucketName": "the bucket's name is not one; correct the address of the store",
    "InvalidAccessKeyId": "the access key id is not known there; check store_options.key",
    "XAdminUserNotFound": "the access key id is not known there; check store_options.key",
    "SignatureDoesNotMatch": "the secret does not fit the access key id; check store_options.secret",
    "ExpiredToken": "the session token has expired; renew the credential",
    "InvalidToken": "the session token is not valid; renew the credential",
    "AccessDenied": "access denied; this credential needs to get, put and list there",
    "AuthorizationHeaderMalformed": "signed for another region; set store_options.client_kwargs.region_name",
    "RequestTimeTooSkewed": "this machine's clock is off by more than the server accepts",
}
_TRANSPORT = (  # first match in the text of a request that got no answer
    (("dns error", "failed to lookup"), "its host name is not known"),
    (("certificate", "tls", "handshake"), "the TLS handshake failed"),
    (("connection refused",), "connection refused"),
    (("timed out", "timeout"), "no answer in time"),
    (("connection reset", "connection closed", "incomplete", "broken pipe"), "the connection broke off"),
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Status and error code of an answer; both None where there was none."""

    status: int | None
    code: str | None

    @property
    def conflict(self) -> bool:
        """409: two conditional writes met and this one was not decided. It is to be repeated, and is no "exists"."""
        return self.status == 409

    @property
    def unconditional(self) -> bool:
        """501: the server does not know the If-None-Match header on a write."""
        return self.status == 501 or self.code == "NotImplemented"

    @property
    def no_such_key(self) -> bool:
        """The object is not there. Another 404 (no bucket, no such user, not S3 at all) says nothing about it."""
        return self.code == "NoSuchKey"


def read_refusal(error: BaseException) -> Refusal:
    """Find status and code in an error of obstore."""
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    return Refusal(int(status[1]) if status else None, code[1] if code else None)


def translate(error: BaseException, store: str, operation: str) -> LakeError:
    """Return our error for one of obstore: who must act, and how, in one sentence."""
    refusal = read_refusal(error)
    text = str(error).lower()
    if "redirect without location" in text or refusal.status in (301, 307):
        reason = "the bucket is in another region; set store_options.client_kwargs.region_name"
        return StoreDeniedError(store, operation, reason)
    if refusal.code in _ADVICE:
        return StoreDeniedError(store, operation, f"{_ADVICE[refusal.code]} ({refusal.code})")
    if isinstance(error, UnauthenticatedError) and refusal.status is None:
        reason = "no usable credential was found on this machine; set store_options.key and store_options.secret"
        return StoreDeniedError(store, operation, reason)
    if refusal.status in (401, 403):
        return StoreDeniedError(store, operation, f"the credential was refused ({refusal.code or refusal.status})")
    if refusal.status == 404:
        said = refusal.code or "without a code of S3"
        return StoreDeniedError(
            store, operation, f"the server answered 404 {said}; check the store's address and endpoint"
        )
    if refusal.status is not None and 400 <= refusal.status < 500 and refusal.status not in (408, 409, 429):
        return StoreDeniedError(store, operation, f"the server answered {refusal.status} {refusal.code or ''}".rstrip())
    if refusal.status is not None:
        answer = f"{refusal.status} {refusal.code or ''}".rstrip()
        return StoreUnavailableError(store, operation, f"the server kept answering {answer}")
    for marks, reason in _TRANSPORT:
        if any(mark in text for mark in marks):
            return StoreUnavailableError(store, operation, reason)
    return StoreUnavailableError(store, operation, f"no usable answer ({type(error).__name__})")
