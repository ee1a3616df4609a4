"""What a dead letter says about itself: its headers, as a pure function of the letter."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from ray_pipeline.stream.ports import DeadLetter
from ray_pipeline.types import ContractRef, Headers, Offset, TopicPartition, Violation

VIOLATIONS_LIMIT_BYTES = 8 * 1024
"""How much of the violation list travels in a header; the bad file has all of it."""
_MESSAGE_LIMIT_BYTES = 1024
_CONNECT = "__connect.errors."
_OURS = "__contract."


@dataclass(frozen=True, slots=True)
class Envelope:
    """A dead letter as it is written."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int
    """Milliseconds; -1: the source record has none."""

    def size(self) -> int:
        """Return about how many bytes the record takes in a batch of its own, before compression; never too few."""
        headers = sum(len(name.encode()) + len(value or b"") + 10 for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers + 256


def envelope(letter: DeadLetter) -> Envelope:
    """Return the letter with key, value, timestamp and headers unchanged, and its reasons as further headers.

    The original headers come first. Then Kafka Connect's names (text): each only where the record has none of that
    name, so that the first failure of a record that fails again stays readable. Then ours, always: of a record that
    came back from a dead-letter topic, the last header of a name is the newest.
    """
    record = letter.record
    return Envelope(record.key, record.value, record.headers + _reasons(letter, record.headers), record.timestamp)


def stub(letter: DeadLetter, limit: int) -> Envelope:
    """Return a letter that is too large for the topic without its value: ``__contract.value_at`` says where that is.

    Where even that is more than ``limit`` bytes, key and original headers are left to the bad file, too. The value is
    empty and not null, which would be a deletion in a compacted topic.
    """
    record = letter.record
    at = ((_OURS + "value_at", letter.bad_file.encode()),)
    kept = Envelope(record.key, b"", record.headers + _reasons(letter, record.headers) + at, record.timestamp)
    if kept.size() <= limit:
        return kept
    return Envelope(None, b"", _reasons(letter, (), violations_limit=0) + at, record.timestamp)


def event_id(source: TopicPartition, offset: Offset, contract: ContractRef) -> str:
    """Return the letter's id: the same for the same record under the same contract, however often it is written.

    >>> event_id(TopicPartition("departures", 0), 7, ContractRef("c", "1", "ab"))
    'f825e9d8b488a7bd0b02d3e8e275ddd5'
    """
    name = json.dumps([source.topic, source.partition, offset, contract.digest])
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def _reasons(letter: DeadLetter, original: Headers, violations_limit: int = VIOLATIONS_LIMIT_BYTES) -> Headers:
    present = {name for name, _ in original}
    connect = tuple((name, value) for name, value in _connect(letter) if name not in present)
    return connect + _contract(letter, violations_limit)


def _connect(letter: DeadLetter) -> Headers:
    facts = {
        "topic": letter.source.topic,
        "partition": str(letter.source.partition),
        "offset": str(letter.record.offset),
        "stage": "VALUE_CONVERTER",
        "class.name": "ray_pipeline.DataContract",
        "exception.class.name": "ray_pipeline.types.Violation",
        "exception.message": _sentence(letter),
    }
    return tuple((_CONNECT + name, _text(fact)) for name, fact in facts.items())


def _contract(letter: DeadLetter, limit: int) -> Headers:
    violations = letter.record.violations
    listed, cut = _listed(violations, limit)
    facts = {
        "id": letter.contract.id,
        "version": letter.contract.version,
        "digest": letter.contract.digest,
        "event_id": event_id(letter.source, letter.record.offset, letter.contract),
        "bad_file": letter.bad_file,
        "violation_count": str(len(violations)),
        "violations": listed,
    }
    if cut:
        facts["violations_at"] = letter.bad_file
    return tuple((_OURS + name, _text(fact)) for name, fact in facts.items())


def _listed(violations: tuple[Violation, ...], limit: int) -> tuple[str, bool]:
    """Return a JSON list of as many violations as fit, and whether some did not."""
    parts: list[str] = []
    size = 2
    for violation in violations:
        part = json.dumps(
            {
                "path": _pointer(violation.path),
                "rule": violation.rule,
                "schema_path": violation.schema_path,
                "message": violation.message,
            },
            separators=(",", ":"),
        )
        size += len(part) + 1  # ASCII: characters are bytes
        if size > limit:
            return f"[{','.join(parts)}]", True
        parts.append(part)
    return f"[{','.join(parts)}]", False


def _sentence(letter: DeadLetter) -> str:
    """Return the first reason in words, and how many more there are."""
    violations = letter.record.violations
    if not violations:
        return "refused by its contract"
    first = violations[0]
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    text = f"{_pointer(first.path) or '(record)'}: {first.rule}: {first.message}"
    room = _MESSAGE_LIMIT_BYTES - len(more)
    return _text(text)[:room].decode(errors="ignore") + more


def _pointer(path: tuple[str | int, ...]) -> str:
    """Write a path as a JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _text(fact: str) -> bytes:
    return fact.encode(errors="backslashreplace")
