"""What a key may look like. ``lake/keys.py`` quotes names into this alphabet; here it is only checked."""

from __future__ import annotations

import re

MAX_BYTES = 1024
_SEGMENT = re.compile(r"[A-Za-z0-9._=-]+")


def check_key(key: str, room: int = 0) -> str:
    """Return ``key`` where it is one, else raise ``ValueError``: such a key is a bug, never a person's mistake.

    >>> check_key("flights/_log/0.json")
    'flights/_log/0.json'
    """
    segments = key.split("/")
    if any(not _SEGMENT.fullmatch(segment) or segment in (".", "..") for segment in segments):
        raise ValueError(f"not a key of an object store: {key!r}")
    if len(key) + room > MAX_BYTES:
        raise ValueError(f"a key of {len(key) + room} bytes; S3 takes {MAX_BYTES}")
    return key
