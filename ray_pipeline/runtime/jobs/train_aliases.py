"""Which aliases a training moves: the challenger is what was trained last."""

from __future__ import annotations

from collections.abc import Callable

from ray_pipeline.errors import AliasConflictError
from ray_pipeline.model.manifest import ModelManifest
from ray_pipeline.runtime.models.aliases import Alias, AliasMove, MoveKind
from ray_pipeline.runtime.models.registry import ModelRegistry

ATTEMPTS = 5


def challenge(
    registry: ModelRegistry,
    version: ModelManifest,
    *,
    created: bool,
    who: str,
    reason: str,
    say: Callable[[str], None],
) -> AliasMove | None:
    """Make a version the challenger by compare-and-set; None where nothing moved.

    Somebody else may train at the same time: a challenger with a greater number is newer than ours and stays. A version
    that was found again and is champion already challenges nobody.
    """
    for attempt in range(ATTEMPTS):
        aliases = registry.aliases(version.name)
        present = aliases.get(Alias.CHALLENGER)
        if present == version.number:
            return None
        if not created and aliases.get(Alias.CHAMPION) == version.number:
            say(f"{version.shown} is champion already; the challenger stays what it is")
            return None
        if created and present is not None and present > version.number:
            say(f"{version.name}/{present} was trained meanwhile and stays the challenger")
            return None
        try:
            return registry.move(
                version.name,
                Alias.CHALLENGER,
                version.number,
                expected=present,
                who=who,
                reason=reason,
                kind=MoveKind.TRAIN,
            )
        except AliasConflictError:
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")
