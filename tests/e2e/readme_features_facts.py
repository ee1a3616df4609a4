"""The README's tables about features, from the code: print them with ``python -m tests.e2e.readme_features_facts``."""

from __future__ import annotations

from collections.abc import Iterator

from ray_pipeline import features
from ray_pipeline.features.accumulators import accumulator
from ray_pipeline.features.aggregates import DEFAULT_CAP, LARGEST_CAP, Aggregate, Kind
from ray_pipeline.features.dtypes import BOOL, DECIMAL, FLOAT, INT, STRING, TIMESTAMP, aggregated_type
from ray_pipeline.features.reading import Status
from ray_pipeline.features.shape import FeatureShape, ValueType
from tests.e2e.readme_facts import table

VALUES = (INT, f"{DECIMAL}2", FLOAT, TIMESTAMP, BOOL, STRING)
_NUMBERS = frozenset(VALUES[:3])
_TAKES = {
    frozenset(VALUES): "anything",
    _NUMBERS: "numbers",
    _NUMBERS | {TIMESTAMP}: "numbers, moments",
    frozenset((BOOL,)): "a condition",
}
_GIVES = {
    Kind.COUNT: "how many events there are, or how many have a value",
    Kind.SUM: "the sum, exact",
    Kind.MEAN: "the mean, exact and rounded once",
    Kind.MIN: "the least",
    Kind.MAX: "the greatest",
    Kind.SHARE: "the share for which the condition holds, among those for which it is true or false",
    Kind.LAST: "the newest value that is not null, by event time, then publication",
    Kind.COUNT_DISTINCT: (
        f"how many different values, up to a `cap` (default {DEFAULT_CAP}, at most {LARGEST_CAP:,}) at which it stays"
    ),
}
_STANDS_FOR = {
    Status.PRESENT: "it is what it was worth at that moment; null only if that is what it is, as a mean of no events",
    Status.NOT_FOUND: "nothing was known of the entity by that moment, or a part of its key is null",
    Status.OUTSIDE_MAX_AGE: "something was, and it was older than the view's `ttl`",
    Status.INVALID: "it cannot be said: the moment is before what the online state still holds",
}


def aggregates() -> list[str]:
    """One row per aggregate that a window may have."""
    return table(("aggregate", "value", "over", "type", "of no events"), list(_aggregates()))


def statuses() -> list[str]:
    """One row per status."""
    return table(("status", "what stands behind a value"), [(f"`{one}`", _STANDS_FOR[one]) for one in Status])


def functions() -> dict[Kind, str]:
    """How each aggregate is written in a definition file."""
    exported = ((name, getattr(features, name)) for name in features.__all__)
    made = {name: one("column") for name, one in exported if one.__module__.endswith(".aggregates")}
    return {one.kind: name for name, one in made.items() if isinstance(one, Aggregate)}


def _aggregates() -> Iterator[tuple[str, ...]]:
    written = functions()
    for kind in Kind:
        types = {value: aggregated_type(kind, value) for value in VALUES}
        taken = {value: found for value, found in types.items() if isinstance(found, ValueType)}
        given = {found.value for found in taken.values()}
        said = f"`{given.pop()}`" if len(given) == 1 else "of the values"
        value, made = next(iter(taken.items()))
        found = accumulator(FeatureShape("", made, kind, value, DEFAULT_CAP))
        none = found.value(found.empty)
        yield f"`{written[kind]}`", _GIVES[kind], _TAKES[frozenset(taken)], said, "null" if none is None else str(none)


if __name__ == "__main__":
    for part in (aggregates, statuses):
        print("\n".join(part()), end="\n\n")
