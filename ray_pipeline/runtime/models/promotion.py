"""Who answers from now on: a version becomes champion once it is shown to load, and the last promotion is undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ray_pipeline.errors import AliasConflictError, NoModelError, UsageError
from ray_pipeline.runtime.models.aliases import Alias, AliasMove, MoveKind, fold, made_by, rollback_target
from ray_pipeline.runtime.models.registry import ModelRegistry
from ray_pipeline.text import count

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig

Say = Callable[[str], None]


def promote(
    config: PipelineConfig,
    name: str,
    which: str | int = Alias.CHALLENGER,
    *,
    who: str | None = None,
    reason: str,
    evidence: Mapping[str, Any] | None = None,
    expected: int | None = None,
    expected_move: int | None = None,
    registry: ModelRegistry | None = None,
    repo: Any = None,
    on_message: Say | None = None,
) -> AliasMove:
    """Make a version champion: the challenger, or the one that is named by number or ``latest``.

    It is opened first as a replica opens it. One that cannot load (a file changed, types that are not listed, a view
    defined otherwise by now) is refused, and the champion stays. The present champion is not promoted again: what is
    returned is the move that made it champion, and ``on_message`` gets a sentence. ``AliasConflictError``: somebody
    moved the champion meanwhile; or it is not the ``expected`` version, or not where the move with the number
    ``expected_move`` brought it, where they are given.
    """
    reason = _sentence(reason)
    registry = registry or open_registry(config)
    present = registry.aliases(name).get(Alias.CHAMPION)
    number = registry.find(name, which)
    _open(config, registry, name, number, repo)
    if expected is not None and present not in (expected, number):
        raise AliasConflictError(name, Alias.CHAMPION, expected, present)
    if number == present:
        found = made_by(registry.history(name), Alias.CHAMPION)
        assert found is not None
        if on_message is not None:
            on_message(f"{name}/{number} is champion already, since {found.at} by {found.who}; nothing was moved")
        return found
    return registry.move(
        name,
        Alias.CHAMPION,
        number,
        expected=present,
        expected_move=expected_move,
        who=who or _whoami(),
        reason=reason,
        kind=MoveKind.PROMOTE,
        evidence=evidence,
    )


def rollback(
    config: PipelineConfig,
    name: str,
    *,
    who: str | None = None,
    reason: str,
    evidence: Mapping[str, Any] | None = None,
    expected: int | None = None,
    expected_move: int | None = None,
    registry: ModelRegistry | None = None,
    repo: Any = None,
) -> AliasMove:
    """Make the version champion again that was it before the last promotion; ``NoModelError`` where none was.

    Promotions are a stack: a second rollback goes one promotion further back, it does not undo the first. The version
    is opened as :func:`promote` opens it. ``AliasConflictError``: somebody moved the champion meanwhile; or it is not
    the ``expected`` version, or not where the move with the number ``expected_move`` brought it, where they are given.
    """
    reason = _sentence(reason)
    registry = registry or open_registry(config)
    moves = registry.history(name)
    present = fold(moves).get(Alias.CHAMPION)
    if expected is not None and present != expected:
        raise AliasConflictError(name, Alias.CHAMPION, expected, present)
    target = rollback_target(moves)
    if target is None:
        registry.find(name, "latest")
        promoted = sum(move.kind == MoveKind.PROMOTE for move in moves)
        was = "no version" if present is None else f"{name}/{present}"
        said = f"{was} is champion, and none was before it ({count(promoted, 'promotion')} in its history)"
        raise NoModelError(name, f"there is nothing to go back to: {said}")
    _open(config, registry, name, target, repo)
    return registry.move(
        name,
        Alias.CHAMPION,
        target,
        expected=present,
        expected_move=expected_move,
        who=who or _whoami(),
        reason=reason,
        kind=MoveKind.ROLLBACK,
        evidence=evidence,
    )


def open_registry(config: PipelineConfig) -> ModelRegistry:
    """Return the registry of a pipeline; nothing is contacted yet."""
    from ray_pipeline.runtime.wiring import open_lake

    return ModelRegistry(open_lake(config), config.pipeline)


def _open(config: PipelineConfig, registry: ModelRegistry, name: str, number: int, repo: Any) -> None:
    from ray_pipeline.runtime.predictions.predictor import open_predictor

    open_predictor(config, registry.manifest(name, number), registry=registry, repo=repo)


def _whoami() -> str:
    from ray_pipeline.runtime.curated import whoami

    return whoami()


def _sentence(reason: str) -> str:
    if not reason.strip():
        raise UsageError("say why: a champion that was moved without a reason cannot be explained later")
    return reason.strip()
