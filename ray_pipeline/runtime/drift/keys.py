"""Where the baselines of a pipeline lie below the store's root.

::

    <pipeline>/_drift/<subject>/baselines/<n>.json        who creates it where none is has the number; from 1, no holes
    <pipeline>/_drift/files/<sha256>/baseline.json        named by what is in it; no baseline is changed
                                     baseline.parquet

A subject may be called ``files`` too: no SHA-256 is ``baselines``.
"""

from __future__ import annotations

from ray_pipeline.lake.keys import quote

DRIFT, BASELINES, FILES = "_drift", "baselines", "files"
_DIGITS = 8


def subject_prefix(pipeline: str, subject: str) -> str:
    """Return the folder of all that is kept about a subject.

    >>> subject_prefix("flights", "departures")
    'flights/_drift/departures'
    """
    return f"{quote(pipeline)}/{DRIFT}/{quote(subject)}"


def baselines_prefix(pipeline: str, subject: str) -> str:
    """Return the folder of a subject's baselines."""
    return f"{subject_prefix(pipeline, subject)}/{BASELINES}"


def baseline_key(pipeline: str, subject: str, number: int) -> str:
    """Return the key of one baseline.

    >>> baseline_key("flights", "departures", 2)
    'flights/_drift/departures/baselines/00000002.json'
    """
    return f"{baselines_prefix(pipeline, subject)}/{number:0{_DIGITS}d}.json"


def file_key(pipeline: str, sha256: str, file: str) -> str:
    """Return the key of one file of a baseline."""
    return f"{quote(pipeline)}/{DRIFT}/{FILES}/{quote(sha256)}/{quote(file)}"


def number_of(key: str) -> int | None:
    """Return the number in the key of a baseline; None where it is none.

    >>> number_of("flights/_drift/departures/baselines/00000012.json"), number_of("x/12.json")
    (12, None)
    """
    stem, dot, end = key.rpartition("/")[2].partition(".")
    plain = dot and end == "json" and len(stem) >= _DIGITS and stem.isascii() and stem.isdecimal()
    number = int(stem) if plain else 0
    return number if number and f"{number:0{_DIGITS}d}" == stem else None
