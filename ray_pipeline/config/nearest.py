"""The right name next to a wrong one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def unknown(name: str, known: Iterable[str], kind: str = "key") -> str:
    """Say that ``name`` is none of ``known``, and which one is near.

    >>> unknown("topics", ["topic", "contract"])
    'unknown key; did you mean topic?'
    >>> unknown("zzz", ["topic", "contract"])
    'unknown key; known are contract, topic'
    """
    names = sorted(known)
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    if near:
        return f"unknown {kind}; did you mean {near[0]}?"
    return f"unknown {kind}; known are {', '.join(names)}" if len(names) <= 12 else f"unknown {kind}"
