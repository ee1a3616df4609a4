"""Which columns of a training set a model sees."""

from __future__ import annotations

from collections.abc import Sequence

from ray_pipeline.config.nearest import unknown
from ray_pipeline.errors import TrainingError
from ray_pipeline.model.columns import ASKED_AT
from ray_pipeline.model.spec import ModelSpec

_SEPARATOR, _STATUS = "__", "__status"
_LAST = ("label", "label_known_at", "split")


def chosen_columns(spec: ModelSpec, names: Sequence[str]) -> tuple[str, ...]:
    """Return the keys that the spec names, then every feature that it does not leave out, in the order of the table.

    A training set has its keys and request values before ``asked_at``, features and statuses after it.
    """
    cut = names.index(ASKED_AT) if ASKED_AT in names else 0
    keys = [one for one in names[:cut] if one not in _LAST]
    features = [one for one in names[cut + 1 :] if _SEPARATOR in one and not one.endswith(_STATUS) and one not in _LAST]
    for key in spec.keys:
        if key not in keys:
            raise TrainingError(spec.name, f"keys: {key}: {unknown(key, keys, 'key of the training set')}")
    views = {one.partition(_SEPARATOR)[0] for one in features}
    left = {one for one in spec.without if one in features}
    for one in spec.without:
        below = {name for name in features if name.startswith(f"{one}{_SEPARATOR}")}
        if not below and one not in left:
            raise TrainingError(spec.name, f"without: {one}: {unknown(one, views | set(features), 'view or feature')}")
        left |= below
    chosen = (*spec.keys, *(one for one in features if one not in left))
    if not chosen:
        raise TrainingError(spec.name, "no column is left that it could see; name fewer under without")
    return chosen
