"""Is a key written twice? By counting, not by looking.

A parser keeps the last of two equal keys, so the parsed record then has fewer keys than its text. The prescan bounds
the keys in the text from above, the counters here count those of the parsed record (never too many): when the two
numbers are equal, no key is doubled. Only where they differ does ``exact.py`` read the record again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from ray_pipeline.contracts.shape import Json, ListOf, Record, RootShape, Shape

Counter = Callable[[Any], int]

_KEY = re.compile(rb'"[ \t\r\n]*:')


def key_counter(shape: RootShape) -> Counter:
    """Return the fastest counter for *valid* records of this shape: it visits only where objects can be.

    It relies on what the shape says of valid records: a nested record is an object or null. What an open record
    does not name is counted without what is in it, so the number may be too low, never too high.

    >>> from ray_pipeline.contracts.shape import Field, Text
    >>> key_counter(Record((Field("a", Text()), Field("b", Record((Field("c", Text()),))))))({"a": 1, "b": {"c": 2}})
    3
    """
    counter = _counter(shape)
    return len if counter is _flat else counter or count_keys


def count_keys(value: Any) -> int:
    """Count the keys of all objects in any parsed value.

    >>> count_keys([{"a": {"b": 1}}, {"c": 2}])
    3
    """
    total = 0
    waiting = [value]
    items: Iterable[Any]
    for node in waiting:  # grows while it is walked
        if node.__class__ is dict:
            total += len(node)
            items = node.values()
        elif node.__class__ is list:
            items = node
        else:
            continue
        for item in items:
            kind = item.__class__
            if kind is dict or kind is list:
                waiting.append(item)
    return total


def most_items(value: object) -> int:
    """Return the length of the longest array in a parsed value."""
    most = 0
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            waiting.extend(node.values())
        elif isinstance(node, list):
            most = max(most, len(node))
            waiting.extend(node)
    return most


def keys_written(text: bytes) -> int:
    """Bound the keys in a text from above, wherever whitespace stands."""
    return len(_KEY.findall(text))


def _counter(shape: Shape) -> Counter | None:
    """Return a counter, or None where there is nothing to count."""
    match shape:
        case Json():
            return count_keys
        case ListOf(items=items):
            inner = _counter(items)
            return None if inner is None else _of_list(inner)
        case Record(fields=fields):
            nested = [(field.name, inner) for field in fields if (inner := _counter(field.shape)) is not None]
            return _of_record(nested) if nested else _flat
        case _:
            return None


def _flat(value: Any) -> int:
    return len(value)


def _of_list(inner: Counter) -> Counter:
    def count(value: Any) -> int:
        return sum([inner(item) for item in value if item])

    return count


def _of_record(nested: list[tuple[str, Counter]]) -> Counter:
    # A counter of a flat object is inlined: the call would cost more than the count.
    flat = tuple(name for name, inner in nested if inner is _flat)
    deep = tuple((name, inner) for name, inner in nested if inner is not _flat)

    def count(record: Any) -> int:
        total = len(record)
        for name in flat:
            if name in record and (value := record[name]):
                total += len(value)
        for name, inner in deep:
            if name in record and (value := record[name]):
                total += inner(value)
        return total

    def count_flat(record: Any) -> int:
        total = len(record)
        for name in flat:
            if name in record and (value := record[name]):
                total += len(value)
        return total

    return count if deep else count_flat
