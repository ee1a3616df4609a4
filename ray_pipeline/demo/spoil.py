"""Ways in which producers break records, each a pure function of the record's bytes.

Every way breaks one thing, so that the rule under which its dead letter is counted is known beforehand.
``Spoiler`` decides from a seed and an event's identity alone: the same event is spoiled in the same way in every run,
however long the stretch that is published.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from .events import ARRIVALS, DEPARTURES, TOPICS, WEATHER, Event
from .splice import KeyPath, member, with_member, with_raw, without
from .tricky import tricky_of
from .ways import Way

_OVERSIZED = 20_000
"""Bytes past the ``maxBytes`` of the flights' contracts, and still nothing to a broker."""

_PAST_64_BITS = b"18446744073709551616"
"""2^64: out of the contract's bounds, and out of any column's."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Members of one topic's records that a way may break: present in each of them, each bound by one rule."""

    required: KeyPath
    number: KeyPath
    too_small: int
    too_large: int
    timestamp: KeyPath
    pattern: tuple[KeyPath, str] | None
    """A member and a text that its pattern refuses; None where no member has a pattern."""
    enum: KeyPath = ("origin",)


TARGETS: Mapping[str, Targets] = {
    DEPARTURES: Targets(
        required=("carrier", "code"),
        number=("distance_miles",),
        too_small=-1,
        too_large=40_075,
        timestamp=("scheduled_departure_at",),
        pattern=(("destination",), "Houston"),
    ),
    ARRIVALS: Targets(
        required=("scheduled_arrival_at",),
        number=("flight_number",),
        too_small=0,
        too_large=10_000,
        timestamp=("occurred_at",),
        pattern=(("aircraft", "tail_number"), "n14228"),
    ),
    WEATHER: Targets(
        required=("wind",),
        number=("wind", "direction_degrees"),
        too_small=-90,
        too_large=361,
        timestamp=("observed_at",),
        pattern=None,
    ),
}


@dataclass(frozen=True)
class Spoiler:
    """Decides which events are changed, and how, from the seed and the event's identity."""

    seed: int
    share: float
    """Of all records, how many are spoiled."""
    tricky_share: float = 0.0
    """Of all records, how many are written in an unusual way though valid."""

    @cached_property
    def _ways(self) -> dict[str, tuple[tuple[Way, ...], tuple[Way, ...]]]:
        return {topic: (ways_of(topic), tricky_of(topic)) for topic in TOPICS}

    def way(self, topic: str, key: str, timestamp_ms: int) -> Way | None:
        """Return what happens to this event; None: nothing."""
        identity = f"{self.seed}/{topic}/{key}/{timestamp_ms}".encode()
        digest = hashlib.blake2b(identity, digest_size=16).digest()
        luck = int.from_bytes(digest[:8], "big") / 2**64
        if luck >= self.share + self.tricky_share:
            return None
        spoiling, tricky = self._ways[topic]
        choices = spoiling if luck < self.share else tricky
        return choices[int.from_bytes(digest[8:], "big") % len(choices)]

    def __call__(self, event: Event) -> Event:
        """Return the event as it is published."""
        way = self.way(event.topic, event.key.decode(), event.timestamp_ms)
        if way is None or event.value is None:
            return event
        return dataclasses.replace(event, value=way.change(event.value), way=way.name)


def ways_of(topic: str) -> tuple[Way, ...]:
    """Return the ways in which records of this topic get spoiled, always in the same order."""
    targets = TARGETS[topic]
    return (*_BROKEN_BYTES, *_broken_members(targets), *_broken_pattern(targets))


def _truncated(value: bytes) -> bytes:
    return value[: len(value) * 2 // 3]


def _not_utf8(value: bytes) -> bytes:
    return value.replace(b'"origin":"', b'"origin":"\xff', 1)


def _two_in_one(value: bytes) -> bytes:
    return value + b"\n" + value


def _duplicate_key(value: bytes) -> bytes:
    return value[:-1] + b',"origin":"JFK"}'


def _too_deep(value: bytes) -> bytes:
    return value[:-1] + b',"remarks":' + b"[" * 100 + b"]" * 100 + b"}"


def _oversized(value: bytes) -> bytes:
    return value[:-1] + b" " * _OVERSIZED + b"}"


def _confluent_framed(value: bytes) -> bytes:
    return b"\x00" + (100_042).to_bytes(4, "big") + value


_BROKEN_BYTES = (
    Way("truncated", "json.malformed", _truncated),
    Way("not-utf8", "json.not-utf8", _not_utf8),
    Way("two-objects-in-one", "json.malformed", _two_in_one),
    Way("empty", "json.malformed", lambda _: b""),
    Way("duplicate-key", "json.duplicate-key", _duplicate_key),
    Way("nested-too-deep", "json.too-deep", _too_deep),
    Way("oversized", "record.too-large", _oversized),
    Way("framed-by-a-registry", "record.framed", _confluent_framed),
    Way("tombstone", "record.tombstone", lambda _: None),
    Way("wrapped-in-an-array", "record.not-object", lambda value: b"[" + value + b"]"),
    Way("bare-null", "record.not-object", lambda _: b"null"),
)


def _broken_members(targets: Targets) -> tuple[Way, ...]:
    number, moment = targets.number, targets.timestamp
    return (
        Way("nan", "json.malformed", lambda value: with_raw(value, number, b"NaN")),
        Way("required-missing", "required", lambda value: without(value, targets.required)),
        Way("surplus-key", "additionalProperties", lambda value: with_member(value, ("debug",), True)),
        Way("number-as-text", "type", lambda value: with_member(value, number, "n/a")),
        Way("below-minimum", "minimum", lambda value: with_member(value, number, targets.too_small)),
        Way("above-maximum", "maximum", lambda value: with_member(value, number, targets.too_large)),
        Way("unknown-airport", "enum", lambda value: with_member(value, targets.enum, "NYC")),
        Way("time-without-zone", "format", lambda value: _with_moment(value, moment, "")),
        Way("nanoseconds", "arrow.sub-microsecond", lambda value: _with_moment(value, moment, ".123456789Z")),
        Way("past-64-bits", "maximum", lambda value: with_raw(value, number, _PAST_64_BITS), also=("arrow.overflow",)),
    )


def _broken_pattern(targets: Targets) -> tuple[Way, ...]:
    if targets.pattern is None:
        return ()
    path, text = targets.pattern
    return (Way("pattern-broken", "pattern", lambda value: with_member(value, path, text)),)


def _with_moment(value: bytes, path: KeyPath, ending: str) -> bytes:
    moment = member(value, path)
    return with_member(value, path, moment.removesuffix("Z") + ending)
