"""Our own rule codes: what can be wrong with a record before, and after, its JSON Schema is asked.

Everything else that a violation may name is a JSON Schema keyword.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TOMBSTONE: Final = "record.tombstone"
TOO_LARGE: Final = "record.too-large"
FRAMED: Final = "record.framed"
NOT_OBJECT: Final = "record.not-object"
MORE: Final = "record.more-violations"
NOT_UTF8: Final = "json.not-utf8"
MALFORMED: Final = "json.malformed"
TOO_DEEP: Final = "json.too-deep"
TOO_MANY_KEYS: Final = "json.too-many-keys"
TOO_MANY_ITEMS: Final = "json.too-many-items"
DUPLICATE_KEY: Final = "json.duplicate-key"
NUMBER_TOO_LONG: Final = "json.number-too-long"
OVERFLOW: Final = "arrow.overflow"
INEXACT: Final = "arrow.inexact"
SUB_MICROSECOND: Final = "arrow.sub-microsecond"
OUT_OF_RANGE: Final = "arrow.out-of-range"
MISMATCH: Final = "arrow.mismatch"

CODES: Final[Mapping[str, str]] = {
    TOMBSTONE: "a null value, where the contract does not allow one",
    TOO_LARGE: "more bytes than the contract's `maxBytes`",
    FRAMED: "starts with a schema registry's frame (0x00 and a schema id, or 0x01 and a GUID) instead of bare JSON",
    NOT_OBJECT: "JSON, but no object, under a contract whose records are objects",
    MORE: "the list of violations was cut: the record has more than are listed",
    NOT_UTF8: "the bytes are not UTF-8",
    MALFORMED: "not one JSON text: empty, cut off, two texts, NaN or Infinity, a lone surrogate, a byte order mark",
    TOO_DEEP: "arrays and objects nested deeper than the contract's `maxDepth`",
    TOO_MANY_KEYS: "more object keys in the record than the cap",
    TOO_MANY_ITEMS: "an array with more items than the cap",
    DUPLICATE_KEY: "an object names the same key twice, so its meaning depends on the reader",
    NUMBER_TOO_LONG: "a number with more than 4,300 digits when written out",
    OVERFLOW: "a number outside the range of its column (64- or 32-bit integer, or double)",
    INEXACT: "a number that its column would change: an integer literal that a double cannot hold, "
    "or a fraction in an integer column",
    SUB_MICROSECOND: "a time with digits below a microsecond, where the contract does not truncate them",
    OUT_OF_RANGE: "a date or time that its column cannot hold: before year 1, after year 9999, or a leap second",
    MISMATCH: "valid JSON of another type than its column",
}
"""Code → its meaning, in one line."""
