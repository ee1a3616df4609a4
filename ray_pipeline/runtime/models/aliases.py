"""Who is champion, and why: the moves of a model's aliases, and what they add up to. Nothing here reads or writes.

::

    move 1  challenger → 1  train
    move 2  champion   → 1  promote
    move 3  challenger → 2  train
    move 4  champion   → 2  promote
    move 5  champion   → 1  rollback        fold: {champion: 1, challenger: 2}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any


class Alias(StrEnum):
    """Names that move from version to version."""

    CHAMPION = "champion"
    """The version that answers."""
    CHALLENGER = "challenger"
    """The version that was trained last, and may become champion."""


class MoveKind(StrEnum):
    """What moved an alias."""

    TRAIN = "train"
    """A training moved the challenger to its version."""
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    """Back to what was before the last promotion."""
    DEMOTE = "demote"
    """Nobody holds the alias any more."""


@dataclass(frozen=True, slots=True)
class AliasMove:
    """One line of a model's history."""

    number: int
    """From 1, without holes, over all aliases of the model."""
    alias: str
    version: int | None
    """None: nobody holds the alias from here on."""
    previous: int | None
    """Who held it until here."""
    kind: str
    who: str
    at: str
    reason: str
    evidence: Mapping[str, Any] | None
    """What the decision rests on, as in a comparison of two versions; None: nothing but the reason."""
    nonce: str
    """Tells a mover whose reply was lost its own move from another one."""

    def to_json(self) -> dict[str, Any]:
        """Return the move as :meth:`from_json` reads it."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Any) -> AliasMove:
        """Read a move; ``ValueError`` where it is none."""
        names = {one.name for one in fields(cls)}
        if not isinstance(found, dict) or found.keys() != names:
            raise ValueError("is no move of an alias")
        move = cls(**found)
        texts = (move.who, move.at, move.reason, move.nonce)
        if (
            move.alias not in tuple(Alias)
            or move.kind not in tuple(MoveKind)
            or not all(isinstance(text, str) for text in texts)
            or not _is_number(move.number)
            or not all(one is None or _is_number(one) for one in (move.version, move.previous))
            or not (move.evidence is None or isinstance(move.evidence, dict))
        ):
            raise ValueError("is no move of an alias")
        return move


def after(state: Mapping[str, int], move: AliasMove, number: int) -> dict[str, int]:
    """Return the aliases after one more move; ``ValueError`` where it is not the one with this number from here."""
    if move.number != number:
        raise ValueError(f"says that it is move {move.number}")
    if state.get(move.alias) != move.previous:
        raise ValueError(f"begins where {move.alias} was not")
    others = {alias: version for alias, version in state.items() if alias != move.alias}
    return others if move.version is None else others | {move.alias: move.version}


def fold(moves: Iterable[AliasMove]) -> dict[str, int]:
    """Return alias → version after all of these moves, which begin with number 1."""
    state: dict[str, int] = {}
    for number, move in enumerate(moves, 1):
        state = after(state, move, number)
    return state


def rollback_target(moves: Iterable[AliasMove], alias: str = Alias.CHAMPION) -> int | None:
    """Return the version that a rollback goes to; None where there is none.

    Promotions are a stack: a rollback takes the newest off, so the next one goes further back, and a version that was
    rolled back from is not returned to. Before the first promotion, and before one that followed a demotion, nobody
    held the alias: there is nothing to go back to.
    """
    stack: list[int | None] = [None]
    for move in moves:
        if move.alias != alias:
            continue
        if move.kind == MoveKind.ROLLBACK:
            stack = stack[:-1] or [None]
            if stack[-1] != move.version:
                stack.append(move.version)
        else:
            stack.append(move.version)
    return stack[-2] if len(stack) > 1 else None


def made_by(moves: Iterable[AliasMove], alias: str) -> AliasMove | None:
    """Return the move that gave the alias to who holds it now; None where it never moved."""
    return next((move for move in reversed(tuple(moves)) if move.alias == alias), None)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
