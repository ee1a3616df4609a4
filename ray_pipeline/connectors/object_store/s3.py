"""S3 and servers that speak its protocol, with conditional writes through obstore."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from ray_pipeline.config.options import Options
from ray_pipeline.connectors.object_store.credentials import AwsCredentials, region
from ray_pipeline.connectors.object_store.keys import check_key
from ray_pipeline.connectors.object_store.s3_errors import read_refusal, translate
from ray_pipeline.errors import RayPipelineError, StoreUnavailableError, StoreUnsafeError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

T = TypeVar("T")

RETRY_SECONDS = 20.0
"""A call that fails has been repeated for about this long: an absent server is named within 30 s."""
_PART = 8 * 1024 * 1024
_OBSTORE_ERRORS = (BaseError, FileNotFoundError)  # obstore's NotFoundError is Python's FileNotFoundError
_RETRY: RetryConfig = {
    "max_retries": 20,
    "retry_timeout": timedelta(seconds=RETRY_SECONDS),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=3), "base": 2},
}


class S3ObjectStore:
    """Objects below ``s3://bucket/prefix``; ``options`` are fsspec's names, dotted (``client_kwargs.region_name``).

    Use :func:`~ray_pipeline.connectors.object_store.open_store`, which checks address and options first.
    """

    def __init__(self, url: str, options: Mapping[str, str]) -> None:
        self._url = url
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        # Two clients, because a time-out that names a dead server soon would cut off a large upload on a slow line.
        self._options = Options(options)
        settings = _settings(url, bucket, options)
        self._store = S3Store(bucket, client_options=_client_options(options, read_timeout=10), **settings)
        self._uploads = S3Store(bucket, client_options=_client_options(options, read_timeout=60), **settings)

    def __reduce__(self) -> tuple[type[S3ObjectStore], tuple[str, Options]]:
        # Another process finds its own credential where the options name none.
        return (S3ObjectStore, (self._url, self._options))

    @property
    def url(self) -> str:
        return self._url

    def __repr__(self) -> str:
        return f"S3ObjectStore({self._url!r})"

    def uri(self, key: str) -> str:
        return f"{self._url}/{check_key(key)}"

    def get(self, key: str) -> bytes | None:
        path = self._path(key)

        def read() -> bytes | None:
            try:
                return obstore.get(self._store, path).bytes().to_bytes()
            except FileNotFoundError as error:
                if read_refusal(error).no_such_key:
                    return None
                raise

        return self._call("read", read)

    def put(self, key: str, data: bytes) -> None:
        path = self._path(key)
        store = self._uploads if len(data) > _PART // 8 else self._store
        self._call("write", lambda: obstore.put(store, path, data, chunk_size=_PART, max_concurrency=4))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        path = self._path(key)
        deadline = time.monotonic() + RETRY_SECONDS
        wait = 0.05
        while True:
            if (created := self._call("write", lambda: self._create(path, data))) is not None:
                return created
            if time.monotonic() + wait > deadline:
                raise StoreUnavailableError(self._url, "write", "conditional writes of one key kept colliding (409)")
            time.sleep(wait * random.uniform(0.5, 1))
            wait = min(wait * 2, 2.0)

    def list(self, prefix: str) -> Iterator[str]:
        start = self._prefix + check_key(prefix) if prefix else self._prefix.rstrip("/")
        pages = iter(obstore.list(self._store, start or None, chunk_size=1000))
        while (page := self._call("list", lambda: next(pages, None))) is not None:
            for item in page:
                yield item["path"].removeprefix(self._prefix)

    def delete(self, key: str) -> None:
        path = self._path(key)

        def remove() -> None:
            try:
                obstore.delete(self._store, path)
            except FileNotFoundError as error:
                if not read_refusal(error).no_such_key:
                    raise

        self._call("delete", remove)

    def _path(self, key: str) -> str:
        return self._prefix + check_key(key, room=len(self._prefix))

    def _create(self, path: str, data: bytes) -> bool | None:
        """Create the object: True, False where there is one, None where the server did not decide (409)."""
        try:
            obstore.put(self._store, path, data, mode="create")
        except AlreadyExistsError as error:
            # obstore calls both 412 and 409 "already exists"; only the first one is.
            refusal = read_refusal(error)
            if refusal.status == 412:
                return False
            return None if refusal.conflict else self._exists(path)
        except BaseError as error:
            if read_refusal(error).unconditional:
                raise StoreUnsafeError(self._url, "it answers 501 to a conditional write") from None
            raise
        return True

    def _exists(self, path: str) -> bool | None:
        try:
            obstore.head(self._store, path)
        except FileNotFoundError:
            return None
        return False

    def _call(self, operation: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except RayPipelineError:
            raise
        except _OBSTORE_ERRORS as error:
            raise translate(error, self._url, operation) from None


def s3_client(url: str, options: Mapping[str, str]) -> S3Store:
    """Return a client for the bucket in ``url``, for those who read what others put there."""
    bucket = url.removeprefix("s3://").partition("/")[0]
    return S3Store(bucket, client_options=_client_options(options, read_timeout=60), **_settings(url, bucket, options))


def _client_options(options: Mapping[str, str], read_timeout: int) -> ClientConfig:
    return {
        "allow_http": (_endpoint(options) or "").startswith("http://"),
        "connect_timeout": timedelta(seconds=5),
        "read_timeout": timedelta(seconds=read_timeout),
        "timeout": timedelta(minutes=10),
    }


def _settings(url: str, bucket: str, options: Mapping[str, str]) -> dict[str, Any]:
    return {
        "region": region(url, options),
        "retry_config": _RETRY,
        **_identity(url, options),
        **_addressing(bucket, _endpoint(options), options),
        **_extras(options),
    }


def _endpoint(options: Mapping[str, str]) -> str | None:
    return options.get("endpoint_url") or options.get("client_kwargs.endpoint_url")


def _identity(url: str, options: Mapping[str, str]) -> dict[str, Any]:
    if options.get("anon", "").lower() == "true":
        return {"skip_signature": True}
    if not options.get("key"):
        return {"credential_provider": AwsCredentials(url, options.get("profile"))}
    identity = {"access_key_id": options["key"], "secret_access_key": options["secret"]}
    return identity | ({"session_token": options["token"]} if options.get("token") else {})


def _addressing(bucket: str, endpoint: str | None, options: Mapping[str, str]) -> dict[str, Any]:
    """Servers of one's own have one host name for all buckets; AWS wants the bucket in the host name."""
    style = options.get("config_kwargs.s3.addressing_style", "auto")
    virtual = style == "virtual" or (style == "auto" and endpoint is None and "." not in bucket)
    addressing: dict[str, Any] = {"virtual_hosted_style_request": virtual}
    if endpoint is not None:
        scheme, _, host = endpoint.rstrip("/").partition("://")
        addressing["endpoint"] = f"{scheme}://{bucket}.{host}" if virtual else f"{scheme}://{host}"
    return addressing


def _extras(options: Mapping[str, str]) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if encryption := options.get("s3_additional_kwargs.ServerSideEncryption"):
        extras["server_side_encryption"] = encryption
    if key_id := options.get("s3_additional_kwargs.SSEKMSKeyId"):
        extras["sse_kms_key_id"] = key_id
    if options.get("requester_pays", "").lower() == "true":
        extras["request_payer"] = True
    return extras
