"""States as bytes: small values as JSON, arrays as raw little-endian numbers, sealed by SHA-256.

::

    magic      8 bytes  b"RPSTATE1"
    length     8 bytes  of the header, little-endian
    header              canonical JSON: {state id: {"values": {…}, "arrays": {name: [type, length]}}}, keys sorted
    arrays              in the header's order, each padded with zeros to a multiple of 8 bytes
    seal      32 bytes  SHA-256 of everything before

Equal states are equal bytes. Nothing in it can run: no pickle, no Arrow extension types. What is read back is checked
against the bytes that are there before anything is allocated, so hostile bytes cost no more than their own length.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .measure import Array, State

MAGIC = b"RPSTATE1"
_LENGTH = 8
_SEAL = 32
_DTYPES = frozenset({"|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f4", "<f8"})


def encode(states: Mapping[str, State]) -> bytes:
    """Return the states as bytes; raise ``ValueError`` for one that is not of JSON and one-dimensional numbers.

    >>> decode(encode({"row_count{}": State({"rows": 3})}))
    {'row_count{}': State(values={'rows': 3}, arrays={})}
    """
    header: dict[str, Any] = {}
    arrays: list[Array] = []
    for name in sorted(states):
        described = {}
        for key in sorted(states[name].arrays):
            array = _little_endian(states[name].arrays[key])
            described[key] = [array.dtype.str, len(array)]
            arrays.append(array)
        header[name] = {"values": dict(states[name].values), "arrays": described}
    try:
        head = _dump(header)
    except (TypeError, RecursionError) as error:
        raise ValueError("a state's values are not JSON") from error
    parts = [MAGIC, len(head).to_bytes(_LENGTH, "little"), head, _padding(len(head))]
    for array in arrays:
        parts += [array.tobytes(), _padding(array.nbytes)]
    body = b"".join(parts)
    return body + hashlib.sha256(body).digest()


def decode(data: bytes) -> dict[str, State]:
    """Return the states; raise ``ValueError`` with a reason where the bytes are not what :func:`encode` makes.

    The arrays are views on ``data``: nothing is copied, nothing can be written to.
    """
    start = len(MAGIC) + _LENGTH
    end = len(data) - _SEAL
    if end < start or data[: len(MAGIC)] != MAGIC:
        raise ValueError("not stored states")
    if hashlib.sha256(memoryview(data)[:end]).digest() != data[end:]:
        raise ValueError("its SHA-256 is not the one in it")
    length = int.from_bytes(data[len(MAGIC) : start], "little")
    if length > end - start:
        raise ValueError("a header longer than the bytes")
    head = data[start : start + length]
    header = _parse(head)
    reader = _Reader(data, start + length, end)
    reader.skip(-length % 8)
    states = {name: State(values, dict(reader.arrays(described))) for name, values, described in _states(header)}
    if reader.at != end:
        raise ValueError("bytes that belong to no array")
    return states


class _Reader:
    """Takes arrays off the bytes between two places."""

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self.data, self.at, self.end = data, at, end

    def arrays(self, described: Mapping[str, Any]) -> Iterator[tuple[str, Array]]:
        for name, entry in described.items():
            dtype, length = entry if isinstance(entry, list) and len(entry) == 2 else (None, None)
            if not isinstance(dtype, str) or dtype not in _DTYPES or type(length) is not int or length < 0:
                raise ValueError("an array of no known type or length")
            size = length * np.dtype(dtype).itemsize
            if size > self.end - self.at:
                raise ValueError("an array longer than the bytes")
            yield name, np.frombuffer(self.data, dtype, length, self.at)
            self.at += size
            self.skip(-size % 8)

    def skip(self, size: int) -> None:
        if size > self.end - self.at or any(self.data[self.at : self.at + size]):
            raise ValueError("no zeros between arrays")
        self.at += size


def _states(header: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for name, state in header.items():
        if not isinstance(state, dict) or state.keys() != {"values", "arrays"}:
            raise ValueError("a state without values and arrays")
        values, described = state["values"], state["arrays"]
        if not isinstance(values, dict) or not isinstance(described, dict):
            raise ValueError("values or arrays without names")  # noqa: TRY004
        yield name, values, described


def _dump(header: Mapping[str, Any]) -> bytes:
    return json.dumps(header, allow_nan=False, separators=(",", ":"), sort_keys=True).encode("ascii")


def _parse(head: bytes) -> dict[str, Any]:
    try:
        header = json.loads(head)
        canonical = isinstance(header, dict) and _dump(header) == head
    except (RecursionError, UnicodeDecodeError) as error:
        raise ValueError("a header that is not JSON") from error
    if not canonical:
        raise ValueError("a header that is not written as this version writes it")
    return dict(header)


def _little_endian(array: Array) -> Array:
    plain = np.ascontiguousarray(array)
    plain = plain.astype(plain.dtype.newbyteorder("<"), copy=False)
    if plain.ndim != 1 or plain.dtype.str not in _DTYPES:
        raise ValueError(f"an array of {plain.ndim} dimensions of {plain.dtype}")
    return plain


def _padding(size: int) -> bytes:
    return b"\0" * (-size % 8)
