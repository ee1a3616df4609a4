"""Objects that are numbered from 1, each created only where there is none: the next one, or the end.

A number that is missing before others is no end. Whoever took it for one would say less than is known, and write it
down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ray_pipeline.errors import FileCorruptError

if TYPE_CHECKING:
    from ray_pipeline.lake.ports import ObjectStore

_DIGITS = 8


def numbered_key(folder: str, number: int) -> str:
    """Return the key of one object.

    >>> numbered_key("flights/_retrain/late_arrival", 7)
    'flights/_retrain/late_arrival/00000007.json'
    """
    return f"{folder}/{number:0{_DIGITS}d}.json"


def read_next(store: ObjectStore, folder: str, number: int) -> bytes | None:
    """Return the object of a number, None at the end; ``FileCorruptError`` where later ones are there without it."""
    key = numbered_key(folder, number)
    found = store.get(key)
    if found is not None:
        return found
    later = [one for one in store.list(folder) if one.rpartition("/")[0] == folder and one > key]
    if not later:
        return None
    found = store.get(key)  # who wrote a later one wrote this one before, perhaps since it was asked for
    if found is None:
        why = f"is gone, and {later[-1].rpartition('/')[2]} is there: restore it, for what comes after rests on it"
        raise FileCorruptError(key, why)
    return found
