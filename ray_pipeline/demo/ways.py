"""What is done to a record: a name, the rule that must refuse the outcome, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Way:
    """One way to change a record's bytes."""

    name: str
    rule: str | None
    """The rule of its first violation, under which its dead letter is counted; None: it stays valid and must land."""
    change: Callable[[bytes], bytes | None]
    also: tuple[str, ...] = ()
    """The rules of the violations that must follow the first."""
