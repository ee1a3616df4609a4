"""What a dead letter says about itself: its headers, as a pure function of the letter."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache

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
        # four bytes a character is the most that UTF-8 takes
        names = sum(len(name) if name.isascii() else 4 * len(name) for name, _ in self.headers)
        headers = names + sum(len(value) for _, value in self.headers if value) + 10 * len(self.headers)
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
    name = f"[{_quoted(source.topic)}, {source.partition}, {offset}, {_quoted(contract.digest)}]"
    return hashlib.sha256(name.encode()).hexdigest()[:32]


@lru_cache(maxsize=256)
def _quoted(text: str) -> str:
    return json.dumps(text)


def _reasons(letter: DeadLetter, original: Headers, violations_limit: int = VIOLATIONS_LIMIT_BYTES) -> Headers:
    headers = _connect(letter)
    if original:
        present = {name for name, _ in original}
        headers = tuple(header for header in headers if header[0] not in present)
    return headers + _contract(letter, violations_limit)


def _connect(letter: DeadLetter) -> Headers:
    return (
        *_where(letter.source),
        (_CONNECT + "offset", b"%d" % letter.record.offset),
        *_CONNECT_CLASSES,
        (_CONNECT + "exception.message", _sentence(letter.record.violations)),
    )


def _contract(letter: DeadLetter, limit: int) -> Headers:
    identity = event_id(letter.source, letter.record.offset, letter.contract).encode()
    headers = (*_origin(letter.contract, letter.bad_file), (_OURS + "event_id", identity))
    listed, cut = _listed(letter.record.violations, limit)
    return (*headers, *listed, (_OURS + "violations_at", _text(letter.bad_file))) if cut else (*headers, *listed)


# Letters come in runs that say the same: what does not name the record is said once and kept.


@lru_cache(maxsize=256)
def _where(source: TopicPartition) -> Headers:
    return ((_CONNECT + "topic", _text(source.topic)), (_CONNECT + "partition", b"%d" % source.partition))


@lru_cache(maxsize=256)
def _origin(contract: ContractRef, bad_file: str) -> Headers:
    facts = {"id": contract.id, "version": contract.version, "digest": contract.digest, "bad_file": bad_file}
    return tuple((_OURS + name, _text(fact)) for name, fact in facts.items())


@lru_cache(maxsize=1024)
def _listed(violations: tuple[Violation, ...], limit: int) -> tuple[Headers, bool]:
    """Return the headers that list as many violations as fit, and whether some did not."""
    parts, cut = _parts(violations, limit)
    count, text = str(len(violations)), f"[{','.join(parts)}]"
    return ((_OURS + "violation_count", count.encode()), (_OURS + "violations", text.encode())), cut


def _parts(violations: tuple[Violation, ...], limit: int) -> tuple[list[str], bool]:
    parts: list[str] = []
    size = 2
    for violation in violations:
        part = json.dumps(
            {
                "path": violation.pointer,
                "rule": violation.rule,
                "schema_path": violation.schema_path,
                "message": violation.message,
            },
            separators=(",", ":"),
        )
        size += len(part) + 1  # ASCII: characters are bytes
        if size > limit:
            return parts, True
        parts.append(part)
    return parts, False


@lru_cache(maxsize=1024)
def _sentence(violations: tuple[Violation, ...]) -> bytes:
    """Return the first reason in words, and how many more there are."""
    if not violations:
        return b"refused by its contract"
    first = violations[0]
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    text = f"{first.pointer or '(record)'}: {first.rule}: {first.message}"
    room = _MESSAGE_LIMIT_BYTES - len(more)
    return _text(text)[:room].decode(errors="ignore").encode() + more.encode()


def _text(fact: str) -> bytes:
    return fact.encode(errors="backslashreplace")


_CONNECT_CLASSES: Headers = (
    (_CONNECT + "stage", b"VALUE_CONVERTER"),
    (_CONNECT + "class.name", b"ray_pipeline.DataContract"),
    (_CONNECT + "exception.class.name", b"ray_pipeline.types.Violation"),
)
