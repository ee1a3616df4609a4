"""Which names a violation may show: the contract's own as they are, a record's own escaped and cut.

A key that the contract does not name is data: it may hold an address, a colour code for a terminal, or a mark that
turns the line around.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_LONGEST = 64


def shown(text: str) -> str:
    r"""Escape what a terminal or a reader could misread, and cut what is long.

    >>> shown("qty"), shown("a\x1b[31m"), len(shown("x" * 1000))
    ('qty', 'a\\u001b[31m', 65)
    """
    escaped = text[: _LONGEST + 1]
    if not escaped.isprintable():
        escaped = "".join(c if c.isprintable() else _escaped(c) for c in escaped)
    return escaped if len(escaped) <= _LONGEST else escaped[:_LONGEST] + "…"


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def names_in(*documents: object) -> frozenset[str]:
    """Collect the property names that the schemas write down, wherever they stand.

    >>> sorted(names_in({"properties": {"a": {"required": ["b"]}}, "patternProperties": {"^c": True}}))
    ['a', 'b']
    """
    found: set[str] = set()
    waiting: list[object] = list(documents)
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            found.update(_named_by(node))
            waiting.extend(node.values())
        elif isinstance(node, list | tuple):
            waiting.extend(node)
    return frozenset(found)


def _named_by(schema: Mapping[object, object]) -> Iterable[str]:
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        yield from (name for name in properties if isinstance(name, str))
    required = schema.get("required")
    if isinstance(required, list | tuple):
        yield from (name for name in required if isinstance(name, str))
    for keyword in ("dependentRequired", "dependencies"):
        dependent = schema.get(keyword)
        if isinstance(dependent, Mapping):
            yield from (name for name in dependent if isinstance(name, str))
            lists = (names for names in dependent.values() if isinstance(names, list | tuple))
            yield from (name for names in lists for name in names if isinstance(name, str))
