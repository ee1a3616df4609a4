"""Where the loop's objects lie below the store's root.

::

    <pipeline>/_retrain/<model>/
      00000001.json            an entry of the ledger: who creates it where none is has decided
      leases/00000001.json     who worked on it, the newest last
"""

from __future__ import annotations

from ray_pipeline.lake.keys import quote

_DIGITS = 8


def loop_folder(pipeline: str, model: str) -> str:
    """Return the folder of a model's loop.

    >>> loop_folder("flights", "late_arrival")
    'flights/_retrain/late_arrival'
    """
    return f"{quote(pipeline)}/_retrain/{quote(model)}"


def entry_key(pipeline: str, model: str, number: int) -> str:
    """Return the key of an entry."""
    return f"{loop_folder(pipeline, model)}/{number:0{_DIGITS}d}.json"


def lease_folder(pipeline: str, model: str) -> str:
    """Return the folder of the leases."""
    return f"{loop_folder(pipeline, model)}/leases"


def lease_key(pipeline: str, model: str, number: int) -> str:
    """Return the key of a lease."""
    return f"{lease_folder(pipeline, model)}/{number:0{_DIGITS}d}.json"


def number_of(key: str) -> int | None:
    """Return the number that a key ends with; None where it ends otherwise.

    >>> number_of("flights/_retrain/late_arrival/leases/00000012.json"), number_of("a/b.json")
    (12, None)
    """
    stem, dot, end = key.rpartition("/")[2].partition(".")
    return int(stem) if dot and end == "json" and stem.isascii() and stem.isdecimal() else None
