"""Where every object of a model lies below the store's root.

::

    <pipeline>/_models/<name>/
      files/<sha256>/<file name>     named by what is in it; nobody refers to it before a version does
      versions/<n>.json              the manifest: who creates it where none is has the number
      aliases/<n>.json               one move of an alias: who creates it where none is has moved it

Versions and moves are numbered from 1, without holes.
"""

from __future__ import annotations

from ray_pipeline.lake.keys import quote, unquote

VERSIONS, ALIASES, FILES = "versions", "aliases", "files"
_DIGITS = 8


def models_prefix(pipeline: str) -> str:
    """Return the folder of all models of a pipeline.

    >>> models_prefix("flights")
    'flights/_models'
    """
    return f"{quote(pipeline)}/_models"


def folder(pipeline: str, name: str, part: str) -> str:
    """Return one of the three folders of a model; ``ValueError`` where the name is too long for a key."""
    return f"{models_prefix(pipeline)}/{quote(name)}/{part}"


def numbered_key(pipeline: str, name: str, part: str, number: int) -> str:
    """Return the key of a version's manifest, or of a move.

    >>> numbered_key("flights", "late_arrival", VERSIONS, 3)
    'flights/_models/late_arrival/versions/00000003.json'
    """
    return f"{folder(pipeline, name, part)}/{number:0{_DIGITS}d}.json"


def file_key(pipeline: str, name: str, sha256: str, file: str) -> str:
    """Return the key of one file."""
    return f"{folder(pipeline, name, FILES)}/{quote(sha256)}/{quote(file)}"


def number_of(key: str) -> int | None:
    """Return the number in the key of a manifest or a move; None where it is neither.

    >>> number_of("flights/_models/late_arrival/aliases/00000012.json"), number_of("flights/_models/a/aliases/12.json")
    (12, None)
    """
    stem, dot, end = key.rpartition("/")[2].partition(".")
    plain = dot and end == "json" and len(stem) >= _DIGITS and stem.isascii() and stem.isdecimal()
    number = int(stem) if plain else 0
    return number if number and f"{number:0{_DIGITS}d}" == stem else None


def model_of(pipeline: str, key: str) -> str | None:
    """Return the model that has this version; None where the key is not a version's.

    >>> model_of("flights", "flights/_models/late_arrival/versions/00000001.json")
    'late_arrival'
    """
    parts = key.removeprefix(f"{models_prefix(pipeline)}/").split("/")
    if len(parts) != 3 or parts[1] != VERSIONS or number_of(key) is None:
        return None
    try:
        return unquote(parts[0])
    except ValueError:
        return None
