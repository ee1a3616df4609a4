"""Aliases are what their moves add up to, and a rollback takes the newest promotion off a stack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ray_pipeline.runtime.models.aliases import AliasMove, fold, made_by, rollback_target


def moves(*said: tuple[str, int | None, str]) -> list[AliasMove]:
    found: list[AliasMove] = []
    state: dict[str, int] = {}
    for number, (alias, version, kind) in enumerate(said, 1):
        found.append(
            AliasMove(number, alias, version, state.get(alias), kind, "ann", "2013-01-01", "why", None, f"{number}")
        )
        state = fold(found)
    return found


def champions(*said: int | str) -> list[AliasMove]:
    """``1`` promotes version 1, ``-`` demotes, ``<1`` rolls back to 1."""
    found: list[tuple[str, int | None, str]] = []
    for one in said:
        if isinstance(one, int):
            found.append(("champion", one, "promote"))
        elif one == "-":
            found.append(("champion", None, "demote"))
        else:
            found.append(("champion", int(one[1:]), "rollback"))
    return moves(*found)


def test_each_alias_moves_by_itself() -> None:
    history = moves(("challenger", 1, "train"), ("champion", 1, "promote"), ("challenger", 2, "train"))
    assert fold(history) == {"champion": 1, "challenger": 2}
    assert made_by(history, "champion") == history[1]
    assert made_by(history[:1], "champion") is None


def test_an_alias_that_nobody_holds_is_not_there() -> None:
    assert fold(champions(1, "-")) == {}


@pytest.mark.parametrize(
    ("said", "target"),
    [
        ((), None),
        ((1,), None),
        ((1, 2), 1),
        ((1, 2, 3), 2),
        ((1, 2, 3, "<2"), 1),
        ((1, 2, 3, "<2", "<1"), None),
        ((1, 2, "<1", 3), 1),
        ((1, 2, 1), 2),
        ((1, "-"), 1),
        ((1, "-", 2), None),
        ((1, 2, "<7"), 1),
    ],
    ids=str,
)
def test_a_rollback_goes_to_what_was_before_the_newest_promotion(said: Sequence[int | str], target: int | None) -> None:
    assert rollback_target(champions(*said)) == target


def test_a_challenger_that_moves_is_no_promotion() -> None:
    assert rollback_target(moves(("champion", 1, "promote"), ("challenger", 2, "train"))) is None


@pytest.mark.parametrize("wrong", ["a hole", "another beginning"])
def test_moves_that_do_not_follow_each_other_are_refused(wrong: str) -> None:
    history = champions(1, 2, 3)
    with pytest.raises(ValueError, match="says that it is move 3" if wrong == "a hole" else "begins where"):
        fold([history[0], history[2]] if wrong == "a hole" else [history[0], *champions("-", "-")[1:]])


def test_a_move_is_its_json() -> None:
    move = AliasMove(3, "champion", 2, 1, "promote", "ann", "2013-01-01T00:00:00.000000Z", "why", {"auc": 0.1}, "ab")
    assert AliasMove.from_json(move.to_json()) == move


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("alias", "boss"),
        ("kind", "coup"),
        ("number", True),
        ("number", 0),
        ("version", "1"),
        ("who", None),
        ("evidence", []),
        ("more", 1),
    ],
)
def test_what_is_no_move_is_refused(key: str, value: Any) -> None:
    good = champions(1)[0].to_json()
    with pytest.raises(ValueError, match="is no move"):
        AliasMove.from_json(good | {key: value})
    with pytest.raises(ValueError, match="is no move"):
        AliasMove.from_json([])
