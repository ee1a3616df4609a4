"""Which partition a key goes to: what Java producers compute, and the demo's publisher too."""

from __future__ import annotations

_SEED, _M, _R, _WORD = 0x9747B28C, 0x5BD1E995, 24, 0xFFFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key.

    >>> [partition_of(origin, 2) for origin in (b"EWR", b"JFK", b"LGA")]
    [1, 1, 0]
    """
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Return the hash that Kafka chose, of 32 bits."""
    found = _SEED ^ len(data)
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * _M & _WORD
        found = (found * _M & _WORD) ^ ((word ^ (word >> _R)) * _M & _WORD)
    if rest := data[whole:]:
        found = (found ^ int.from_bytes(rest, "little")) * _M & _WORD
    found = (found ^ (found >> 13)) * _M & _WORD
    return found ^ (found >> 15)
