"""The documented hash once more, one value at a time in Python's integers: what the vectors must agree with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

ALL = (1 << 64) - 1
C1, C2 = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93
K1, K2 = 0xA24BAED4963EE407, 0x9FB21C651E98DF25
PA, PB = 0xFF51AFD7ED558CCD, 0xC2B2AE3D27D4EB4F
START = (0x243F6A8885A308D3, 0x13198A2E03707344)
INTEGER, DECIMAL, FLOAT, TEXT, MOMENT, DATE, TIME, DURATION, BOOLEAN = range(1, 10)


def slow_hash(values: Sequence[Any]) -> tuple[int, int]:
    lanes = START
    for value in values:
        tag, form = _form(value)
        if isinstance(form, bytes):
            while len(form) > 256:
                segments = [form[i : i + 256] for i in range(0, len(form), 256)]
                form = b"".join(
                    half.to_bytes(8, "little") for part in segments for half in _finish(_take(START, 0x8000, part))
                )
                tag += 0x8000
            lanes = _take(lanes, tag, form)
        else:
            lanes = _step(lanes, _spread(form & ALL) + tag * K2)
    return _finish(lanes)


def _form(value: Any) -> tuple[int, int | bytes]:
    if isinstance(value, bool):
        return BOOLEAN, int(value)
    if isinstance(value, str | bytes):
        return TEXT, value.encode() if isinstance(value, str) else value
    if isinstance(value, float):
        if math.isnan(value):
            return FLOAT, 0x7FF8000000000000
        if value.is_integer() and abs(value) < 10**18:
            return INTEGER, int(value)
        import struct

        return FLOAT, struct.unpack("<q", struct.pack("<d", value))[0]
    if isinstance(value, int | Decimal):
        sign, digits, exponent = Decimal(value).as_tuple()
        text = "".join(map(str, digits)).lstrip("0")
        stripped = text.rstrip("0")
        exponent = int(exponent) + len(text) - len(stripped)
        if not stripped:
            return INTEGER, 0
        if exponent >= 0 and len(stripped) + exponent <= 18:
            return INTEGER, int(value)
        return DECIMAL, f"{'-' if sign else ''}{stripped}e{exponent}".encode()
    if isinstance(value, datetime):
        return MOMENT, (value.replace(tzinfo=None) - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    if isinstance(value, date):
        return DATE, (value - date(1970, 1, 1)).days
    raise AssertionError(value)


def _take(lanes: tuple[int, int], tag: int, text: bytes) -> tuple[int, int]:
    for i in range(0, max(len(text), 1), 8):
        word = _spread(int.from_bytes(text[i : i + 8], "little"))
        lanes = _step(lanes, word + len(text) * K1 + tag * K2 if i == 0 else word)
    return lanes


def _spread(word: int) -> int:
    word = word * C1 & ALL
    word ^= word >> 32
    word = word * C2 & ALL
    return word ^ word >> 29


def _step(lanes: tuple[int, int], word: int) -> tuple[int, int]:
    a, b = ((lane ^ word & ALL) * by & ALL for lane, by in zip(lanes, (PA, PB), strict=True))
    return a ^ a >> 32, b ^ b >> 29


def _finish(lanes: tuple[int, int]) -> tuple[int, int]:
    a = sum(lanes) & ALL
    b = lanes[1] + a & ALL
    a, b = _end(a), _end(b)
    a = a + b & ALL
    return a, a + b & ALL


def _end(lane: int) -> int:
    for by in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        lane = (lane ^ lane >> 33) * by & ALL
    return lane ^ lane >> 33
