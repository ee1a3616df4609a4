"""Where the lake lies: what a store's address may be, and which options a store takes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ray_pipeline.config.nearest import unknown

S3_OPTIONS: Mapping[str, str] = {
    "key": "access key id",
    "secret": "secret access key",
    "token": "session token",
    "profile": "name of a profile in the AWS configuration files",
    "anon": "true: send no credential",
    "endpoint_url": "address of an S3-compatible server; AWS when left out",
    "region": "short for client_kwargs.region_name",
    "client_kwargs.region_name": "region; us-east-1 when nothing says otherwise",
    "client_kwargs.endpoint_url": "as endpoint_url",
    "config_kwargs.s3.addressing_style": "path, virtual or auto",
    "s3_additional_kwargs.ServerSideEncryption": "AES256 or aws:kms",
    "s3_additional_kwargs.SSEKMSKeyId": "key of aws:kms",
    "requester_pays": "true: the requester pays",
}
"""fsspec's names, as ``s3fs`` takes them, nested ones with dots; writers and readers both honour each of them."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SEGMENT = re.compile(r"[A-Za-z0-9._=-]+")
_BOOLEANS = ("true", "false")


def resolve_store(address: str, base: Path) -> str:
    """Return ``s3://bucket/prefix`` or an absolute folder; a relative folder counts from ``base``.

    Raises ``ValueError`` with one sentence that says what would be right.

    >>> resolve_store("./lake", Path("/srv/configs"))
    '/srv/configs/lake'
    >>> resolve_store("s3://bucket/flights/", Path("/srv"))
    's3://bucket/flights'
    """
    if not address or "\0" in address:
        raise ValueError("must name a folder, or s3://bucket/prefix")
    scheme, separator, rest = address.partition("://")
    if not separator:
        return _folder(address, base)
    if scheme == "file":
        parts = urlsplit(address)
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise ValueError("file:// takes an absolute path: file:///srv/lake")
        return _folder(unquote(parts.path), base)
    if scheme == "s3":
        return _s3(rest)
    raise ValueError(f"{scheme}:// is not a store that is known here: use a folder or s3://bucket/prefix")


def check_store_options(store: str, options: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (option, what is wrong) for each option that the store does not take; never a value.

    >>> check_store_options("s3://bucket", {"endpoint": "http://127.0.0.1:9000"})
    [('endpoint', 'unknown option; did you mean endpoint_url?')]
    """
    if not store.startswith("s3://"):
        return [(name, "a folder takes no options") for name in options]
    problems = [(name, unknown(name, S3_OPTIONS, "option")) for name in options if name not in S3_OPTIONS]
    problems += [
        (name, "must be true or false")
        for name in ("anon", "requester_pays")
        if name in options and options[name].lower() not in _BOOLEANS
    ]
    problems += _pair_problems(options)
    for name in ("endpoint_url", "client_kwargs.endpoint_url"):
        if name in options and (what := _endpoint_problem(options[name])):
            problems.append((name, what))
    style = options.get("config_kwargs.s3.addressing_style", "auto")
    if style not in ("path", "virtual", "auto"):
        problems.append(("config_kwargs.s3.addressing_style", "must be path, virtual or auto"))
    return problems


def _pair_problems(options: Mapping[str, str]) -> list[tuple[str, str]]:
    problems = []
    for one, other in (("key", "secret"), ("secret", "key"), ("token", "key")):
        if options.get(one) and not options.get(other):
            problems.append((one, f"needs {other} beside it"))
        elif one in options and not options[one]:
            problems.append((one, "is empty"))
    for one, other in (("region", "client_kwargs.region_name"), ("endpoint_url", "client_kwargs.endpoint_url")):
        if one in options and other in options and options[one] != options[other]:
            problems.append((one, f"says otherwise than {other}: leave one out"))
    return problems


def _endpoint_problem(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        return "must be http://host:port or https://host"
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
        return "must be http://host:port or https://host"
    if parts.username or parts.password:
        return "must not hold a credential: use key and secret"
    if parts.query or parts.fragment:
        return "must not have a query"
    return None


def _folder(path: str, base: Path) -> str:
    # normpath and not resolve(): a link in the path stays as the person wrote it.
    return os.path.normpath((base / Path(path).expanduser()).absolute())


def _s3(rest: str) -> str:
    bucket, _, prefix = rest.partition("/")
    if "@" in bucket:
        raise ValueError("must not hold a credential: use store_options.key and store_options.secret")
    if not _BUCKET.fullmatch(bucket) or ".." in bucket:
        raise ValueError("is no bucket: s3://bucket/prefix, the bucket with 3 to 63 of a-z, 0-9, '.' and '-'")
    segments = [segment for segment in prefix.split("/") if segment]
    if any(not _SEGMENT.fullmatch(s) or s in (".", "..") for s in segments) or len(prefix) > 400:
        raise ValueError("the prefix may have letters, digits, '.', '_', '=', '-' and '/', and no '.' or '..' part")
    return "/".join(("s3:/", bucket, *segments))
