"""Foreign text on a person's terminal: what a record, a file or a library says must not steer it."""

from __future__ import annotations

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    r"""Return the text with everything that is not plainly printable written as an escape.

    Control characters would move the cursor or rename the window (ANSI, OSC), direction marks would show another
    text than the one that is there, and a lone surrogate cannot be printed at all.

    >>> print(visible("\x1b[31mred\u202egnp"))
    \x1b[31mred\u202egnp
    >>> print(visible("Zoë 日本"))
    Zoë 日本
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def visible_bytes(data: bytes) -> str:
    r"""Return bytes as text: UTF-8 where they are, each other byte as ``\xNN``.

    >>> print(visible_bytes(b'{"a": 1}\xff\x1b'))
    {"a": 1}\xff\x1b
    """
    return visible(data.decode("utf-8", "surrogateescape"))


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun.

    >>> count(1, "record"), count(26115, "record"), count(2, "entry", "entries")
    ('1 record', '26,115 records', '2 entries')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or noun + 's'}"


def _escape(char: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as surrogateescape carries it
        return f"\\x{code - 0xDC00:02x}"
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
