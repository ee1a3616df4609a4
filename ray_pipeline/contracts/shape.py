"""How a valid record lands: a small tree between the contract and Arrow.

Both kinds of contract (ODCS, bare JSON Schema) compile to one of these beside their JSON Schema. The JSON Schema
decides whether a record is valid; the shape decides only what its columns look like. ``arrow.py`` turns it into the
read schema and the landing schema, ``verdicts/`` turns valid bytes into rows of it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """JSON string → ``string``."""


@dataclass(frozen=True, slots=True)
class Integer:
    """JSON integer (1, 1.0 and 1e0 are the same one) → ``int32`` where ``bits`` is 32, else ``int64``."""

    bits: int = 64


@dataclass(frozen=True, slots=True)
class Number:
    """JSON number → ``float64``."""


@dataclass(frozen=True, slots=True)
class Boolean:
    """JSON boolean → ``bool``."""


@dataclass(frozen=True, slots=True)
class Date:
    """RFC 3339 full-date → ``date32``."""


@dataclass(frozen=True, slots=True)
class Timestamp:
    """RFC 3339 date-time → ``timestamp[us, UTC]``.

    ``local_zone`` is None where the contract demands an offset or Z; else the IANA zone in which a time without
    one is read (one with an offset keeps its own).
    """

    local_zone: str | None = None


@dataclass(frozen=True, slots=True)
class Json:
    """Whatever Arrow cannot type → ``string`` holding JSON text."""


@dataclass(frozen=True, slots=True)
class ListOf:
    """JSON array of one shape → ``list``."""

    items: Shape


@dataclass(frozen=True, slots=True)
class Field:
    """A named member of a record. Every column is nullable in Arrow: absent and null are both null."""

    name: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Record:
    """JSON object → ``struct`` (at the top: the columns).

    Where it is ``open``, keys without a field are kept as one JSON object text in ``_extra`` (null: there were none).
    """

    fields: tuple[Field, ...]
    open: bool = False


Shape = Text | Integer | Number | Boolean | Date | Timestamp | Json | ListOf | Record
RootShape = Record | Json
"""At the top, ``Json`` means that a valid record may be no object: it lands in one column, ``_value``."""

EXTRA = "_extra"
VALUE = "_value"
OUR_COLUMNS = ("_topic", "_partition", "_offset", "_timestamp", "_key", "_contract", "_contract_version", "_headers")
"""Names that a contract's top level may not use, with ``_extra`` and ``_value``."""
